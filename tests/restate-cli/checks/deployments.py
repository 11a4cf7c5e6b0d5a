"""deployments: register, list, describe and remove. Each check begins with version v1 alone."""
from check import check


@check("deployments list and describe")
def listed(w):
    dp = w.back_to_v1()
    url = w.endpoints[-1].url
    w.backing_off()
    w.cli("deployments", "list").ok.says(f"{url}/ HTTP {dp}", "- Greeter [")
    w.cli("deployments", "list", "--extra").ok.says(f"{url}/ HTTP Active 1 {dp}")
    w.cli("deployments", "describe", dp).ok.says(
        f"ID: {dp}", "Transport: HTTP/2.0", "Protocol Style: Bidirectional Stream", f"Endpoint: {url}/",
        "SDK Version restate-sdk-typescript/", "Protocol: [5, 7]", "- Signup", "Type: Workflow workflow",
        "HANDLER INPUT OUTPUT")
    w.cli("deployments", "describe", dp, "--extra").ok.says(
        "Status: Active", "Invocations: 1", "HANDLER INPUT OUTPUT ACTIVE-INVOCATIONS",
        "charge application/json application/json 1")
    w.cli("deployments", "describe", dp[:-1] + ("a" if dp[-1] != "a" else "b")).fails("404 Not Found")


@check("deployments register: a new one, with a question or without")
def register(w):
    w.back_to_v1()
    second = w.endpoint("v2")
    assert w.cli("deployments", "register", second.url).code != 0, "it asks, and nobody answers"
    answer = w.cli.yes("deployments", "register", second.url, "--metadata", "team=blue",
                       "--extra-header", "x-token=secret").ok
    answer.section("SERVICES THAT WILL BE UPDATED").says("- Greeter", "wave application/json application/json")
    found = w.service("Greeter")
    assert {h["name"] for h in found["handlers"]} == {"greet", "hold", "refuse", "wave"}
    assert w.ingress.call("Greeter", "wave") == "bye"
    shown = w.cli("deployments", "describe", found["deployment_id"]).ok
    value = "***" if w.ours else "secret"
    shown.says("team: blue", f"Deployment Additional Header: x-token: {value}")


@check("deployments register: one that is known, and --force")
def register_again(w):
    dp = w.back_to_v1()
    url = w.endpoints[-1].url
    w.cli.yes("deployments", "register", url).ok.says(
        f"Deployment already exists with id {dp}", "No changes will be made.")
    revision = w.service("Greeter")["revision"]
    w.cli.yes("deployments", "register", url, "--force").ok.warns(
        "already known to the server", f'"{dp}"')
    found = w.service("Greeter")
    assert found["deployment_id"] == dp and found["revision"] == revision + 1, found


@check("deployments register: a breaking change wants --breaking")
def breaking(w):
    w.back_to_v1()
    third = w.endpoint("v3")
    w.cli.yes("deployments", "register", third.url).fails("Registration failed").says(
        "Breaking changes detected:", "META0006", f"restate deployment register {third.url}/ --breaking")
    assert w.service("Greeter")["ty"] == "Service"
    w.cli.yes("deployments", "register", third.url, "--breaking").ok
    assert w.service("Greeter")["ty"] == "VirtualObject"


@check("deployments register: an endpoint of HTTP/1.1, and one that is not there")
def odd_endpoints(w):
    w.back_to_v1()
    old = w.endpoint("v2", mode="reqres")
    w.cli.yes("deployments", "register", old.url, "--use-http1.1").ok
    w.cli("deployments", "describe", w.deployment_of("Greeter")).ok.says(
        "Transport: HTTP/1.1", "Protocol Style: Request/Response")
    assert w.ingress.call("Greeter", "wave") == "bye"
    w.cli.yes("deployments", "register", "http://127.0.0.1:1").fails("127.0.0.1:1")


@check("deployments remove: one that is drained, and no other without --force")
def remove(w):
    first = w.back_to_v1()
    w.cli.yes("deployments", "remove", first).fails("--force").warns("Deployment is still Active")
    w.backing_off()
    w.cli.yes("deployments", "register", w.endpoint("v2").url).ok
    w.cli("deployments", "list", "--extra").ok.says(f"Draining 1 {first}")
    w.cli.yes("deployments", "remove", first).fails("--force")
    w.clear_away()
    w.cli("deployments", "list", "--extra").ok.says(f"Drained 0 {first}")
    w.cli.yes("deployments", "remove", first).ok
    assert w.admin.get(f"/deployments/{first}").status_code == 404


@check("deployments remove --force: its invocations are zombies")
def remove_force(w):
    dp = w.back_to_v1()
    broken = w.backing_off()
    w.cli.yes("deployments", "remove", dp, "--force").ok
    w.cli("deployments", "list").warns("No deployments were found!")
    w.cli("invocations", "list", "--zombie").ok.says(broken)
    w.back_to_v1()

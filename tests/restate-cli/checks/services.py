"""services: list, describe, status, and their configuration."""
from check import check


@check("services list: names, kinds, revisions and deployments")
def listed(w):
    dp = w.deployment_of("Greeter")
    w.cli("services", "list").ok.says(
        f"[public] Greeter 1 HTTP {dp}", f"[public] Cart 1 virtual object HTTP {dp}",
        f"[public] Signup 1 workflow HTTP {dp}")


@check("services list: more with --extra, less with --public-only")
def listed_public(w):
    w.admin.patch("/services/Stubborn", json={"public": False})
    try:
        w.cli("services", "list").ok.says("[private] Stubborn 1")
        url = w.endpoints[-1].url
        public = w.cli("services", "list", "--public-only", "--extra").ok
        public.lacks("Stubborn").says(f"{w.deployment_of('Greeter')} {url}/")
        methods = {line.split()[-1] for line in public.section("Greeter", "[public]").lines}
        assert {"greet", "hold", "refuse"} <= methods | {public.section("Greeter").lines[0].split()[-1]}, \
            public
    finally:
        w.admin.patch("/services/Stubborn", json={"public": True})


@check("services describe: a service and its handlers")
def describe(w):
    w.cli("services", "describe", "Cart").ok.says(
        "Name: Cart", "Service type: VirtualObject", "Revision: 1", "Public: true",
        f"Deployment ID: {w.deployment_of('Cart')}", "Transport: HTTP/2.0",
        "Protocol Style: Bidirectional Stream", f"Endpoint: {w.endpoints[-1].url}/",
        "SDK Version restate-sdk-typescript/", "HANDLER INPUT OUTPUT",
        "add application/json application/json", "items application/json application/json")
    w.cli("services", "describe", "Nobody").fails("404", "/services/Nobody")


@check("services status: counts by handler, and who holds a key")
def status(w):
    holder, _ = w.running("Cart", "status-1")
    for item in ("a", "b"):
        w.wait_for(w.send("Cart", "add", item, "status-1"), "pending")
    broken = w.backing_off()
    w.scheduled()
    w.suspended("status-2")
    #         PENDING SCHEDULED READY RUNNING BACKING-OFF SUSPENDED
    w.cli("services", "status", "Cart").ok.says(
        "Cart virtual object", "add 2 - - - - -", f"hold - - - 1 - - {holder} running (invoked",
        "wait - - - - - 1", f"status-1 2 {holder} (running) hold")
    everything = w.cli("services", "status").ok
    everything.section("Order").says(f"charge - - - - 1 - {broken} backing-off (invoked")
    everything.section("Greeter").says("greet - 1 - - - -")
    w.cli("services", "status", "Cart", "--locked-keys-limit", "1",
          "--locked-key-held-threshold-second", "0", "--sample-invocations-limit", "1").ok \
        .says(f"status-1 2 {holder} (running) hold")
    w.cli("services", "status", "Nobody").fails("Nobody")


@check("services config: view shows what is in force")
def config_view(w):
    w.cli("services", "config", "view", "Stubborn").ok.says(
        "Name: Stubborn", "Service type: Service", "Public: true", "Journal retention: 1d",
        "Inactivity timeout: 1m", "Abort timeout: 10m", "Max attempts: 2", "On max attempts: Pause",
        "Initial interval: 20ms", "Max interval: 20ms")
    w.cli("services", "config", "view", "Cart").ok.says("Inactivity timeout: 0s")
    w.cli("services", "config", "view", "Signup").ok.says("Workflow retention time: 1d")


@check("services config: patch changes each setting")
def config_patch(w):
    w.cli.yes("services", "config", "patch", "Greeter", "--public", "false",
              "--idempotency-retention", "2h", "--journal-retention", "3h",
              "--inactivity-timeout", "30s", "--abort-timeout", "PT5M").ok.says(
        "Public: false", "Idempotent requests retention: 2h", "Journal retention: 3h",
        "Inactivity timeout: 30s", "Abort timeout: 5m")
    found = w.service("Greeter")
    assert found["public"] is False
    for field, seconds in (("idempotency_retention", 7200), ("journal_retention", 10800),
                           ("inactivity_timeout", 30), ("abort_timeout", 300)):
        assert seconds_of(found[field]) == seconds, (field, found[field])
    assert w.ingress.raw("Greeter", "greet", "x").status_code == 400
    w.cli.yes("services", "config", "patch", "Greeter", "--public", "true").ok
    assert w.ingress.call("Greeter", "greet", "x") == "Hello x"
    w.cli.yes("services", "config", "patch", "Signup", "--workflow-completion-retention", "4h").ok
    assert seconds_of(w.service("Signup")["workflow_completion_retention"]) == 14400
    w.cli.yes("services", "config", "patch", "Nobody", "--public", "true").fails("404")
    # without --yes and without a terminal nothing is changed
    assert w.cli("services", "config", "patch", "Greeter", "--public", "false").code != 0
    assert w.service("Greeter")["public"] is True


@check("services config: edit in an editor")
def config_edit(w):
    saw, answer = w.cli.edited('inactivity_timeout = "45s"\n', "services", "config", "edit", "Greeter")
    assert "# inactivity_timeout" in saw and "# public" in saw, saw
    answer.ok.says("Inactivity timeout: 45s")
    assert seconds_of(w.service("Greeter")["inactivity_timeout"]) == 45
    _, answer = w.cli.edited(None, "services", "config", "edit", "Greeter")
    answer.ok.says("No changes requested")


def seconds_of(text):
    """The seconds of a duration as the admin API writes it: `1h 30m`, `5m`, `45s`."""
    units = {"d": 86400, "h": 3600, "m": 60, "s": 1,
             "day": 86400, "days": 86400, "hour": 3600, "hours": 3600, "min": 60, "mins": 60}
    total = 0
    for part in text.split():
        digits = part.rstrip("abcdefghijklmnopqrstuvwxyz")
        total += int(digits) * units[part[len(digits):]]
    return total

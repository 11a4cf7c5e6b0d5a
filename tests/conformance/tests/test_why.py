"""Why an invocation is not moving, as GET /invocations/{id}/why tells it."""
import pytest

from harness.probe import eventually

pytestmark = pytest.mark.needs("why")


def why(admin, inv):
    r = admin.get(f"/invocations/{inv}/why")
    assert r.status_code == 200, r.text
    body = r.json()
    assert body["id"] == inv and body["sentence"].endswith(".") and body["since"]
    return body


def reason(admin, inv, wanted):
    """Waits until this is the reason."""
    def seen():
        body = why(admin, inv)
        assert body["reason"] == wanted, body
        return body
    return eventually(seen)


def test_unknown_and_malformed_ids(api, admin, tag):
    inv = api.send_id("Echo", "echo", 1, idem=tag)
    api.attach(inv)
    assert admin.inv("purge", inv).status_code == 200
    gone = admin.get(f"/invocations/{inv}/why")
    assert gone.status_code == 404 and inv in gone.json()["message"]
    bad = admin.get("/invocations/inv_1nonsense/why")
    assert bad.status_code == 400 and bad.json()["message"]


def test_completed(api, admin, tag):
    inv = api.send_id("Echo", "echo", 1, idem=tag)
    api.attach(inv)
    assert why(admin, inv)["reason"] == "completed"


def test_scheduled(api, admin, tag):
    inv = api.send_id("Echo", "echo", 1, delay="1h", idem=tag)
    body = why(admin, inv)
    assert body["reason"] == body["status"] == "scheduled" and body["details"]["starts_at"]
    admin.inv("kill", inv)


def test_a_queue_for_a_key_and_who_is_at_its_head(api, admin, probe, key, tag):
    head = api.send_id("Counter", "addOnGate", {"n": 1, "tag": tag}, key)
    probe.wait(tag)
    second = api.send_id("Counter", "add", 1, key)
    third = api.send_id("Counter", "add", 1, key)
    body = reason(admin, third, "waiting_for_key")
    assert body["details"] == {**body["details"], "held_by": head, "place_in_queue": 2}
    assert [link["id"] for link in body["chain"]] == [head]
    assert body["chain"][0]["reason"] == "running"
    assert reason(admin, second, "waiting_for_key")["details"]["place_in_queue"] == 1
    # it says nothing to the server while it waits for the gate
    running = eventually(lambda: "nothing for" in why(admin, head)["sentence"] and why(admin, head))
    assert running["details"]["runs_on"].startswith("dp_")
    probe.open(tag)
    api.attach(third)


def test_a_tree_of_calls_down_to_the_leaf_that_blocks(api, admin, probe, p, key, tag):
    inv = api.send_id(p + "Tree", "down", {"depth": 2, "tag": tag}, key)
    eventually(lambda: "in0" in probe.lines(tag))
    leaf = "waiting_for_awakeable" if p else "running"

    def seen():
        body = why(admin, inv)
        assert [link["target"] for link in body["chain"]] == [
            f"{p}Tree/{key}.0/down", f"{p}Tree/{key}.0.0/down"], body
        assert body["chain"][-1]["reason"] == leaf, body
        assert f"{p}Tree/{key}.0/down" in body["sentence"], body
    if p:
        # suspended whenever it waits, so that all of it is in the tables
        eventually(seen)
        assert "sign_1" in why(admin, inv)["chain"][-1]["sentence"]
    else:
        # over a stream it is called idle after a second of silence
        eventually(seen)
    admin.inv("kill", inv)


def test_promises_are_named(api, admin, key):
    inv = api.send_id("ZeroGather", "run", ["a", "b"], key)
    body = reason(admin, inv, "waiting_for_promise")
    assert {w["promise"] for w in body["details"]["waits_for"]} == {"a", "b"}
    api.call("ZeroGather", "supply", {"name": "a", "value": 1}, key)
    body = eventually(lambda: len(why(admin, inv)["details"]["waits_for"]) == 1 and why(admin, inv))
    assert '"b"' in body["sentence"] and '"a"' not in body["sentence"]
    api.call("ZeroGather", "supply", {"name": "b", "value": 2}, key)
    assert api.attach(inv) == {"a": 1, "b": 2}


def test_timers_say_when(api, admin):
    inv = api.send_id("ZeroTimers", "sleep", 3600_000)
    body = reason(admin, inv, "waiting_for_timer")
    assert body["details"]["waits_for"][0]["due_at"]
    admin.inv("kill", inv)


def test_backing_off_says_after_what(api, admin, probe, tag):
    inv = api.send_id("Errs", "gated", {"tag": tag})
    body = reason(admin, inv, "backing_off")
    assert body["details"]["last_failure"]["message"] in body["sentence"]
    probe.open(tag)
    api.attach(inv)


def test_paused_says_who_paused_it(api, admin, probe, tag):
    inv = api.send_id("Pausing", "work", {"tag": tag, "value": 1})
    body = reason(admin, inv, "paused_retries_exhausted")
    assert "closed" in body["sentence"]
    admin.inv("kill", inv)
    inv = api.send_id("ZeroTimers", "sleep", 3600_000)
    reason(admin, inv, "waiting_for_timer")
    admin.inv("pause", inv)
    assert why(admin, inv)["reason"] == "paused_by_operator"
    admin.inv("kill", inv)


def test_a_deployment_that_does_not_answer(api, admin, endpoint, prefix, probe, key, tag):
    e = endpoint(prefix + ":plain")
    admin.register(e)
    inv = api.send_id(prefix + "Versioned", "gated", {"tag": tag}, key)
    probe.wait(tag + ".attempts")
    e.kill9()
    body = reason(admin, inv, "deployment_unreachable")
    assert e.url in body["sentence"] and body["details"]["deployment_error"]
    admin.inv("kill", inv)


def test_a_deployment_that_was_removed(api, admin, endpoint, prefix, probe, key, tag):
    d = admin.register(endpoint(prefix + ":plain"))["id"]
    inv = api.send_id(prefix + "Versioned", "gated", {"tag": tag}, key)
    probe.wait(tag + ".attempts")
    eventually(lambda: why(admin, inv)["details"].get("deployment") == d)
    assert admin.request("DELETE", f"/deployments/{d}?force=true").status_code == 202
    body = reason(admin, inv, "deployment_removed")
    assert d in body["sentence"] and "resume" in body["sentence"]
    # and that is indeed what helps
    admin.register(endpoint(prefix + ":plain", version="v2"))
    probe.open(tag)
    assert admin.inv("resume", inv, deployment="latest").status_code == 200
    assert api.attach(inv) == {"first": "v1", "last": "v2"}

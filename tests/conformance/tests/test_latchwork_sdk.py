"""What our own Rust SDK does beyond the common cases (only with `run --rust`)."""
import time

import pytest

from harness.clients import CallError
from harness.fixtures import RUST_SDKS  # noqa: F401 - names the parameter
from harness.probe import eventually

pytestmark = [
    pytest.mark.usefixtures("rust_services"),
    pytest.mark.parametrize("rust_services", ["latchwork-sdk"], indirect=True),
]


def test_failures_carry_metadata(api):
    r = api.raw("LwTools", "refuse", "no thanks")
    assert r.status_code == 418 and r.json()["metadata"] == {"kind": "teapot"}


def test_bad_input_is_the_callers_mistake(api):
    with pytest.raises(CallError) as e:
        api.call("LwTools", "greet", {"not": "a text"})
    assert e.value.status == 400 and "bad input" in str(e.value)


def test_step_with_retries(api, probe, tag):
    assert api.call("LwTools", "flakyStep", {"tag": tag, "n": 3}) == 4
    with pytest.raises(CallError) as e:
        api.call("LwTools", "flakyStep", {"tag": tag + "x", "n": 9})
    assert "attempt 5 failed" in str(e.value) and probe.count(tag + "x") == 5


def test_panic_is_retried(api, tag):
    assert api.call("LwTools", "panics", tag) == 2


def test_steps_at_once(api, probe, tag):
    assert api.call("LwTools", "parallel", {"tag": tag, "n": 50}) == sum(range(50))
    assert sorted(map(int, probe.lines(tag))) == list(range(50))


def test_order_of_sleeps(api):
    assert api.call("LwTools", "order", [300, 20, 160]) == [1, 2, 0]


def test_timeout(api):
    assert api.call("LwTools", "signalWithin", 30) is None
    inv = api.send_id("LwTools", "signalWithin", 20000)
    api.call("LwTools", "sendSignal", {"inv": inv, "name": "s", "value": "in time"})
    assert api.attach(inv) == "in time"


def test_select(api, probe, tag):
    inv = api.send_id("LwTools", "selects", tag)
    api.resolve(probe.wait(tag)[0], "chosen")
    assert api.attach(inv) == "chosen"
    api.resolve(probe.wait(tag + ".child")[0], "unparked")


def test_cancellation_reaches_the_child(api, admin, probe, tag):
    inv = api.send_id("LwTools", "callUntilCancelled", tag)
    probe.wait(tag)
    assert admin.inv("cancel", inv).status_code in (200, 202)
    with pytest.raises(CallError) as e:
        api.attach(inv)
    assert e.value.status == 409
    eventually(lambda: probe.count(tag + ".undo") == 1)


def test_random_and_time_replay(api, probe, tag):
    assert api.call("LwTools", "steady", {"tag": tag, "n": 3}) is True
    lines = probe.lines(tag)
    assert len(lines) == 4 and len(set(lines)) == 1


@pytest.mark.needs("mismatch")
def test_another_path_is_kept_side_by_side(api, admin, tag):
    inv = api.send_id("LwTools", "fickle", tag)
    eventually(lambda: admin.status(inv) == "paused")
    kept = admin.get(f"/invocations/{inv}").json()
    assert kept["mismatch_expected"] == '1: Run "first"'
    assert kept["mismatch_found"].startswith('1: Sleep "nap"')


def test_an_await_outside_of_the_journal_is_refused(api):
    r = api.raw("LwTools", "foreign", None)
    assert r.status_code == 500 and "Put it into ctx.run" in r.json()["message"]


def test_sends(api, key):
    assert api.call("LwTools", "sendAttach", key) == [5, 12, 12]


def test_headers(api):
    r = api.raw("LwTools", "header", "x-mine", headers={"x-mine": "seen"})
    assert r.json() == "seen"


def test_state_keys(api, key):
    assert api.call("LwTotals", "keys", key=key) == [["a", "b"], ["b"], []]


def test_lazy_state_suspended_at_every_wait(api, key):
    assert [api.call("LwLazy", "add", 2, key) for _ in range(3)] == [2, 4, 6]


def test_promises(api, key):
    inv = api.send_id("LwGate", "run", "me", key)
    eventually(lambda: api.call("LwGate", "who", key=key) == "me")
    assert api.call("LwGate", "said", key=key) is None
    api.call("LwGate", "say", "open", key)
    assert api.attach(inv) == "me:open" and api.call("LwGate", "said", key=key) == "open"
    with pytest.raises(CallError) as e:
        api.call("LwGate", "say", "again", key)
    assert e.value.status == 409


def test_many_suspended_sleeps_wake(api):
    started = time.monotonic()
    assert api.call("LwTools", "order", [i * 7 % 100 for i in range(40)])
    assert time.monotonic() - started < 20


@pytest.mark.parametrize("http1", [False, True], ids=["HTTP/2", "HTTP/1.1"])
def test_newest_protocol_and_both_versions_of_http(fresh_server, rust_services, probe, tag, key, http1):
    """The peer speaks protocol 7 only when told; over HTTP/1.1 the endpoint announces request/response."""
    server = fresh_server(every_version=True)
    assert server.admin.register_raw(rust_services.url, http1=http1).status_code == 201
    api = server.ingress
    assert api.call("LwTools", "steps", {"tag": tag, "n": 5}) == [i * 10 for i in range(5)]
    assert probe.count(tag) == 5
    assert api.call("LwTools", "order", [90, 20, 50]) == [1, 2, 0]
    assert api.call("LwTools", "fanOut", 30) == 30
    assert api.call("LwTools", "parallel", {"tag": tag + "p", "n": 20}) == sum(range(20))
    assert api.call("LwTools", "sendAttach", key) == [5, 12, 12]
    assert api.call("LwTools", "flakyStep", {"tag": tag + "f", "n": 2}) == 3
    assert api.call("LwTools", "signalWithin", 20) is None
    assert api.call("LwLazy", "add", 2, key) == 2
    inv = api.send_id("LwTools", "callUntilCancelled", tag + "c")
    probe.wait(tag + "c")
    server.admin.inv("cancel", inv)
    with pytest.raises(CallError) as e:
        api.attach(inv)
    assert e.value.status == 409
    eventually(lambda: probe.count(tag + "c.undo") == 1)

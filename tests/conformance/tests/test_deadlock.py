"""Objects that wait for each other in a circle: found, and broken with a word."""
import pytest

from harness.probe import eventually

pytestmark = pytest.mark.needs("deadlock")


def circle(api, p, tag, keys):
    """Each key's object calls the next one, once all hold their keys."""
    ring = [
        api.call_bg(p + "Knot", "walk", {"keys": [keys[(i + 1) % len(keys)]], "tag": tag, "others": len(keys)}, k)
        for i, k in enumerate(keys)
    ]
    return [f.result(25) for f in ring]


@pytest.mark.parametrize("size", [2, 3])
def test_one_call_of_a_circle_is_ended_and_the_others_go_on(api, p, tag, key, size):
    keys = [f"{key}-{i}" for i in range(size)]
    results = circle(api, p, tag, keys)
    broken = [r for r in results if isinstance(r, dict)]
    assert len(broken) == 1 and broken[0]["code"] == 508, results
    # the message names every object of the circle
    assert all(k in broken[0]["message"] for k in keys), broken[0]["message"]
    # the caller of the ended call went on, ended, and so freed its key for the next
    assert len([r for r in results if isinstance(r, list)]) == size - 1


def test_an_object_that_calls_itself_is_told(api, p, key):
    result = api.call(p + "Knot", "walk", {"keys": [key]}, key)
    assert result["code"] == 508 and key in result["message"]
    # its key is free again
    assert api.call(p + "Knot", "walk", {"keys": []}, key) == [key]


def test_only_the_youngest_call_is_ended(api, admin, p, tag, key):
    a, b = f"{key}-a", f"{key}-b"
    circle(api, p, tag, [a, b])
    rows = admin.query(
        "SELECT id, created_at, completion_result, invoked_by FROM sys_invocation "
        f"WHERE target_service_name = '{p}Knot' AND target_service_key LIKE '{key}%'")
    calls = sorted((r for r in rows if r["invoked_by"] == "service"), key=lambda r: r["created_at"])
    assert [r["completion_result"] for r in calls] == ["success", "failure"]


def test_a_wait_that_a_timer_ends_is_no_deadlock(api, p, key):
    assert api.call(p + "Knot", "selfOrTimer", 1500, key) == "timer"


def test_a_long_queue_is_no_deadlock(api, p, probe, key, tag):
    held = api.call_bg("Counter", "addOnGate", {"n": 1, "tag": tag}, key)
    probe.wait(tag)
    waiting = [api.call_bg(p + "Caller", "call", {"service": "Counter", "handler": "add", "key": key, "arg": 1})
               for _ in range(5)]
    # longer than it takes to find a deadlock
    with pytest.raises(AssertionError):
        eventually(lambda: any(w.done() for w in waiting), limit=2)
    probe.open(tag)
    assert held.result(20) == 1
    assert sorted(w.result(20)["now"] for w in waiting) == [2, 3, 4, 5, 6]


def test_a_deadlock_is_found_after_a_crash(crash, p, tag, key):
    keys = [f"{key}-a", f"{key}-b"]
    ids = [
        crash.ingress.send_id(p + "Knot", "walk", {"keys": [other], "tag": tag, "others": 2}, k)
        for k, other in (keys, keys[::-1])
    ]
    crash.restart()
    results = [crash.ingress.attach(i) for i in ids]
    assert sorted(type(r).__name__ for r in results) == ["dict", "list"]

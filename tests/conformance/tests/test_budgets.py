"""Values that are too large for their budgets: refused or paused with a word, and nothing else suffers."""
import socket

import pytest

from harness.probe import eventually

pytestmark = pytest.mark.needs("budget")

KIB = 1 << 10


@pytest.fixture
def small(fresh_server, services):
    """A server whose budgets are small."""
    server = fresh_server(settings={
        "LATCHWORK_INVOCATION_BYTES_MAX": "256KiB",
        "LATCHWORK_ATTEMPTS_BYTES_MAX": "1MiB",
        "LATCHWORK_RECEIVING_BYTES_MAX": "1MiB",
    })
    for e in services:
        server.register(e)
    return server


def why_paused(server, inv):
    return server.admin.get(f"/invocations/{inv}/why").json()


@pytest.mark.parametrize("p", ["", "Rr"])
def test_a_journal_that_outgrows_its_budget_pauses_the_invocation(small, p, key):
    # each "set" is one entry; together they are more than the budget
    script = [["set", f"k{i}", "x" * 60_000] for i in range(8)]
    inv = small.ingress.send_id(p + "KV", "script", script, key)
    eventually(lambda: small.admin.status(inv) == "paused")
    told = why_paused(small, inv)
    assert "invocation_bytes_max" in told["sentence"], told
    # others go on
    assert small.ingress.call("Echo", "echo", "still here") == "still here"
    assert small.admin.inv("kill", inv).status_code == 200
    assert small.ingress.call(p + "Counter", "add", 1, key)["now"] == 1


def test_an_input_beyond_the_budget_pauses_before_it_runs(small):
    inv = small.ingress.send_id("Echo", "echo", "x" * (300 * KIB))
    eventually(lambda: small.admin.status(inv) == "paused")
    assert why_paused(small, inv)["reason"] == "paused_over_budget"


def test_attempts_that_do_not_fit_together_take_turns(small, key):
    # 20 inputs of 200 KiB against 1 MiB for all attempts
    ids = [small.ingress.send_id("Echo", "late", {"ms": 50, "value": "x" * (200 * KIB)}) for _ in range(20)]
    for inv in ids:
        assert len(small.ingress.attach(inv)) == 200 * KIB


def refused(response):
    return response.status_code == 429 and response


def test_bodies_that_find_no_room_are_refused_and_room_comes_back(small):
    host, port = small.ingress_url.removeprefix("http://").split(":")
    head = (f"POST /Echo/echo HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
            f"content-length: {1000 * KIB}\r\nexpect: 100-continue\r\n\r\n").encode()
    slow = socket.create_connection((host, int(port)), timeout=10)
    try:
        # sent but for its last byte: what has come takes room, what is announced does not
        slow.sendall(head)
        assert slow.recv(100).startswith(b"HTTP/1.1 100")
        assert small.ingress.raw("Echo", "echo", "x" * (60 * KIB)).status_code == 200
        slow.sendall(b"y" * (1000 * KIB - 1))
        r = eventually(lambda: refused(small.ingress.raw("Echo", "echo", "x" * (60 * KIB))))
        assert r.headers["retry-after"]
        assert small.ingress.call("Echo", "echo", "small") == "small"
    finally:
        slow.close()
    eventually(lambda: small.ingress.raw("Echo", "echo", "y" * (100 * KIB)).status_code == 200)

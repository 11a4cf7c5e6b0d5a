"""Clocks that are set back and forward, under the server and its handlers (libfaketime).

What the server promises is in docs/ARCHITECTURE.md, "Time".
"""
import time
from pathlib import Path

from world import Skipped, http, until

LIBRARIES = [f"{folder}/libfaketimeMT.so.1" for folder in (
    "/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime",
    "/usr/lib64/faketime", "/usr/lib/faketime", "/usr/local/lib/faketime")]
HOUR_S = 3600


class Clock:
    """A clock for some processes, which is off by what we say."""

    def __init__(self, world, name):
        library = next((path for path in LIBRARIES if Path(path).exists()), None)
        if library is None:
            raise Skipped("libfaketime is needed (package faketime)")
        self.file = world.folder / f"time-{name}"
        self.set(0)
        self.env = {"LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": str(self.file),
                    "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}

    def set(self, seconds):
        new = self.file.with_suffix(".new")
        new.write_text(f"{seconds:+d}s\n")
        new.replace(self.file)


class Sleeper:
    """An invocation that sleeps; ends no earlier than that long after it was asked for."""

    def __init__(self, server, name, seconds):
        self.name, self.began, self.seconds = name, time.monotonic(), seconds
        self.id = server.submit(name, int(seconds * 1000))

    def ends(self, server, after=None):
        server.completed({self.name: self.id})
        passed = time.monotonic() - self.began
        least = self.seconds if after is None else after
        assert passed >= least, f"{self.name} was awake after {passed} s, not {least} s"


def tried_again(server, name):
    """A handler that fails twice, half a second before each new try."""
    began = time.monotonic()
    status, text = http("POST", f"http://{server.ingress}/Clumsy/work",
                        {"name": name, "failures": 2}, {"idempotency-key": name})
    assert (status, text) == (200, "3"), (status, text)
    passed = time.monotonic() - began
    assert passed >= 0.9, f"tried again and again within {passed} s"


def delayed(server, name, seconds):
    began = time.monotonic()
    status, text = http(
        "POST", f"http://{server.ingress}/restate/send/Steps/work?delay={seconds}s",
        {"name": name, "ms": 1}, {"idempotency-key": name})
    assert status == 202, (status, text)
    server.completed({name: server.found(text)})
    passed = time.monotonic() - began
    assert passed >= seconds, f"{name} began after {passed} s, not {seconds} s"


def in_order(server):
    """Times of creation follow the order in which things were accepted."""
    rows = server.sql("SELECT idempotency_key AS name, created_at FROM sys_invocation "
                      "WHERE idempotency_key LIKE 'order-%' ORDER BY created_at, idempotency_key")
    names = [row["name"] for row in rows]
    assert names == sorted(names) and len(names) == 12, names


def a_clock_that_is_set_back_an_hour_makes_nothing_early_or_late(world):
    clock = Clock(world, "back")
    handlers = world.more_handlers(**clock.env)
    data = world.folder / "clock-back"
    server = world.serve(data, **clock.env).ready()
    handlers.register(server)
    for number in range(4):
        server.submit(f"order-{number:02}")
    before, later = Sleeper(server, "before", 3), Sleeper(server, "later", 6)
    clock.set(-HOUR_S)
    for number in range(4, 8):
        server.submit(f"order-{number:02}")
    Sleeper(server, "while", 1).ends(server)
    delayed(server, "delayed", 1)
    tried_again(server, "clumsy")
    before.ends(server)
    # A restart knows no other clock than that which is an hour back.
    server.kill()
    server = world.serve(data, **clock.env).ready()
    for number in range(8, 12):
        server.submit(f"order-{number:02}")
    Sleeper(server, "restarted", 1).ends(server)
    delayed(server, "delayed-restarted", 1)
    tried_again(server, "clumsy-restarted")
    later.ends(server)
    in_order(server)
    clock.set(0)
    Sleeper(server, "right-again", 1).ends(server)
    server.kill()


def a_clock_that_is_set_forward_a_day_wakes_what_is_due_and_forgets_nothing_young(world):
    clock = Clock(world, "forward")
    handlers = world.more_handlers(**clock.env)
    server = world.serve(world.folder / "clock-forward", **clock.env).ready()
    handlers.register(server)
    young = {f"young-{n}": server.submit(f"young-{n}") for n in range(5)}
    server.completed(young)
    within, beyond = Sleeper(server, "within", 12 * HOUR_S), Sleeper(server, "beyond", 48 * HOUR_S)
    until("all sleep", lambda: len(server.sql(
        "SELECT id FROM sys_invocation WHERE status IN ('suspended', 'running')")) == 2)
    clock.set(25 * HOUR_S)
    # By the clock its time has come.
    within.ends(server, after=0)
    Sleeper(server, "while", 1).ends(server)
    tried_again(server, "clumsy")
    server.completed(young)
    assert server.send("young-0")[1].count("PreviouslyAccepted") == 1
    # And back again: what is new is neither early nor a day late.
    clock.set(0)
    Sleeper(server, "back-again", 1).ends(server)
    delayed(server, "delayed", 1)
    tried_again(server, "clumsy-again")
    assert http("GET", f"http://{server.ingress}/restate/invocation/{beyond.id}/output")[0] == 470
    server.kill()

"""Processes that do nothing for longer than anybody waits, and do not know it (SIGSTOP).

The service `Hasty` is that of the other checks, with timeouts of a third of a second.
"""
import signal
import time

from world import http, until


def hasty(server, names, ms):
    """Sends these to the hasty service."""
    ids = {}
    for name in names:
        status, text = http("POST", f"http://{server.ingress}/Hasty/work/send",
                            {"name": name, "ms": ms, "takes": 100}, {"idempotency-key": name})
        assert status == 202, (status, text)
        ids[name] = server.found(text)
    return ids


def journals(server, ids):
    """What each journal holds, in order, without the answers that came to it."""
    rows = server.sql("SELECT id, entry_type FROM sys_journal WHERE entry_type LIKE 'Command%' "
                      "ORDER BY id, index")
    return [[row["entry_type"] for row in rows if row["id"] == one] for one in ids.values()]


def nothing_came_twice(server, ids):
    server.completed(ids)
    for journal in journals(server, ids):
        assert journal == ["Command: Input", "Command: Run", "Command: Sleep", "Command: Run",
                           "Command: Output"], journal


def handlers_that_were_stopped_are_given_up_and_tried_again(world):
    server = world.serve(world.folder / "handlers-stopped").ready()
    handlers = world.more_handlers()
    handlers.register(server)
    ids = hasty(server, [f"handlers-{n}" for n in range(12)], 300)
    with handlers.stopped():
        # By then each had an attempt that was broken off, and at least one more.
        until("all attempts are taken back", lambda: len(server.sql(
            "SELECT id FROM sys_invocation WHERE retry_count >= 2 AND status <> 'completed'"
        )) == len(ids))
    nothing_came_twice(server, ids)
    server.kill()


def a_server_that_was_stopped_for_longer_than_all_timeouts_goes_on(world):
    server = world.serve(world.folder / "stopped").ready()
    world.handlers.register(server)
    ids = {f"stopped-{n}": server.submit(f"stopped-{n}", 500 * n) for n in range(8)}
    quick = hasty(server, [f"hasty-{n}" for n in range(12)], 300)
    server.process.send_signal(signal.SIGSTOP)
    time.sleep(3)  # the fault itself
    server.process.send_signal(signal.SIGCONT)
    server.completed(ids)
    nothing_came_twice(server, quick)
    server.kill()

"""What is in a golden directory: how each thing comes into it, and what must become of it."""
import json

from world import http, until

TEN_YEARS = 3650


def send(server, path, body, name=None, **query):
    words = "&".join(f"{key}={value}" for key, value in query.items())
    headers = {"idempotency-key": name} if name else {}
    status, text = http("POST", f"http://{server.ingress}/restate/send/{path}?{words}", body, headers)
    assert status == 202, (status, text)
    return server.found(text)


def call(server, path, body):
    status, text = http("POST", f"http://{server.ingress}/{path}", body)
    assert status == 200, (status, text)
    return json.loads(text) if text else None


def operate(server, verb, invocation):
    status, text = http("PATCH", f"http://{server.admin}/invocations/{invocation}/{verb}")
    assert status in (200, 202), (status, text)


def status_of(server, invocation):
    rows = server.sql(f"SELECT status FROM sys_invocation WHERE id = '{invocation}'")
    return rows[0]["status"] if rows else None


def comes_to(server, invocation, status):
    until(f"{invocation} is {status}", lambda: status_of(server, invocation) == status)


def awakeable(server, name):
    return until(f"{name} waits", lambda: call(server, "Keep/awakeables/get", name))


def fill(server, handlers, backup):
    """Brings everything in, and gives the ids. `backup` is called when half of it is there."""
    handlers.register(server, additional_headers={"x-golden": "yes"}, metadata={"team": "golden"})
    status, text = http("PATCH", f"http://{server.admin}/services/Golden",
                        {"inactivity_timeout": "33s", "retry_policy": {"max_interval": "2s"}})
    assert status == 200, (status, text)
    ids = {}

    def begin(name, handler, body=None, **query):
        ids[name] = send(server, f"Golden/{handler}", body or name, name, **query)

    begin("completed", "done")
    begin("failed", "failed")
    begin("dropped", "awaits")
    begin("cancelled", "awaits")
    for name in ("dropped", "cancelled"):
        awakeable(server, name)
    operate(server, "kill", ids["dropped"])
    operate(server, "cancel", ids["cancelled"])
    for name in ("completed", "failed", "dropped", "cancelled"):
        comes_to(server, ids[name], "completed")
    call(server, "Keep/counted/add", 7)
    ids["flow over"] = send(server, "Flow/over/run", "over")
    call(server, "Flow/over/go", "went")
    comes_to(server, ids["flow over"], "completed")
    # What the tables have on disk, and the log need not keep.
    backup()
    begin("far", "done", delay=f"{TEN_YEARS}d")
    begin("soon", "done", delay="20s")
    begin("asleep", "sleeps", {"name": "asleep", "ms": 20_000})
    begin("paused", "sleeps", {"name": "paused", "ms": 20_000})
    begin("awaits", "awaits")
    begin("parent", "parent")
    begin("clumsy", "clumsy")
    begin("held", "held")
    ids["lock"] = send(server, "Keep/locked/lock", "lock", "lock")
    for name in ("awaits", "parent", "lock"):
        awakeable(server, name)
    for number in (1, 2):
        ids[f"behind {number}"] = send(server, "Keep/locked/add", number, f"behind {number}")
    ids["flow"] = send(server, "Flow/open/run", "flow")
    operate(server, "pause", ids["paused"])
    for name, status in {"far": "scheduled", "soon": "scheduled", "paused": "paused",
                         "clumsy": "backing-off", "held": "running", "behind 2": "pending"}.items():
        comes_to(server, ids[name], status)
    return ids


def resolve(server, name, value):
    status, text = http("POST", f"http://{server.ingress}/restate/awakeables/"
                        f"{awakeable(server, name)}/resolve", value)
    assert status == 202, (status, text)


def ended(server, invocation):
    """The code and the message that it failed with."""
    status, text = http("GET", f"http://{server.ingress}/restate/invocation/{invocation}/attach")
    return status, json.loads(text)["message"]


def outcomes(server, ids):
    assert server.outcome(ids["completed"]) == "completed ran"
    assert ended(server, ids["failed"]) == (418, "as it should")
    assert ended(server, ids["dropped"])[0] == 409
    assert ended(server, ids["cancelled"])[0] == 409
    assert server.outcome(ids["flow over"]) == "over went"


def idempotency_keys(server, ids):
    assert send(server, "Golden/done", "completed", "completed") == ids["completed"]
    assert send(server, "Golden/awaits", "awaits", "awaits") == ids["awaits"]


def state(server, _):
    assert call(server, "Keep/counted/get", "sum") == 7
    assert call(server, "Keep/counted/add", 1) == 8


def journals(server, ids):
    rows = server.sql(f"SELECT entry_type FROM sys_journal WHERE id = '{ids['completed']}' ORDER BY index")
    kinds = [row["entry_type"] for row in rows]
    assert [kind for kind in kinds if kind.startswith("Command")] == [
        "Command: Input", "Command: Run", "Command: Output"], kinds


def deployments(server, _):
    status, text = http("GET", f"http://{server.admin}/deployments")
    (one,) = json.loads(text)["deployments"]
    # Values are shown to nobody.
    assert status == 200 and one["additional_headers"] == {"x-golden": "***"}, text
    assert one["metadata"] == {"team": "golden"}, text


def settings(server, _):
    status, text = http("GET", f"http://{server.admin}/services/Golden")
    in_force = json.loads(text)["in_force"]
    assert status == 200 and in_force["inactivity_timeout"]["source"] == "operator", text


def sleeping(server, ids):
    assert server.outcome(ids["asleep"]) == "asleep then now"


def paused(server, ids):
    assert status_of(server, ids["paused"]) == "paused"
    operate(server, "resume", ids["paused"])
    assert server.outcome(ids["paused"]) == "paused then now"


def scheduled(server, ids):
    assert server.outcome(ids["soon"]) == "soon ran"
    assert status_of(server, ids["far"]) == "scheduled"


def attempts(server, ids):
    assert server.outcome(ids["held"]) == "held let go"
    assert server.outcome(ids["clumsy"]) == "clumsy at last"


def awakeables(server, ids):
    resolve(server, "awaits", "came")
    assert server.outcome(ids["awaits"]) == "awaits: came"


def calls(server, ids):
    resolve(server, "parent", "came")
    assert server.outcome(ids["parent"]) == "parent of parent: came"


def inboxes(server, ids):
    assert status_of(server, ids["behind 1"]) == "pending"
    resolve(server, "lock", "open")
    assert server.outcome(ids["lock"]) == "lock: open"
    assert [server.outcome(ids[f"behind {number}"]) for number in (1, 2)] == [1, 3]


def promises(server, ids):
    call(server, "Flow/open/go", "on")
    assert server.outcome(ids["flow"]) == "flow on"


def everything_else(server, ids):
    """What is not over is what should not be."""
    rows = server.sql("SELECT id FROM sys_invocation WHERE status <> 'completed'")
    assert [row["id"] for row in rows] == [ids["far"]], rows


CONTENTS = {check.__name__.replace("_", " "): check for check in (
    outcomes, idempotency_keys, state, journals, deployments, settings, sleeping, paused, scheduled,
    attempts, awakeables, calls, inboxes, promises, everything_else)}

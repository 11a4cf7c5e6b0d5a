"""What must hold, the same for each language.

A check takes the world (server, endpoint, notes), asks over HTTP, reads what the handlers
noted, and raises AssertionError where something does not hold. Keys and tags are new for each
use, so that no check depends on another.
"""
import time
import uuid

from .clients import eventually

ALL = []


def check(title):
    """Adds a check; the title says what holds when it passes."""
    def add(function):
        function.title = title
        ALL.append(function)
        return function
    return add


def equal(found, expected, what):
    assert found == expected, f"{what}: expected {expected!r}, found {found!r}"


class World:
    """The running server and endpoint, and the folder that handlers leave their notes in."""

    def __init__(self, server, endpoint, notes):
        self.server, self.endpoint, self.notes = server, endpoint, notes
        self.ingress, self.admin = server.ingress, server.admin
        self.discovered = {}

    def register(self):
        found = self.admin.register(self.endpoint.url)["services"]
        self.discovered = {s["name"]: s for s in found}
        eventually(lambda: (self.ingress.services() or set()) >= set(self.discovered),
                   "the ingress lists the services of the endpoint")
        self.server.services = set(self.discovered)

    def bring_back(self):
        """What an earlier check brought down must not fail those after it."""
        for process in (self.server, self.endpoint):
            if not process.running:
                process.start()

    def tag(self):
        return uuid.uuid4().hex[:12]

    def lines(self, tag):
        try:
            return (self.notes / tag).read_text().split("\n")[:-1]
        except FileNotFoundError:
            return []

    def count(self, tag, line):
        return self.lines(tag).count(line)

    def noted(self, tag, line):
        eventually(lambda: line in self.lines(tag), f"a handler notes '{line}'")

    def awakeable(self, tag):
        """The id of the awakeable that a handler has noted."""
        def find():
            return [x.split(" ", 1)[1] for x in self.lines(tag) if x.startswith("awakeable ")]
        return eventually(find, "a handler notes its awakeable")[0]

    def open_gate(self, tag):
        (self.notes / f"{tag}.open").touch()

    def suspended(self, invocation):
        eventually(lambda: self.admin.status(invocation) == "suspended",
                   f"{invocation} is suspended")


# -- discovery, steps, sleeps ------------------------------------------------------------

@check("discovery: services and handlers with their types")
def discovery(world):
    found = {
        name: (s["ty"], {h["name"]: h.get("ty") for h in s["handlers"]})
        for name, s in world.discovered.items()
    }
    equal(sorted(found), ["Counter", "Failing", "Greeter", "Signup"], "services")
    equal({n: ty for n, (ty, _) in found.items()},
          {"Counter": "VirtualObject", "Failing": "Service", "Greeter": "Service",
           "Signup": "Workflow"}, "types")
    equal(found["Counter"][1],
          {"add": "Exclusive", "hold": "Exclusive", "reset": "Exclusive", "get": "Shared"},
          "handlers of the object")
    equal(found["Signup"][1], {"run": "Workflow", "click": "Shared", "status": "Shared"},
          "handlers of the workflow")


@check("service: a step, then a sleep that is not short")
def greet(world):
    tag, since = world.tag(), time.monotonic()
    reply = world.ingress.call("Greeter", "greet", {"name": "Ada", "tag": tag, "sleepMs": 300})
    equal(reply.value, "Hello Ada, from execution 1", "answer")
    assert time.monotonic() - since >= 0.3, "it slept less than 300 ms"
    equal(world.count(tag, "step"), 1, "executions of the step")


@check("service: one idempotency key, one execution")
def idempotency(world):
    tag = world.tag()
    arg = {"name": "Grace", "tag": tag, "sleepMs": 100}
    futures = [world.ingress.call_in_background("Greeter", "greet", arg, idempotency_key=tag)
               for _ in range(3)]
    answers = [f.result().value for f in futures]
    answers.append(world.ingress.call("Greeter", "greet", arg, idempotency_key=tag).value)
    equal(answers, ["Hello Grace, from execution 1"] * 4, "answers")
    equal(world.count(tag, "step"), 1, "executions of the step")


@check("service: input that cannot be decoded is a terminal 400")
def bad_input(world):
    reply = world.ingress.call("Greeter", "greet", b'{"name": ')
    reply.failed_with(400, "")


# -- awakeables --------------------------------------------------------------------------

@check("awakeable: resolved over HTTP")
def awakeable_resolved(world):
    tag = world.tag()
    answer = world.ingress.call_in_background("Greeter", "confirm", tag)
    world.ingress.resolve(world.awakeable(tag), "yes, Zoë")
    equal(answer.result().value, "confirmed: yes, Zoë", "answer")


@check("awakeable: rejected over HTTP")
def awakeable_rejected(world):
    tag = world.tag()
    answer = world.ingress.call_in_background("Greeter", "confirm", tag)
    world.ingress.reject(world.awakeable(tag), "no such person")
    answer.result().failed_with(500, "no such person")


@check("awakeable: resolved by another handler")
def awakeable_answered(world):
    tag = world.tag()
    answer = world.ingress.call_in_background("Greeter", "confirm", tag)
    world.ingress.call("Greeter", "answer", {"id": world.awakeable(tag), "answer": "yes"}).value
    equal(answer.result().value, "confirmed: yes", "answer")


# -- the object, and calls to it ---------------------------------------------------------

@check("object: concurrent adds to a key count once each, and state can be cleared")
def adds(world):
    key = world.tag()
    futures = [world.ingress.call_in_background("Counter", "add", 1, key) for _ in range(20)]
    equal(sorted(f.result().value for f in futures), list(range(1, 21)), "values seen")
    equal(world.ingress.call("Counter", "get", key=key).value, 20, "value")
    world.ingress.call("Counter", "reset", key=key).value
    equal(world.ingress.call("Counter", "get", key=key).value, 0, "value after the reset")


@check("object: a held key lets shared handlers in, and no exclusive one")
def held(world):
    key, tag = world.tag(), world.tag()
    world.ingress.call("Counter", "add", 5, key).value
    holder = world.ingress.send("Counter", "hold", tag, key)
    awakeable = world.awakeable(tag)
    waiting = world.ingress.send("Counter", "add", 100, key)
    equal(world.ingress.call("Counter", "get", key=key).value, 5, "value while held")
    equal(world.ingress.call("Counter", "add", 1, world.tag()).value, 1, "another key")
    assert not world.ingress.is_finished(waiting), "add went past the handler that holds the key"
    world.ingress.resolve(awakeable, 10)
    equal(world.ingress.attach(holder).value, 15, "value of the holder")
    equal(world.ingress.attach(waiting).value, 115, "value of the one that waited")


@check("calls: a service calls an object, twice at once and once later")
def relay(world):
    key = world.tag()
    equal(world.ingress.call("Greeter", "relay", key).value, 11, "value after both calls")
    eventually(lambda: world.ingress.call("Counter", "get", key=key).value == 111,
               "the delayed send arrives")


# -- the workflow ------------------------------------------------------------------------

@check("workflow: suspends on a promise that a shared handler resolves")
def workflow(world):
    key, tag = world.tag(), world.tag()
    run = world.ingress.send("Signup", "run", tag, key)
    world.suspended(run)
    equal(world.ingress.call("Signup", "status", key=key).value, "waiting", "status")
    equal(world.ingress.workflow("output", "Signup", key).status, 470, "output before the end")
    world.ingress.call("Signup", "click", "s3cret", key).value
    equal(world.ingress.workflow("attach", "Signup", key).value,
          f"{key} is confirmed with s3cret", "attached result")
    equal(world.ingress.call("Signup", "status", key=key).value, "confirmed", "status")
    equal(world.count(tag, "attempt"), 2, "attempts: one, and one replay")


@check("workflow: runs once for its key, and its promise is resolved once")
def workflow_once(world):
    key, tag = world.tag(), world.tag()
    world.ingress.send("Signup", "run", tag, key)
    world.ingress.call("Signup", "click", "first", key).value
    world.ingress.call("Signup", "click", "second", key).failed_with(409, "")
    equal(world.ingress.workflow("attach", "Signup", key).value,
          f"{key} is confirmed with first", "attached result")
    world.ingress.call("Signup", "run", world.tag(), key).failed_with(409, "")


# -- failures ----------------------------------------------------------------------------

@check("failure: a terminal error reaches the caller with its code")
def terminal(world):
    reply = world.ingress.call("Failing", "terminal", {"code": 422, "message": "no such plan"})
    reply.failed_with(422, "no such plan")


@check("failure: a retryable error is retried until the handler succeeds")
def flaky(world):
    tag = world.tag()
    reply = world.ingress.call("Failing", "flaky", {"tag": tag, "failures": 3})
    equal(reply.value, 4, "the attempt that succeeded")
    equal(world.count(tag, "attempt"), 4, "attempts")


@check("failure: a step that fails is retried until it succeeds")
def flaky_step(world):
    tag = world.tag()
    reply = world.ingress.call("Failing", "flakyStep", {"tag": tag, "failures": 3})
    equal(reply.value, 4, "the attempt that succeeded")
    equal(world.count(tag, "attempt"), 4, "attempts")


@check("failure: retries end where the handler's policy says so")
def hopeless(world):
    tag = world.tag()
    world.ingress.call("Failing", "hopeless", tag).failed_with(500, "hopeless, attempt 2")
    equal(world.count(tag, "attempt"), 2, "attempts")


@check("failure: a child's terminal error passes through its parent")
def parent(world):
    reply = world.ingress.call("Failing", "parent", {"code": 403, "message": "not yours"})
    reply.failed_with(403, "not yours")


@check("failure: a parent catches its child's terminal error")
def forgiving_parent(world):
    reply = world.ingress.call("Failing", "forgivingParent", {"code": 404, "message": "gone"})
    equal(reply.value, "the child failed with 404: gone", "answer")


@check("cancel: a sleeping invocation wakes up, and ends with 409")
def cancel(world):
    tag = world.tag()
    sleeper = world.ingress.send("Failing", "sleeper", tag)
    world.noted(tag, "asleep")
    world.admin.cancel(sleeper)
    world.ingress.attach(sleeper).failed_with(409, "")
    equal(world.count(tag, "woken with 409"), 1, "times that the handler saw it")


@check("cancel: reaches the sleeping child of a cancelled parent")
def cancel_parent(world):
    tag = world.tag()
    parent_id = world.ingress.send("Failing", "sleeperParent", tag)
    world.noted(tag, "asleep")
    world.admin.cancel(parent_id)
    world.ingress.attach(parent_id).failed_with(409, "")
    world.noted(tag, "woken with 409")


# -- crashes -----------------------------------------------------------------------------

@check("crash: kill -9 of the server in a sleep, a step, a promise and an awakeable")
def server_killed(world):
    sleeping, stepping, signing, waiting, key = (world.tag() for _ in range(5))
    since = time.monotonic()
    greeting = world.ingress.send(
        "Greeter", "greet", {"name": "Edsger", "tag": sleeping, "sleepMs": 3000})
    step = world.ingress.send("Greeter", "step", stepping)
    run = world.ingress.send("Signup", "run", signing, key)
    confirmation = world.ingress.send("Greeter", "confirm", waiting)
    world.noted(sleeping, "stepped")
    world.noted(stepping, "begin")
    world.suspended(run)
    awakeable = world.awakeable(waiting)
    assert not world.ingress.is_finished(greeting), "it was not killed in the sleep"
    world.server.restart()

    world.open_gate(stepping)
    world.ingress.resolve(awakeable, "after the crash")
    world.ingress.call("Signup", "click", "s3cret", key).value
    equal(world.ingress.attach(greeting).value, "Hello Edsger, from execution 1", "greeting")
    assert time.monotonic() - since >= 3, "it slept less than 3 s"
    equal(world.count(sleeping, "step"), 1, "executions of the recorded step")
    token = world.ingress.attach(step).value
    equal(world.ingress.attach(step).value, token, "result of the step, read again")
    assert world.count(stepping, "begin") >= 2, "the step that was cut off did not run again"
    equal(world.ingress.attach(confirmation).value, "confirmed: after the crash", "confirmation")
    equal(world.ingress.attach(run).value, f"{key} is confirmed with s3cret", "workflow")


@check("crash: kill -9 of the endpoint in a sleep and in a step")
def endpoint_killed(world):
    sleeping, stepping = world.tag(), world.tag()
    greeting = world.ingress.send(
        "Greeter", "greet", {"name": "Barbara", "tag": sleeping, "sleepMs": 1000})
    step = world.ingress.send("Greeter", "step", stepping)
    world.noted(sleeping, "stepped")
    world.noted(stepping, "begin")
    world.endpoint.restart()

    world.open_gate(stepping)
    equal(world.ingress.attach(greeting).value, "Hello Barbara, from execution 1", "greeting")
    equal(world.count(sleeping, "step"), 1, "executions of the recorded step")
    token = world.ingress.attach(step).value
    equal(world.ingress.attach(step).value, token, "result of the step, read again")
    assert world.count(stepping, "begin") >= 2, "the step that was cut off did not run again"

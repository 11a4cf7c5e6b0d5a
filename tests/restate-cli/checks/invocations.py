"""invocations list and describe: what is shown of an invocation, in each of its states."""
from check import check


def ids(answer):
    """The ids that `invocations list` shows, in order."""
    return [line.split()[-1] for line in answer.ok.lines if line.startswith("❯ [")]


@check("invocations list: those that are not over, newest first")
def listed(w):
    first, _ = w.running()
    second = w.scheduled()
    done = w.done("Greeter", "greet", "x")
    shown = ids(w.cli("invocations", "list"))
    assert shown[:2] == [second, first] and done not in shown, shown
    shown = ids(w.cli("invocations", "list", "--oldest-first"))
    assert shown.index(first) < shown.index(second), shown
    everything = ids(w.cli("invocations", "list", "--all"))
    assert everything[0] == done and {first, second} <= set(everything), everything
    w.cli("invocations", "list", "--all", "--limit", "1").ok.says(done).warns("Showing 1/")
    assert len(ids(w.cli("invocations", "list", "--all", "--limit", "2"))) == 2


@check("invocations list: each filter")
def filters(w):
    dp = w.deployment_of("Cart")
    holder, _ = w.running("Cart", "filter-1")
    waiting = w.wait_for(w.send("Cart", "add", "a", "filter-1"), "pending")
    parked, _ = w.suspended("filter-2")
    broken, paused, later = w.backing_off(), w.paused(), w.scheduled()
    good, bad = w.done("Cart", "add", "b", "filter-3"), w.done("Greeter", "refuse")
    in_flight = {holder, waiting, parked, broken, paused, later}

    def shows(expected, *words):
        answer = w.cli("invocations", "list", *words)
        assert set(ids(answer)) & (in_flight | {good, bad}) == set(expected), answer
        return answer

    shows(in_flight)
    shows([holder, waiting, parked], "--service", "Cart")
    shows([broken], "--service", "Order", "--handler", "charge")
    shows([waiting], "--service", "Cart", "--handler", "add")
    shows([holder, waiting], "--key", "filter-1")
    for status, invocation in (("running", holder), ("pending", waiting), ("suspended", parked),
                               ("backing-off", broken), ("paused", paused), ("scheduled", later)):
        shows([invocation], "--status", status).says(f"Status: {status}")
    shows([], "--status", "ready")
    shows([good, bad], "--status", "completed")
    shows([good], "--completion-result", "success").says("Status: completed with success")
    shows([bad], "--completion-result", "failure", "--service", "Greeter").says(
        "Target: Greeter/refuse", "Status: completed with failure", "Error: [422] we are closed")
    # the servers differ in when they bind an invocation that has stored nothing yet
    bound = set(ids(w.cli("invocations", "list", "--deployment", dp)))
    assert {holder, broken} <= bound <= {holder, broken, parked, paused}, bound
    shows([holder, waiting, parked], "--virtual-objects-only")
    shows([], "--zombie")
    shows([], "--service", "Nobody")


@check("invocations list: what is said of each state")
def states(w):
    dp = w.deployment_of("Order")
    broken = w.backing_off()
    w.cli("invocations", "list", "--service", "Order").ok.in_order(
        broken, "Target: Order/charge", "Status: backing-off (", f"Deployment: {dp} [required] using restate-sdk-typescript/",
        "[500", "the card is refused")
    w.cli("invocations", "list", "--service", "Order").ok.says("Retried 1 time(s). Next retry in in")
    parked, _ = w.suspended("states")
    w.cli("invocations", "list", "--key", "states").ok.in_order(
        parked, "Target: Cart/states/wait",
        "Status: suspended (")


@check("invocations list -w: follows what happens")
def watch(w):
    with w.cli.watch("invocations", "list", "--service", "Greeter") as screen:
        screen.shows("Showing 0/0 invocations")
        invocation, tag = w.running()
        screen.shows(invocation)
        w.probe.open(tag)
        screen.shows("Showing 0/0 invocations")


@check("invocations describe: one that is done, and its journal")
def describe_done(w):
    parent = w.done("Order", "place", "described")
    w.ingress.attach(parent)
    children = {row["target"]: row["id"] for row in w.admin.query(
        f"SELECT id, target FROM sys_invocation WHERE invoked_by_id = '{parent}'")}
    answer = w.cli("invocations", "describe", parent).ok
    answer.says("Target: Order/place", "Status: completed with success",
                f"Deployment: {w.deployment_of('Order')} [required]", "[Ingress]", "──(this)─> Order/place")
    answer.in_order("Command: Input", f"Command: OneWayCall Greeter/greet {children['Greeter/greet']}",
                    f"Command: Call Cart/described/add {children['Cart/described/add']}",
                    "Notification: Call", "Command: Sleep", "Notification: Sleep", "Command: Output",
                    ">> completed")
    numbers = [line.split("#")[1].split()[0] for line in answer.lines if "──── #" in line]
    assert numbers == [str(n) for n in range(len(numbers))], answer
    child = w.cli("invocations", "describe", children["Cart/described/add"]).ok
    child.says("Target: Cart/described/add", f"Order/place {parent}", "──(this)─> Cart/described/add")
    child.in_order("Command: GetEagerState key items", "Command: SetState key items",
                   "Command: SetState key count", "Command: Output")


@check("invocations describe: a failure, with its code")
def describe_failed(w):
    w.cli("invocations", "describe", w.done("Greeter", "refuse")).ok.says(
        "Status: completed with failure", "Error: [422] we are closed", ">> completed")


@check("invocations describe: one that runs, waits for its key, or for its time")
def describe_waiting(w):
    holder, _ = w.running("Cart", "waiting")
    waiting = w.wait_for(w.send("Cart", "add", "x", "waiting"), "pending")
    later = w.scheduled()
    w.cli("invocations", "describe", holder).ok.says("Status: running (", ">> running")
    w.cli("invocations", "describe", waiting).ok.says(
        "Target: Cart/waiting/add", "Status: pending", "Command: Input", ">> pending")
    w.cli("invocations", "describe", later).ok.says("Status: scheduled", ">> scheduled")


@check("invocations describe: one that is suspended, and one that is paused")
def describe_parked(w):
    parked, _ = w.suspended("parked")
    w.cli("invocations", "describe", parked).ok.says(
        "Status: suspended (", ">> suspended")
    paused = w.paused()
    w.cli("invocations", "describe", paused).ok.says("Status: paused", ">> paused")


@check("invocations describe: one that backs off, with its error and the step that failed")
def describe_backing_off(w):
    broken = w.backing_off()
    answer = w.cli("invocations", "describe", broken).ok
    answer.says("Status: backing-off (", "Retried 1 time(s). Next retry in in", "the card is refused",
                "Command: Run [reserve]", "Notification: Run")
    if w.ours:  # the other server no longer fills what the CLI reads the step from
        answer.says("Caused by: Run [charge card]")


@check("invocations describe: a workflow, its promise and its key")
def describe_workflow(w):
    run = w.send("Signup", "run", "ann", "describe-1")
    w.ingress.call("Signup", "click", "clicked", "describe-1")
    assert w.ingress.attach(run) == "ann clicked"
    w.cli("invocations", "describe", run).ok.in_order(
        "Target: Signup/describe-1/run", "Command: SetState key name", "Command: GetPromise key click",
        "Notification: GetPromise", "Command: Output", ">> completed")


@check("invocations describe: no such invocation")
def describe_nothing(w):
    gone = w.done("Greeter", "greet", "x")
    w.admin.inv("purge", gone)
    w.cli("invocations", "describe", gone).fails(f"Invocation {gone} not found!")

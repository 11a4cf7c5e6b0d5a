"""invocations cancel, kill, purge, pause, resume and restart-as-new: by id and by what is called."""
from check import check


def failure(w, invocation):
    row = w.admin.query(f"SELECT completion_result, completion_failure FROM sys_invocation WHERE id = '{invocation}'")[0]
    return row["completion_failure"] if row["completion_result"] == "failure" else None


@check("invocations cancel: by id, on an object's key, by handler and by service")
def cancel(w):
    parked, _ = w.suspended("cancel-1")
    w.cli.yes("invocations", "cancel", parked).ok.says(
        f"{parked} Cart/cancel-1/wait", "[OK]: Cancelled 1 invocations")
    w.wait_for(parked, "completed")
    assert "[409]" in failure(w, parked), failure(w, parked)
    for number, query in enumerate(("Cart/cancel-2", "Cart/cancel-3/wait")):
        parked, _ = w.suspended(f"cancel-{2 + number}")
        w.cli.yes("invocations", "cancel", query).ok.says("[OK]: Cancelled 1 invocations")
        w.wait_for(parked, "completed")
    first, second = w.backing_off(), w.backing_off()
    w.cli.yes("invocations", "cancel", "Order/charge").ok.says(
        f"{first} Order/charge", f"{second} Order/charge", "[OK]: Cancelled 2 invocations")
    later = w.scheduled()
    w.cli.yes("invocations", "cancel", "Greeter").ok.says(f"{later} Greeter/greet")
    w.is_over(later)


@check("invocations cancel --kill, and kill")
def kill(w):
    for words in (("cancel", "--kill"), ("kill",)):
        broken = w.backing_off()
        w.cli.yes("invocations", words[0], broken, *words[1:]).ok.says("[OK]: Killed 1 invocations")
        w.wait_for(broken, "completed")
        assert "killed" in failure(w, broken), failure(w, broken)
    several = [w.suspended(f"kill-{n}")[0] for n in range(3)]
    w.cli.yes("invocations", "kill", "Cart", "--limit", "2").ok.says("[OK]: Killed 2 invocations")
    w.cli.yes("invocations", "kill", "Cart").ok.says("[OK]: Killed 1 invocations")
    for invocation in several:
        w.wait_for(invocation, "completed")


@check("invocations cancel: nothing to cancel, and nobody who says yes")
def refused(w):
    w.cli.yes("invocations", "cancel", "Nobody").fails("No invocations found for query Nobody!")
    w.cli.yes("invocations", "cancel", w.done("Greeter", "greet", "x")).fails("No invocations found")
    parked, awakeable = w.suspended("refused")
    assert w.cli("invocations", "cancel", parked).code != 0
    assert w.status(parked) == "suspended"
    w.ingress.resolve(awakeable, "now")
    assert w.ingress.attach(parked) == "now"


@check("invocations purge: forgets what is over, and only that")
def purge(w):
    gone = w.done("Greeter", "greet", "x")
    w.cli.yes("invocations", "purge", gone).ok.says(f"{gone} Greeter/greet", "[OK]: Purged 1 invocations")
    assert w.status(gone) is None
    for key in ("purge-1", "purge-2"):
        w.ingress.call("Cart", "add", "a", key)
    kept = w.done("Cart", "add", "a", "purge-3")
    w.cli.yes("invocations", "purge", "Cart/purge-1/add").ok.says("[OK]: Purged 1 invocations")
    w.cli.yes("invocations", "purge", "Cart/purge-2").ok.says("[OK]: Purged 1 invocations")
    assert w.status(kept) == "completed"
    parked, awakeable = w.suspended("purge-4")
    w.cli.yes("invocations", "purge", parked).fails("No invocations found")
    assert w.status(parked) == "suspended"
    w.ingress.resolve(awakeable, "now")
    w.wait_for(parked, "completed")


@check("invocations pause: one that backs off")
def pause(w):
    broken = w.backing_off()
    w.cli.yes("invocations", "pause", broken).ok.says(
        f"{broken} Order/charge", "[OK]: Paused 1 invocations")
    w.wait_for(broken, "paused")
    assert w.admin.inv("kill", broken).status_code == 200
    first, second = w.backing_off(), w.backing_off()
    w.cli.yes("invocations", "pause", "Order/charge").ok.says("[OK]: Paused 2 invocations")
    for invocation in (first, second):
        w.wait_for(invocation, "paused")


@check("invocations resume: goes on, on its deployment or on the latest")
def resume(w):
    paused = w.paused()
    w.cli.yes("invocations", "resume", paused).ok.says(
        f"{paused} Stubborn/work", "[OK]: Resumed 1 invocations")
    assert w.ingress.attach(paused) == "done"
    for choice in ("latest", w.deployment_of("Stubborn")):
        paused = w.paused()
        w.cli.yes("invocations", "resume", "Stubborn", "--deployment", choice).ok.says(
            "[OK]: Resumed 1 invocations")
        assert w.ingress.attach(paused) == "done"
    unbound = w.paused("early")
    w.cli.yes("invocations", "resume", unbound, "--deployment", "latest").ok.says(
        "[OK]: Resumed 1 invocations")
    assert w.ingress.attach(unbound) == "done"


@check("invocations restart-as-new: runs again under a new id")
def restart(w):
    old = w.done("Cart", "add", "book", "restart-1")
    answer = w.cli.yes("invocations", "restart-as-new", old).ok.says("[OK]: Restarted 1 invocations:")
    new = next(line.split()[1] for line in answer.lines if line.startswith(f"{old} inv_"))
    assert new != old
    assert w.ingress.attach(new) == ["book", "book"]
    assert w.status(old) == "completed"
    w.cli.yes("invocations", "restart-as-new", "Cart/restart-1/add").ok.says(
        "[OK]: Restarted 2 invocations:")


@check("invocations restart-as-new: not a workflow, and said for which")
def restart_workflow(w):
    run = w.send("Signup", "run", "ann", "restart-2")
    w.ingress.call("Signup", "click", "clicked", "restart-2")
    w.ingress.attach(run)
    answer = w.cli.yes("invocations", "restart-as-new", run).fails("Failed to restart 1 invocations out of 1")
    answer.says("[OK]: Restarted 0 invocations:", "Http status code 422 Unprocessable Entity")

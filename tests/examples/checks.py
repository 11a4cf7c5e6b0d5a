"""What each example must do, whatever it is written in; as examples/tests does in Rust."""
from harness.clients import eventually, in_background

ALL = []


def check(program):
    """Puts a function on the list."""
    def put(function):
        function.program = program
        ALL.append(function)
        return function
    return put


@check("payments")
def payments(example):
    ingress = example.ingress

    def pay(card, key):
        payment = {"card": card, "cents": 1200}
        return ingress.call("Payments", "pay", payment, idempotency_key=key)

    def reference(nth):
        found = [line for line in example.lines() if line.startswith("pending ")]
        return found[nth].removeprefix("pending ") if len(found) > nth else None

    assert pay("good", "o1").value == "paid 1200 cents"
    pay("stolen", "o2").failed_with(402, "declined")

    slow = in_background(pay, "slow", "o3")
    told = eventually(lambda: reference(0), "the provider is asked")
    ingress.call("Payments", "webhook", {"reference": told, "status": "paid"}).value
    assert slow.result().value == "paid 1200 cents"
    assert pay("slow", "o3").value == "paid 1200 cents"

    # Without the service in between, as any process may.
    other = in_background(pay, "slow", "o4")
    ingress.resolve(eventually(lambda: reference(1), "the provider is asked"), "declined")
    other.result().failed_with(402, "declined")


@check("job-scheduler")
def job_scheduler(example):
    def call(handler, *arguments):
        return example.ingress.call("Job", handler, *arguments, key="report").value

    def schedule(every_ms, text):
        # Each language writes names as it does.
        every = "everyMs" if example.language.name == "typescript" else "every_ms"
        call("schedule", {every: every_ms, "times": 3, "text": text})

    schedule(10, "tick")
    eventually(lambda: call("status") == {"done": 3, "left": 0}, "all runs are done")
    assert example.lines().count("tick") == 3, example.lines()
    schedule(60_000, "tock")
    call("stop")
    assert call("status") == {"done": 0, "left": 3}


@check("fan-out")
def fan_out(example):
    counts = example.ingress.call("WordCount", "count", ["to be or not", "to be"]).value
    assert counts == {"be": 2, "not": 1, "or": 1, "to": 2}, counts


@check("sync-to-async")
def sync_to_async(example):
    assert example.ask("prepare", "ada", "0") == "the data is at https://data.example.com/ada"
    # Longer than the client waits, on a machine however slow.
    assert example.ask("prepare", "grace", "4") == "this takes longer; you will get a mail"
    mail = "mail to grace@example.com: your data is at https://data.example.com/grace"
    eventually(lambda: mail in example.lines(), "the mail is sent")
    run = example.ingress.workflow("attach", "DataPreparation", "grace")
    assert run.value == "https://data.example.com/grace", str(run)


@check("promises")
def promises(example):
    def call(key, handler, *arguments):
        return example.ingress.call("Promise", handler, *arguments, key=key)

    assert call("launch", "peek").value is None
    early = in_background(call, "launch", "wait")
    assert call("launch", "resolve", {"go": True}).value is True
    assert call("launch", "resolve", 1).value is False
    assert early.result().value == {"go": True}
    assert call("launch", "wait").value == {"go": True}
    assert call("other", "reject", "no").value is True
    call("other", "wait").failed_with(409, "no")

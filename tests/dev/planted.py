"""What each flag of `latchwork dev` must find, and must let pass where the bug is mended."""
from harness.clients import eventually

ALL = []

#: orders under faults: more than enough for one attempt to die between doing and recording
ORDERS = 60
SEED = "7"


def check(*flags):
    """Puts a function on the list; it is called with a server with these flags, and with whether
    the handlers have bugs."""
    def put(function):
        function.flags = flags
        ALL.append(function)
        return function
    return put


@check("--virtual-time")
def months_pass_at_once_and_in_order(dev, has_bugs):
    """A trial that ends after the bill for it."""
    dev.ingress.call("Trial", "begin", "ada")
    did = eventually(lambda: dev.did(3), "all has happened")
    in_order = ["warn ada", "end ada", "bill ada"]
    late = ["warn ada", "bill ada", "end ada"]
    assert did == (late if has_bugs else in_order), did
    took = "57d" if has_bugs else "30d"
    eventually(lambda: dev.line("Trial/run", f"completed in {took}"), f"it took {took}")


@check("--always-replay")
def another_path_in_a_replay(dev, has_bugs):
    """A cache outside of the journal."""
    call = dev.ingress.call_in_background("Exchange", "convert", {"cents": 5, "currency": "chf"})
    if has_bugs:
        eventually(lambda: dev.line("Exchange/convert", "paused", "[570]"), "it is paused (570)")
    else:
        assert call.result().value == 15


@check("--faults", SEED)
def an_effect_that_happens_twice(dev, has_bugs):
    """A payment without an idempotency key."""
    orders = [f"o{nth}" for nth in range(ORDERS)]
    calls = [dev.ingress.call_in_background("Orders", "order", order) for order in orders]
    assert [call.result().value for call in calls] == orders
    paid = [line.removeprefix("pay ") for line in dev.did(0)]
    assert set(paid) == set(orders), set(orders) - set(paid)
    assert (len(paid) > len(orders)) == has_bugs, f"{len(paid)} payments of {len(orders)} orders"
    assert dev.line("Orders/order", "on purp"), "no attempt met a fault"

"""Payments whose provider answers at once, or later through a webhook.

    python payments.py
    curl localhost:9070/deployments --json '{"uri": "http://localhost:9080"}'
    curl localhost:8080/Payments/pay --json '{"card": "good", "cents": 1200}' -H 'idempotency-key: o1'
    curl localhost:8080/Payments/pay --json '{"card": "slow", "cents": 1200}' -H 'idempotency-key: o2' &
    # what the provider would send, with the reference that was printed:
    curl localhost:8080/Payments/webhook --json '{"reference": "sign_1…", "status": "paid"}'

The caller waits in both cases, and need not know which it was. Asking again with the same
idempotency key waits for the same payment.
"""

import asyncio
import os
from datetime import timedelta
from typing import Literal, TypedDict

import hypercorn.asyncio
import restate
from restate import Context, RunOptions, TerminalError

#: How long a provider may take.
WEBHOOK_LIMIT = timedelta(hours=24)

#: "pending": the answer comes through the webhook.
Status = Literal["paid", "declined", "pending"]


class Payment(TypedDict):
    card: str
    cents: int


class Webhook(TypedDict):
    reference: str
    status: Status


payments = restate.Service("Payments")


@payments.handler()
async def pay(ctx: Context, payment: Payment) -> str:
    """Pays, and gives a receipt."""
    # Made before the provider is asked: its answer may be faster than our next step.
    reference, answer = ctx.awakeable(type_hint=str)
    status = await ctx.run_typed(
        "ask the provider", ask, RunOptions(max_attempts=10), payment=payment, reference=reference
    )
    if status == "pending":
        match await restate.select(answer=answer, late=ctx.sleep(WEBHOOK_LIMIT)):
            case ["answer", told]:
                status = told
            case _:
                raise TerminalError("the provider never answered", status_code=504)
    if status != "paid":
        raise TerminalError("the card was declined", status_code=402)
    return f"paid {payment['cents']} cents"


@payments.handler()
async def webhook(ctx: Context, answer: Webhook) -> None:
    """Where the provider sends its answers."""
    ctx.resolve_awakeable(answer["reference"], answer["status"])


async def ask(payment: Payment, reference: str) -> Status:
    """Stands for the API of a payment provider."""
    match payment["card"]:
        case "good":
            return "paid"
        case "slow":
            print(f"pending {reference}", flush=True)
            return "pending"
        case _:
            return "declined"


app = restate.app([payments])

if __name__ == "__main__":
    config = hypercorn.Config()
    config.bind = [f"localhost:{os.environ.get('PORT', '9080')}"]
    asyncio.run(hypercorn.asyncio.serve(app, config))

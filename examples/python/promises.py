"""Durable promises as a service: anybody awaits one by name, anybody completes it, once.

    python promises.py
    curl localhost:9070/deployments --json '{"uri": "http://localhost:9080"}'
    curl localhost:8080/Promise/launch/peek
    curl localhost:8080/Promise/launch/wait &
    curl localhost:8080/Promise/launch/resolve --json '{"go": true}'

The object keeps the value, and the awakeables of those that wait: each of them is an invocation
that costs nothing while it does.
"""

import asyncio
import os
from typing import Any

import hypercorn.asyncio
import restate
from restate import ObjectContext, ObjectSharedContext, TerminalError

promise = restate.VirtualObject("Promise")


@promise.handler(kind="shared")
async def peek(ctx: ObjectSharedContext) -> Any:
    """The outcome, if there is one: {"resolved": value} or {"rejected": reason}."""
    return await ctx.get("outcome")


@promise.handler(kind="shared")
async def wait(ctx: ObjectSharedContext) -> Any:
    """Waits for the value."""
    awakeable, told = ctx.awakeable()
    ctx.object_send(subscribe, ctx.key(), awakeable)
    outcome: Any = await told
    if "rejected" in outcome:
        raise TerminalError(outcome["rejected"], status_code=409)
    return outcome["resolved"]


@promise.handler(ingress_private=True)
async def subscribe(ctx: ObjectContext, awakeable: str) -> None:
    """Completes an awakeable with the outcome, now or when there is one."""
    outcome = await ctx.get("outcome")
    if outcome is not None:
        ctx.resolve_awakeable(awakeable, outcome)
    else:
        ctx.set("waiting", [*(await ctx.get("waiting") or []), awakeable])


@promise.handler()
async def resolve(ctx: ObjectContext, value: Any) -> bool:
    """Gives it a value; whether that was the first completion."""
    return await complete(ctx, {"resolved": value})


@promise.handler()
async def reject(ctx: ObjectContext, reason: str) -> bool:
    """Makes it fail; whether that was the first completion."""
    return await complete(ctx, {"rejected": reason})


async def complete(ctx: ObjectContext, outcome: dict) -> bool:
    if await ctx.get("outcome") is not None:
        return False
    ctx.set("outcome", outcome)
    for awakeable in await ctx.get("waiting") or []:
        ctx.resolve_awakeable(awakeable, outcome)
    ctx.clear("waiting")
    return True


app = restate.app([promise])

if __name__ == "__main__":
    config = hypercorn.Config()
    config.bind = [f"localhost:{os.environ.get('PORT', '9080')}"]
    asyncio.run(hypercorn.asyncio.serve(app, config))

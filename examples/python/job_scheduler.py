"""A job scheduler: an object for each job, which calls itself later.

    python job_scheduler.py
    curl localhost:9070/deployments --json '{"uri": "http://localhost:9080"}'
    curl localhost:8080/Job/report/schedule --json '{"every_ms": 5000, "times": 3, "text": "tick"}'
    curl localhost:8080/Job/report/status
    curl localhost:8080/Job/report/stop -X POST

The next run is a delayed call to the job's own key, so it is as durable as any call; the object
runs one handler at a time, so schedule, run and stop never meet.
"""

import asyncio
import os
from datetime import timedelta
from typing import Optional, TypedDict

import hypercorn.asyncio
import restate
from restate import ObjectContext, ObjectSharedContext


class Plan(TypedDict):
    """What to do, how often."""

    every_ms: int
    times: int
    text: str


class Status(TypedDict):
    """How far a job is."""

    done: int
    left: int


job = restate.VirtualObject("Job")


@job.handler()
async def schedule(ctx: ObjectContext, plan: Plan) -> None:
    """Starts a job, in place of an earlier plan."""
    # Runs of an earlier plan carry another generation, and do nothing.
    generation = (await ctx.get("generation", type_hint=int) or 0) + 1
    ctx.set("generation", generation)
    ctx.set("plan", plan)
    ctx.set("status", Status(done=0, left=plan["times"]))
    next_run(ctx, plan, generation)


@job.handler("run")
async def one_run(ctx: ObjectContext, generation: int) -> None:
    """One run, and the order for the next."""
    plan: Optional[Plan] = await ctx.get("plan")
    if plan is None or generation != await ctx.get("generation", type_hint=int):
        return
    await ctx.run_typed("work", lambda: print(plan["text"], flush=True))
    status: Status = await ctx.get("status") or Status(done=0, left=1)
    left = status["left"] - 1
    if left > 0:
        next_run(ctx, plan, generation)
    ctx.set("status", Status(done=status["done"] + 1, left=left))


@job.handler()
async def stop(ctx: ObjectContext) -> None:
    """No more runs."""
    ctx.clear("plan")


@job.handler("status", kind="shared")
async def read_status(ctx: ObjectSharedContext) -> Optional[Status]:
    """How far it is."""
    return await ctx.get("status")


def next_run(ctx: ObjectContext, plan: Plan, generation: int) -> None:
    delay = timedelta(milliseconds=plan["every_ms"])
    ctx.object_send(one_run, ctx.key(), generation, send_delay=delay)


app = restate.app([job])

if __name__ == "__main__":
    config = hypercorn.Config()
    config.bind = [f"localhost:{os.environ.get('PORT', '9080')}"]
    asyncio.run(hypercorn.asyncio.serve(app, config))

// A job scheduler: an object for each job, which calls itself later.
//
//     npx tsx job-scheduler.ts
//     curl localhost:9070/deployments --json '{"uri": "http://localhost:9080"}'
//     curl localhost:8080/Job/report/schedule --json '{"everyMs": 5000, "times": 3, "text": "tick"}'
//     curl localhost:8080/Job/report/status
//     curl localhost:8080/Job/report/stop -X POST
//
// The next run is a delayed call to the job's own key, so it is as durable as any call; the object
// runs one handler at a time, so schedule, run and stop never meet.

import * as restate from "@restatedev/restate-sdk";

/** What to do, how often. */
type Plan = { everyMs: number; times: number; text: string };
/** How far a job is. */
type Status = { done: number; left: number };
type State = { generation: number; plan: Plan; status: Status };

const job = restate.object({
  name: "Job",
  handlers: {
    /** Starts a job, in place of an earlier plan. */
    schedule: async (ctx: restate.ObjectContext<State>, plan: Plan) => {
      // Runs of an earlier plan carry another generation, and do nothing.
      const generation = ((await ctx.get("generation")) ?? 0) + 1;
      ctx.set("generation", generation);
      ctx.set("plan", plan);
      ctx.set("status", { done: 0, left: plan.times });
      nextRun(ctx, plan, generation);
    },

    /** One run, and the order for the next. */
    run: async (ctx: restate.ObjectContext<State>, generation: number) => {
      const plan = await ctx.get("plan");
      if (plan === null || generation !== (await ctx.get("generation"))) {
        return;
      }
      await ctx.run("work", () => console.log(plan.text));
      const status = (await ctx.get("status")) ?? { done: 0, left: 1 };
      const left = status.left - 1;
      if (left > 0) {
        nextRun(ctx, plan, generation);
      }
      ctx.set("status", { done: status.done + 1, left });
    },

    /** No more runs. */
    stop: async (ctx: restate.ObjectContext<State>) => {
      ctx.clear("plan");
    },

    /** How far it is. */
    status: restate.handlers.object.shared(
      async (ctx: restate.ObjectSharedContext<State>) => await ctx.get("status"),
    ),
  },
});

function nextRun(ctx: restate.ObjectContext<State>, plan: Plan, generation: number) {
  ctx.genericSend({
    service: "Job",
    key: ctx.key,
    method: "run",
    parameter: generation,
    inputSerde: restate.serde.json,
    delay: plan.everyMs,
  });
}

await restate.serve({ services: [job], port: Number(process.env.PORT ?? 9080) });

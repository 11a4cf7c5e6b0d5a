// Durable promises as a service: anybody awaits one by name, anybody completes it, once.
//
//     npx tsx promises.ts
//     curl localhost:9070/deployments --json '{"uri": "http://localhost:9080"}'
//     curl localhost:8080/Promise/launch/peek
//     curl localhost:8080/Promise/launch/wait &
//     curl localhost:8080/Promise/launch/resolve --json '{"go": true}'
//
// The object keeps the value, and the awakeables of those that wait: each of them is an invocation
// that costs nothing while it does.

import * as restate from "@restatedev/restate-sdk";

/** What a promise was completed with. The value is any JSON. */
type Outcome = { resolved: unknown } | { rejected: string };
type State = { outcome: Outcome; waiting: string[] };

const promises = restate.object({
  name: "Promise",
  handlers: {
    /** The outcome, if there is one. */
    peek: restate.handlers.object.shared(
      async (ctx: restate.ObjectSharedContext<State>) => await ctx.get("outcome"),
    ),

    /** Waits for the value. */
    wait: restate.handlers.object.shared(async (ctx: restate.ObjectSharedContext<State>) => {
      const { id, promise } = ctx.awakeable<Outcome>();
      ctx.genericSend({
        service: "Promise",
        key: ctx.key,
        method: "subscribe",
        parameter: id,
        inputSerde: restate.serde.json,
      });
      const outcome = await promise;
      if ("rejected" in outcome) {
        throw new restate.TerminalError(outcome.rejected, { errorCode: 409 });
      }
      return outcome.resolved;
    }),

    /** Completes an awakeable with the outcome, now or when there is one. */
    subscribe: restate.handlers.object.exclusive(
      { ingressPrivate: true },
      async (ctx: restate.ObjectContext<State>, awakeable: string) => {
        const outcome = await ctx.get("outcome");
        if (outcome !== null) {
          ctx.resolveAwakeable(awakeable, outcome);
        } else {
          ctx.set("waiting", [...((await ctx.get("waiting")) ?? []), awakeable]);
        }
      },
    ),

    /** Gives it a value; whether that was the first completion. */
    resolve: async (ctx: restate.ObjectContext<State>, value: unknown) =>
      await complete(ctx, { resolved: value }),

    /** Makes it fail; whether that was the first completion. */
    reject: async (ctx: restate.ObjectContext<State>, reason: string) =>
      await complete(ctx, { rejected: reason }),
  },
});

async function complete(ctx: restate.ObjectContext<State>, outcome: Outcome): Promise<boolean> {
  if ((await ctx.get("outcome")) !== null) {
    return false;
  }
  ctx.set("outcome", outcome);
  for (const awakeable of (await ctx.get("waiting")) ?? []) {
    ctx.resolveAwakeable(awakeable, outcome);
  }
  ctx.clear("waiting");
  return true;
}

await restate.serve({ services: [promises], port: Number(process.env.PORT ?? 9080) });

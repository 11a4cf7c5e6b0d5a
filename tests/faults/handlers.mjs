// Handlers for the faults: steps with a sleep between them, and a counter. Argument: the port.
import * as restate from "@restatedev/restate-sdk";

// The SDK uses it, and Node 20 does not have it.
Promise.withResolvers ??= () => {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
};

const steps = restate.service({
  name: "Steps",
  handlers: {
    work: async (ctx, { name, ms }) => {
      const first = await ctx.run("first", () => `${name}-1`);
      await ctx.sleep(ms);
      return [first, await ctx.run("second", () => `${name}-2`)];
    },
  },
});

const counter = restate.object({
  name: "Counter",
  handlers: {
    add: async (ctx, { by }) => {
      const sum = ((await ctx.get("sum")) ?? 0) + by;
      ctx.set("sum", sum);
      return sum;
    },
  },
});

restate.serve({ services: [steps, counter], port: Number(process.argv[2]) });

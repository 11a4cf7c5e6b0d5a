// Handlers for the faults: steps with a sleep between them, once patient and once hasty; one that
// fails at first; and a counter. Argument: the port.
import * as restate from "@restatedev/restate-sdk";

// The SDK uses it, and Node 20 does not have it.
Promise.withResolvers ??= () => {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
};

const after = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const work = async (ctx, { name, ms, takes = 0 }) => {
  const step = (number) =>
    ctx.run(`step ${number}`, async () => {
      await after(takes);
      return `${name}-${number}`;
    });
  const first = await step(1);
  await ctx.sleep(ms);
  return [first, await step(2)];
};

const steps = restate.service({ name: "Steps", handlers: { work } });

const hasty = restate.service({
  name: "Hasty",
  handlers: { work },
  options: { inactivityTimeout: 300, abortTimeout: 300 },
});

// How often each was tried, in this process.
const tries = new Map();

const clumsy = restate.service({
  name: "Clumsy",
  handlers: {
    work: async (ctx, { name, failures }) => {
      tries.set(name, (tries.get(name) ?? 0) + 1);
      if (tries.get(name) <= failures) throw new Error(`try ${tries.get(name)} fails`);
      return tries.get(name);
    },
  },
  options: { retryPolicy: { initialInterval: 500, exponentiationFactor: 1, maxInterval: 500 } },
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

restate.serve({ services: [steps, hasty, clumsy, counter], port: Number(process.argv[2]) });

// Handlers of the golden directories. Journals in these were made by them: what a handler does may
// be added to, and never changed. Argument: the port. With GOLDEN_HOLD=1, as when a directory is
// made, nothing that is held ends, and what is clumsy fails.
import * as restate from "@restatedev/restate-sdk";

// The SDK uses it, and Node 20 does not have it.
Promise.withResolvers ??= () => {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
};

const HOLD = process.env.GOLDEN_HOLD === "1";
// Directories are opened years after they were made.
const CENTURY = { days: 36500 };
const KEPT = { idempotencyRetention: CENTURY, journalRetention: CENTURY };

/** Waits for an awakeable, whose id it puts where the check finds it. */
const awaits = async (ctx, name) => {
  const { id, promise } = ctx.awakeable();
  ctx.objectSendClient(keep, "awakeables").put({ name, value: id });
  return `${name}: ${await promise}`;
};

const keep = restate.object({
  name: "Keep",
  handlers: {
    put: async (ctx, { name, value }) => ctx.set(name, value),
    get: restate.handlers.object.shared(async (ctx, name) => await ctx.get(name)),
    add: async (ctx, by) => {
      const sum = ((await ctx.get("sum")) ?? 0) + by;
      ctx.set("sum", sum);
      return sum;
    },
    lock: async (ctx, name) => await awaits(ctx, name),
  },
  options: KEPT,
});

const golden = restate.service({
  name: "Golden",
  handlers: {
    done: async (ctx, name) => `${name} ${await ctx.run("step", () => "ran")}`,
    failed: async () => {
      throw new restate.TerminalError("as it should", { errorCode: 418 });
    },
    sleeps: async (ctx, { name, ms }) => {
      const before = await ctx.run("before", () => (HOLD ? "then" : "again"));
      await ctx.sleep(ms);
      return `${name} ${before} ${await ctx.run("after", () => (HOLD ? "then" : "now"))}`;
    },
    awaits: async (ctx, name) => await awaits(ctx, name),
    held: async (ctx, name) =>
      await ctx.run("held", () => (HOLD ? new Promise(() => {}) : `${name} let go`)),
    clumsy: async (ctx, name) => {
      // Without a stack, which names places of the machine where the directory is made.
      if (HOLD) throw Object.assign(new Error("try again"), { stack: "" });
      return `${name} at last`;
    },
    parent: async (ctx, name) => `parent of ${await ctx.serviceClient(golden).awaits(name)}`,
  },
  options: KEPT,
});

const flow = restate.workflow({
  name: "Flow",
  handlers: {
    run: async (ctx, name) => {
      ctx.set("name", name);
      return `${name} ${await ctx.promise("go")}`;
    },
    go: async (ctx, word) => await ctx.promise("go").resolve(word),
  },
  options: { workflowRetention: CENTURY, journalRetention: CENTURY },
});

restate.serve({ services: [golden, keep, flow], port: Number(process.argv[2]) });

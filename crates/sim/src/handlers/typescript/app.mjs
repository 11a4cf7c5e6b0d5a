// The handlers with the TypeScript SDK: the same as rust.rs.
import * as restate from "@restatedev/restate-sdk";
import http2 from "node:http2";
import { report } from "./witness.mjs";

// The SDK uses it when it is called, and Node has it since version 22.
Promise.withResolvers ??= function () {
  let resolve, reject;
  const promise = new this((a, b) => {
    resolve = a;
    reject = b;
  });
  return { promise, resolve, reject };
};

const delay = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const asJson = { inputSerde: restate.serde.json, outputSerde: restate.serde.json };
const suspends = { options: { inactivityTimeout: { milliseconds: 1 } } };

/** One attempt, and the way to report what happens in it. */
async function begin(ctx) {
  const invocation = ctx.request().id;
  const attempt = await report("begin", { invocation });
  return async (step) => {
    const value = await ctx.run(async () => {
      const execution = await report("execute", { invocation, attempt, step });
      // A run takes a moment, so that kills fall into it.
      await delay(execution % 5);
      return execution;
    });
    await report("observe", { invocation, step, value });
    return value;
  };
}

const steps = restate.service({
  name: "TypeScriptSteps",
  handlers: {
    run: async (ctx, { steps, sleep_ms }) => {
      const run = await begin(ctx);
      const values = [];
      for (let step = 0; step < steps; step++) {
        if (step > 0) await ctx.sleep(sleep_ms);
        values.push(await run(step));
      }
      return values;
    },
    late: async (ctx, task) => {
      await report("start", { task, time: Date.now() });
      return (await begin(ctx))(0);
    },
  },
});

const counter = restate.object({
  name: "TypeScriptCounter",
  handlers: {
    add: async (ctx) => {
      const object = `TypeScriptCounter/${ctx.key}`;
      const request = ctx.request();
      const ticket = await report("enter", { object, invocation: request.id });
      const leave = () => report("leave", { ticket });
      // An attempt that is cut off never comes to its end.
      request.attemptCompletedSignal.addEventListener("abort", leave);
      if (request.attemptCompletedSignal.aborted) await leave();
      const run = await begin(ctx);
      const count = ((await ctx.get("count")) ?? 0) + 1;
      await run(0);
      ctx.set("count", count);
      request.attemptCompletedSignal.removeEventListener("abort", leave);
      await leave();
      return count;
    },
    get: restate.handlers.object.shared(async (ctx) => (await ctx.get("count")) ?? 0),
  },
});

const fan = restate.service({
  name: "TypeScriptFan",
  handlers: {
    fan: async (ctx, { task, width, leaf }) => {
      const children = [];
      for (let index = 0; index < width; index++) {
        const parameter = { task, index };
        children.push(ctx.genericCall({ service: leaf, method: "leaf", parameter, ...asJson }));
      }
      const values = [];
      for (const child of children) values.push(await child);
      return values;
    },
  },
  ...suspends,
});

const leaf = restate.service({
  name: "TypeScriptLeaf",
  handlers: {
    leaf: async (ctx, { task, index }) => {
      await report("child", { task, index, invocation: ctx.request().id });
      return (await begin(ctx))(0);
    },
  },
});

const wait = restate.service({
  name: "TypeScriptWait",
  handlers: {
    wait: async (ctx, task) => {
      const { id, promise } = ctx.awakeable();
      await ctx.run("publish", async () => void (await report("publish", { task, awakeable: id })));
      return promise;
    },
  },
  ...suspends,
});

const [host, port] = process.env.HANDLERS_ADDR.split(":");
const services = [steps, counter, fan, leaf, wait];
http2.createServer(restate.createEndpointHandler({ services })).listen(Number(port), host);

// A small shop, for looking at: steps, sleeps, calls, promises, state, failures.
//
//   PORT=9080 node handlers.mjs
//
// Orders end by themselves; `Shipping` waits for an awakeable, `Reminder` for its time,
// `Payment` fails for the customer "Broke" and holds long between its attempts.
import * as restate from "@restatedev/restate-sdk";
import http2 from "node:http2";

// The SDK uses Promise.withResolvers, which Node has since version 22.
Promise.withResolvers ??= function () {
  let resolve, reject;
  const promise = new this((a, b) => ([resolve, reject] = [a, b]));
  return { promise, resolve, reject };
};

/** JSON with a schema, as SDKs declare it. */
const json = (jsonSchema) => ({
  contentType: "application/json",
  jsonSchema,
  serialize: (value) => new TextEncoder().encode(JSON.stringify(value ?? null)),
  deserialize: (bytes) => (bytes.length ? JSON.parse(new TextDecoder().decode(bytes)) : undefined),
});

const order = json({
  type: "object",
  required: ["customer", "items"],
  properties: {
    customer: { type: "string", description: "Who orders", default: "Ada" },
    items: { type: "integer", minimum: 1, default: 2, description: "How many things" },
    express: { type: "boolean", description: "Ship today" },
    size: { enum: ["small", "large"], description: "Of the parcel" },
  },
});

const payment = restate.service({
  name: "Payment",
  handlers: {
    charge: restate.handlers.handler(
      { input: json({ type: "object", properties: { customer: { type: "string" }, amount: { type: "number" } } }) },
      async (ctx, { customer, amount }) => {
        await ctx.run("authorize", () => ({ card: "4242", amount }));
        if (customer === "Broke") throw new Error("card declined: no funds for Broke");
        await ctx.sleep(60);
        return await ctx.run("capture", () => `receipt-${customer}`);
      },
    ),
  },
  options: {
    retryPolicy: { initialInterval: { minutes: 30 }, maxInterval: { minutes: 30 } },
  },
});

const stock = restate.object({
  name: "Stock",
  handlers: {
    add: async (ctx, count) => {
      const left = ((await ctx.get("left")) ?? 0) + count;
      ctx.set("left", left);
      return left;
    },
    take: async (ctx, count) => {
      const left = ((await ctx.get("left")) ?? 100) - count;
      ctx.set("left", left);
      ctx.set("last", { taken: count, at: await ctx.date.toJSON() });
      return left;
    },
    left: restate.handlers.object.shared(async (ctx) => (await ctx.get("left")) ?? 100),
  },
});

const mail = restate.service({
  name: "Mail",
  handlers: {
    send: async (ctx, text) => {
      await ctx.run("deliver", () => String(text).length);
    },
  },
});

const orders = restate.service({
  name: "Orders",
  description: "Takes orders, charges for them, and ships them",
  handlers: {
    place: restate.handlers.handler({ input: order, description: "Places an order" }, async (ctx, order) => {
      const id = await ctx.run("number", () => "ord-1007");
      const taken = ctx.objectClient({ name: "Stock" }, order.size ?? "small").take(order.items ?? 1);
      const paid = ctx.serviceClient({ name: "Payment" }).charge({ customer: order.customer, amount: 12.5 * (order.items ?? 1) });
      await restate.RestatePromise.all([taken, paid]);
      await ctx.sleep(120);
      ctx.serviceSendClient({ name: "Mail" }).send(`Thank you, ${order.customer}`);
      return { order: id, receipt: await paid };
    }),
    reject: async (ctx) => {
      await ctx.run("check", () => true);
      throw new restate.TerminalError("the shop is closed", { errorCode: 409 });
    },
  },
});

const shipping = restate.workflow({
  name: "Shipping",
  handlers: {
    run: async (ctx, address) => {
      ctx.set("address", address ?? "unknown");
      await ctx.run("label", () => "L-1");
      const signed = await ctx.promise("signed");
      return { signed };
    },
    sign: restate.handlers.workflow.shared(async (ctx, name) => {
      await ctx.promise("signed").resolve(name);
    }),
  },
});

const reminder = restate.service({
  name: "Reminder",
  handlers: {
    wait: async (ctx, seconds) => {
      await ctx.run("note", () => seconds);
      await ctx.sleep((seconds ?? 3600) * 1000);
      return "time is up";
    },
    ask: async (ctx) => {
      const { promise } = ctx.awakeable();
      return await promise;
    },
  },
  // What waits lets go of its stream soon, and is then known to wait.
  options: { inactivityTimeout: 200 },
});

const handler = restate.createEndpointHandler({
  services: [payment, stock, mail, orders, shipping, reminder],
});
const server = http2.createServer(handler);
server.listen(Number(process.env.PORT ?? 9080), "127.0.0.1", () => {
  console.log(`handlers at http://127.0.0.1:${server.address().port}`);
});

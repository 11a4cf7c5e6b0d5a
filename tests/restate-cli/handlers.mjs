// Few services, so that what the CLI prints can be read. For the conformance suite's app.mjs,
// as its EXTRA; VERSION v2 has a handler more, v3 a service of another type.
import * as restate from "@restatedev/restate-sdk";
import { note, waitGate } from "./probe.mjs";

const { TerminalError, handlers } = restate;

export const only = true;

const greeter = (version) => ({
  name: "Greeter",
  handlers: {
    greet: async (ctx, name) => {
      const greeting = await ctx.run("compose", () => `Hello ${name}`);
      return greeting;
    },
    hold: async (ctx, tag) => {
      note(tag, "entered");
      await waitGate(tag);
      return "held";
    },
    refuse: async () => {
      throw new TerminalError("we are closed", { errorCode: 422 });
    },
    ...(version === "v1" ? {} : { wave: async () => "bye" }),
  },
});

const order = {
  name: "Order",
  handlers: {
    place: async (ctx, key) => {
      ctx.genericSend({ service: "Greeter", method: "greet", parameter: key,
        inputSerde: restate.serde.json });
      const items = await ctx.genericCall({ service: "Cart", method: "add", key, parameter: "book",
        inputSerde: restate.serde.json, outputSerde: restate.serde.json });
      await ctx.sleep(1);
      return items;
    },
    charge: async (ctx, tag) => {
      await ctx.run("reserve", () => "reserved");
      await ctx.run("charge card", () => {
        note(tag, "charged");
        throw new Error("the card is refused");
      });
    },
  },
  // it backs off for long, so that it can be looked at
  options: { retryPolicy: { initialInterval: { hours: 1 }, maxInterval: { hours: 1 } } },
};

const stubborn = {
  name: "Stubborn",
  handlers: {
    work: async (ctx, tag) => {
      await ctx.run("warm up", () => "warm"); // so that it is bound to its deployment
      if (note(tag, "attempt") <= 2) throw new Error("not in this mood");
      return "done";
    },
    // the same, before anything is stored
    early: async (_ctx, tag) => {
      if (note(tag, "attempt") <= 2) throw new Error("not in this mood");
      return "done";
    },
  },
  options: {
    retryPolicy: { initialInterval: 20, maxInterval: 20, maxAttempts: 2, onMaxAttempts: "pause" },
  },
};

const cart = restate.object({
  name: "Cart",
  handlers: {
    add: async (ctx, item) => {
      const items = [...((await ctx.get("items")) ?? []), item];
      ctx.set("items", items);
      ctx.set("count", items.length);
      return items;
    },
    hold: async (ctx, tag) => {
      note(tag, "entered");
      await waitGate(tag);
      return "held";
    },
    wait: async (ctx, tag) => {
      const { id, promise } = ctx.awakeable();
      note(tag, id);
      return await promise;
    },
    items: handlers.object.shared(async (ctx) => (await ctx.get("items")) ?? []),
  },
  options: { inactivityTimeout: 0 },
});

const signup = restate.workflow({
  name: "Signup",
  handlers: {
    run: async (ctx, name) => {
      ctx.set("name", name);
      return `${name} ${await ctx.promise("click")}`;
    },
    click: async (ctx, how) => {
      await ctx.promise("click").resolve(how);
    },
  },
});

export const services = ({ version }) => [
  version === "v3" ? restate.object(greeter(version)) : restate.service(greeter(version)),
  restate.service(order), restate.service(stubborn), cart, signup,
];

// Handlers with bugs, and the same without: what each of the flags of `latchwork dev` is to find.
//
// BUGS=1 puts the bugs in. What a handler does outside is one line of stdout.

import * as restate from "@restatedev/restate-sdk";

const hasBugs = process.env.BUGS === "1";
const did = (what) => console.log(`did ${what}`);

/** A warning three days before the end of a trial, and its end after thirty. */
const trial = restate.service({
  name: "Trial",
  handlers: {
    /** Both, in one moment. */
    begin: async (ctx, name) => {
      for (const handler of ["bill", "run"]) {
        ctx.genericSend({ service: "Trial", method: handler, parameter: name, inputSerde: restate.serde.json });
      }
    },
    run: async (ctx, name) => {
      await ctx.sleep({ days: 27 });
      await ctx.run("warn", () => did(`warn ${name}`));
      // The bug: thirty days from here are not thirty days from the beginning.
      await ctx.sleep({ days: hasBugs ? 30 : 3 });
      await ctx.run("end", () => did(`end ${name}`));
    },
    /** A bill after thirty-one days: after the end of the trial. */
    bill: async (ctx, name) => {
      await ctx.sleep({ days: 31 });
      await ctx.run("bill", () => did(`bill ${name}`));
    },
  },
});

const rates = new Map();

/** Converts money, and asks for each rate only once. */
const exchange = restate.service({
  name: "Exchange",
  handlers: {
    convert: async (ctx, { cents, currency }) => {
      // The bug: the first attempt finds nothing here, and a replay does.
      if (!hasBugs || !rates.has(currency)) {
        rates.set(currency, await ctx.run("ask for the rate", () => 3));
      }
      await ctx.run("book", () => {});
      return cents * rates.get(currency);
    },
  },
});

const paid = new Set();

/** Pays an order once. */
const orders = restate.service({
  name: "Orders",
  handlers: {
    order: async (ctx, name) => {
      const number = ctx.rand.uuidv4();
      await ctx.run("pay", () => {
        // The bug: an attempt that dies before this is recorded pays again.
        if (hasBugs || !paid.has(number)) {
          paid.add(number);
          did(`pay ${name}`);
        }
      });
      await ctx.run("ship", () => {});
      return name;
    },
  },
});

restate.serve({ services: [trial, exchange, orders], port: Number(process.env.PORT) });

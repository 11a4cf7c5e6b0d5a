// Handlers that stay as they are long enough to be looked at.
import * as restate from "@restatedev/restate-sdk";

/** For app.mjs, as its EXTRA. */
export const services = ({ prefix }) => [
  restate.service({
    name: `${prefix}Broken`,
    handlers: {
      work: async (ctx, what) => {
        await ctx.run("prepare", () => 1);
        await ctx.run("charge", () => {
          throw new Error(`no ${what} here`);
        });
      },
      early: async () => {
        throw new Error("before anything");
      },
    },
    options: {
      retryPolicy: { initialInterval: { hours: 1 }, maxInterval: { hours: 1 } },
    },
  }),
];

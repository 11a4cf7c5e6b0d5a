// From sync to async: a client waits for a result, but not for ever; then it asks for an e-mail.
//
//     npx tsx sync-to-async.ts
//     curl localhost:9070/deployments --json '{"uri": "http://localhost:9080"}'
//     npx tsx sync-to-async.ts prepare ada 5      # takes 5 s: a URL
//     npx tsx sync-to-async.ts prepare grace 60   # takes longer: mail
//
// The workflow is started by an id of the client's, so asking again finds the same one.

import * as restate from "@restatedev/restate-sdk";
import * as clients from "@restatedev/restate-sdk-clients";

/** How long the client waits; WAIT_SECONDS overrides it. */
const WAIT_SECONDS = 30;

const dataPreparation = restate.workflow({
  name: "DataPreparation",
  handlers: {
    /** Prepares the data, which takes so many seconds; gives its URL. */
    run: async (ctx: restate.WorkflowContext, seconds: number): Promise<string> => {
      await ctx.sleep({ seconds });
      const url = await ctx.run("upload", () => `https://data.example.com/${ctx.key}`);
      await ctx.promise<string>("url").resolve(url);
      // Somebody who gave up waiting has left an address.
      const address = await ctx.promise<string>("mail").peek();
      if (address !== undefined) {
        await ctx.run("mail", () => console.log(`mail to ${address}: your data is at ${url}`));
      }
      return url;
    },

    /**
     * Asks for an e-mail when the data is there; gives its URL if it is there already. The run looks
     * at the two promises the other way round, so none of the two can miss the other.
     */
    mailInstead: async (ctx: restate.WorkflowSharedContext, address: string) => {
      await ctx.promise<string>("mail").resolve(address);
      return (await ctx.promise<string>("url").peek()) ?? null;
    },
  },
});

/** What a web server would do for a request. */
async function prepare(user: string, seconds: number) {
  const ingress = clients.connect({ url: process.env.INGRESS ?? "http://localhost:8080" });
  const preparation = ingress.workflowClient(dataPreparation, user);
  await preparation.workflowSubmit(seconds);
  const wait = Number(process.env.WAIT_SECONDS ?? WAIT_SECONDS) * 1000;
  const url = await Promise.race([preparation.workflowAttach(), later(wait)]);
  if (url !== undefined) {
    console.log(`the data is at ${url}`);
  } else {
    const done = await preparation.mailInstead(`${user}@example.com`);
    console.log(done === null ? "this takes longer; you will get a mail" : `the data is at ${done}`);
  }
}

const later = (ms: number) => new Promise<undefined>((done) => setTimeout(done, ms));

const [command, user, seconds] = process.argv.slice(2);
if (command === "prepare" && user !== undefined) {
  await prepare(user, Number(seconds));
  process.exit();
} else {
  await restate.serve({ services: [dataPreparation], port: Number(process.env.PORT ?? 9080) });
}

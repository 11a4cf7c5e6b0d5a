// Payments whose provider answers at once, or later through a webhook.
//
//     npx tsx payments.ts
//     curl localhost:9070/deployments --json '{"uri": "http://localhost:9080"}'
//     curl localhost:8080/Payments/pay --json '{"card": "good", "cents": 1200}' -H 'idempotency-key: o1'
//     curl localhost:8080/Payments/pay --json '{"card": "slow", "cents": 1200}' -H 'idempotency-key: o2' &
//     # what the provider would send, with the reference that was printed:
//     curl localhost:8080/Payments/webhook --json '{"reference": "sign_1…", "status": "paid"}'
//
// The caller waits in both cases, and need not know which it was. Asking again with the same
// idempotency key waits for the same payment.

import * as restate from "@restatedev/restate-sdk";

/** How long a provider may take. */
const WEBHOOK_LIMIT = { hours: 24 };

type Payment = { card: string; cents: number };
/** "pending": the answer comes through the webhook. */
type Status = "paid" | "declined" | "pending";
type Webhook = { reference: string; status: Status };

const payments = restate.service({
  name: "Payments",
  handlers: {
    /** Pays, and gives a receipt. */
    pay: async (ctx: restate.Context, payment: Payment): Promise<string> => {
      // Made before the provider is asked: its answer may be faster than our next step.
      const answer = ctx.awakeable<Status>();
      const asked = await ctx.run("ask the provider", () => ask(payment, answer.id), {
        maxRetryAttempts: 10,
      });
      const status = asked === "pending" ? await inTime(answer.promise) : asked;
      if (status !== "paid") {
        throw new restate.TerminalError("the card was declined", { errorCode: 402 });
      }
      return `paid ${payment.cents} cents`;
    },

    /** Where the provider sends its answers. */
    webhook: async (ctx: restate.Context, { reference, status }: Webhook) => {
      ctx.resolveAwakeable(reference, status);
    },
  },
});

async function inTime(answer: restate.RestatePromise<Status>): Promise<Status> {
  try {
    return await answer.orTimeout(WEBHOOK_LIMIT);
  } catch (error) {
    if (error instanceof restate.TimeoutError) {
      throw new restate.TerminalError("the provider never answered", { errorCode: 504 });
    }
    throw error;
  }
}

/** Stands for the API of a payment provider. */
async function ask(payment: Payment, reference: string): Promise<Status> {
  switch (payment.card) {
    case "good":
      return "paid";
    case "slow":
      console.log(`pending ${reference}`);
      return "pending";
    default:
      return "declined";
  }
}

await restate.serve({ services: [payments], port: Number(process.env.PORT ?? 9080) });

// Fan-out and fan-in: a task is cut into pieces, all are worked on at once, and what came of them
// is put together.
//
//     npx tsx fan-out.ts
//     curl localhost:9070/deployments --json '{"uri": "http://localhost:9080"}'
//     curl localhost:8080/WordCount/count --json '["to be or not", "to be"]'
//
// Each piece is a call of its own: it is retried alone, on any process, and done once.

import * as restate from "@restatedev/restate-sdk";

type Counts = Record<string, number>;

const pieces = restate.service({
  name: "Piece",
  handlers: {
    /** Counts the words of one text. */
    count: async (_ctx: restate.Context, text: string): Promise<Counts> => {
      const counts: Counts = {};
      for (const word of text.toLowerCase().split(/\s+/).filter(Boolean)) {
        counts[word] = (counts[word] ?? 0) + 1;
      }
      return counts;
    },
  },
  // Only other handlers may call it.
  options: { ingressPrivate: true },
});

const wordCount = restate.service({
  name: "WordCount",
  handlers: {
    /** Counts the words of many texts. */
    count: async (ctx: restate.Context, texts: string[]): Promise<Counts> => {
      const counting = texts.map((text) => ctx.serviceClient(pieces).count(text));
      const all: Counts = {};
      for (const counts of await restate.RestatePromise.all(counting)) {
        for (const [word, count] of Object.entries(counts)) {
          all[word] = (all[word] ?? 0) + count;
        }
      }
      return all;
    },
  },
});

await restate.serve({ services: [wordCount, pieces], port: Number(process.env.PORT ?? 9080) });

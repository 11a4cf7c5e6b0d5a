"""Fan-out and fan-in: a task is cut into pieces, all are worked on at once, and what came of them
is put together.

    python fan_out.py
    curl localhost:9070/deployments --json '{"uri": "http://localhost:9080"}'
    curl localhost:8080/WordCount/count --json '["to be or not", "to be"]'

Each piece is a call of its own: it is retried alone, on any process, and done once.
"""

import asyncio
import os
from collections import Counter

import hypercorn.asyncio
import restate
from restate import Context

word_count = restate.Service("WordCount")


@word_count.handler()
async def count(ctx: Context, texts: list[str]) -> dict[str, int]:
    """Counts the words of many texts."""
    counting = [ctx.service_call(count_one, text) for text in texts]
    words: Counter[str] = Counter()
    for counted in await restate.gather(*counting):
        words.update(await counted)
    return dict(words)


# Only other handlers may call it.
@word_count.handler(ingress_private=True)
async def count_one(ctx: Context, text: str) -> dict[str, int]:
    """Counts the words of one text."""
    return dict(Counter(text.lower().split()))


app = restate.app([word_count])

if __name__ == "__main__":
    config = hypercorn.Config()
    config.bind = [f"localhost:{os.environ.get('PORT', '9080')}"]
    asyncio.run(hypercorn.asyncio.serve(app, config))

"""From sync to async: a client waits for a result, but not for ever; then it asks for an e-mail.

    python sync_to_async.py
    curl localhost:9070/deployments --json '{"uri": "http://localhost:9080"}'
    python sync_to_async.py prepare ada 5      # takes 5 s: a URL
    python sync_to_async.py prepare grace 60   # takes longer: mail

The workflow is started by an id of the client's, so asking again finds the same one.
"""

import asyncio
import os
import sys
from datetime import timedelta
from typing import Optional

import httpx
import hypercorn.asyncio
import restate
from restate import WorkflowContext, WorkflowSharedContext

#: How long the client waits; WAIT_SECONDS overrides it.
WAIT_SECONDS = 30

data_preparation = restate.Workflow("DataPreparation")


@data_preparation.main()
async def run(ctx: WorkflowContext, seconds: int) -> str:
    """Prepares the data, which takes so many seconds; gives its URL."""
    await ctx.sleep(timedelta(seconds=seconds))
    url = await ctx.run_typed("upload", lambda: f"https://data.example.com/{ctx.key()}")
    await ctx.promise("url", type_hint=str).resolve(url)
    # Somebody who gave up waiting has left an address.
    address = await ctx.promise("mail", type_hint=str).peek()
    if address is not None:
        text = f"mail to {address}: your data is at {url}"
        await ctx.run_typed("mail", lambda: print(text, flush=True))
    return url


@data_preparation.handler()
async def mail_instead(ctx: WorkflowSharedContext, address: str) -> Optional[str]:
    """Asks for an e-mail when the data is there; gives its URL if it is there already.

    The run looks at the two promises the other way round, so none of the two can miss the other.
    """
    await ctx.promise("mail", type_hint=str).resolve(address)
    return await ctx.promise("url", type_hint=str).peek()


async def prepare(user: str, seconds: int) -> None:
    """What a web server would do for a request."""
    ingress = os.environ.get("INGRESS", "http://localhost:8080")
    wait = float(os.environ.get("WAIT_SECONDS", WAIT_SECONDS))
    async with restate.create_client(ingress) as client, httpx.AsyncClient() as http:
        await client.workflow_send(run, user, seconds)
        attach = f"{ingress}/restate/workflow/DataPreparation/{user}/attach"
        try:
            answer = await http.get(attach, timeout=wait)
            print(f"the data is at {answer.raise_for_status().json()}")
        except httpx.TimeoutException:
            url = await client.workflow_call(mail_instead, user, f"{user}@example.com")
            print(f"the data is at {url}" if url else "this takes longer; you will get a mail")


app = restate.app([data_preparation])

if __name__ == "__main__":
    match sys.argv[1:]:
        case ["prepare", user, seconds]:
            asyncio.run(prepare(user, int(seconds)))
        case _:
            config = hypercorn.Config()
            config.bind = [f"localhost:{os.environ.get('PORT', '9080')}"]
            asyncio.run(hypercorn.asyncio.serve(app, config))

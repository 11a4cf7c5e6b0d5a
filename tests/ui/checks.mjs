// The walk through the pages, in order: each check begins where it likes, on a server that the ones
// before have used. A check throws what is wrong, in words.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { strict as assert } from "node:assert";
import { eventually, require } from "./world.mjs";

/** @typedef {import("./world.mjs").World} World */

/** Goes to a page, anew. */
async function open(world, page, where) {
  await page.goto("about:blank");
  await page.goto(world.at(where));
  await page.locator("main h1").first().waitFor();
}

const text = (page, what) => page.getByText(what, { exact: false }).first().waitFor();
const button = (page, name) => page.getByRole("button", { name, exact: true });
const dialog = (page) => page.locator("dialog[open]");

/** Whether the page has no serious fault, and is not wider than the window. */
async function sound(page, where) {
  const source = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
  await page.evaluate(source);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  const serious = violations.filter((one) => ["serious", "critical"].includes(one.impact));
  assert.deepEqual(serious.map((one) => `${one.id}: ${one.help}: ${one.nodes.slice(0, 3).map((node) => `${node.html.slice(0, 160)} (${node.any[0]?.message ?? ""})`).join(" | ")}`), [], `axe has found faults at ${where}`);
  const beyond = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(beyond <= 0, `${where} is ${beyond} px wider than the window`);
}

/** @type {[string, (world: World, page: import("playwright-core").Page) => Promise<void>][]} */
export const checks = [
  ["an empty server teaches what to do, and / leads to it", async (world, page) => {
    await page.goto(world.admin);
    assert.match(page.url(), /\/ui\/$/);
    await text(page, "latchwork deployments register http://localhost:9080");
    await sound(page, "the empty overview");
    for (const where of ["invocations", "services", "deployments", "state"]) {
      await open(world, page, where);
      await page.locator(".empty h2").waitFor();
    }
  }],
  ["a deployment is looked at, registered, and its services are listed", async (world, page) => {
    await open(world, page, "deployments");
    await page.getByRole("link", { name: "Register" }).click();
    await dialog(page).getByLabel("Address").fill("http://127.0.0.1:1");
    await button(page, "Register").click();
    await dialog(page).getByRole("alert").waitFor();
    await dialog(page).getByLabel("Address").fill(world.handlers);
    await button(page, "Look first").click();
    await dialog(page).getByText("Orders (2)").waitFor();
    await button(page, "Register").click();
    await page.waitForURL(/#\/deployments\/dp_/);
    await page.getByRole("heading", { name: world.handlers }).waitFor();
    await open(world, page, "services");
    for (const name of ["Orders", "Stock", "Shipping"]) await page.getByRole("link", { name, exact: true }).waitFor();
  }],
  ["the playground calls with a form, and leads to the invocation", async (world, page) => {
    await open(world, page, "services/Orders/place");
    await page.getByLabel("customer").fill("Grace");
    await page.getByLabel("items").fill("3");
    await button(page, "Call").click();
    await page.getByLabel("Answer").getByText("receipt-Grace").waitFor();
    await page.getByRole("link", { name: "Follow the invocation" }).click();
    await page.waitForURL(/#\/invocations\/inv_/);
    await page.getByRole("heading", { name: /Orders\/place.*succeeded/ }).waitFor();
    await page.getByRole("button", { name: /^Call Payment\/charge/ }).waitFor();
  }],
  ["the playground sends, and what it gives to copy works elsewhere", async (world, page) => {
    await open(world, page, "services/Stock/add");
    await page.getByLabel("Key", { exact: false }).first().fill("copy/me");
    await page.getByLabel("Input as JSON").fill("7");
    const curl = await page.locator(".value pre").first().innerText();
    assert.match(curl, /^curl 'http.*\/Stock\/copy%2Fme\/add'/);
    assert.equal(execFileSync("bash", ["-c", `${curl.replace("curl ", "curl -s ")}`], { encoding: "utf8" }), "7");
    await button(page, "TypeScript").click();
    await text(page, '.objectClient({ name: "Stock" }, "copy/me")');
    await button(page, "Send").first().click();
    await page.getByLabel("Idempotency key", { exact: false }).fill("once");
    await page.locator("form").getByRole("button", { name: "Send" }).click();
    await page.getByLabel("Answer").getByText("Accepted").waitFor();
    await eventually(async () => (await world.ask("GET", "/services/Stock/state/copy%2Fme")).state.left === "14", "both adds are done");
  }],
  ["the overview moves by itself", async (world, page) => {
    await open(world, page, "");
    await page.locator(".live:not(.off)").waitFor();
    const completed = page.getByRole("link", { name: /completed/ }).locator(".big");
    const before = Number(await eventually(async () => /^\d+$/.exec(await completed.innerText())?.[0], "completed invocations are counted"));
    for (let at = 0; at < 5; at += 1) await world.call("Stock/live/add", 1);
    await world.call("Orders/reject");
    await eventually(async () => Number((await completed.innerText()).replace(/\D/g, "")) >= before + 6, "the new ones are counted");
    const row = page.getByRole("row").filter({ hasText: "Orders/reject" });
    await row.getByText("(100 %)").waitFor();
    await page.locator(".chart path[class='f-ok'][d*='M']").first().waitFor();
    await sound(page, "the overview");
  }],
  ["filters are words and chips, and are kept in the address", async (world, page) => {
    await open(world, page, "invocations");
    const filter = page.getByRole("searchbox", { name: "Filter" });
    await filter.fill("servce:Orders");
    await filter.press("Enter");
    await page.getByRole("alert").getByText('There is no filter "servce"').waitFor();
    await filter.fill("service:Orders result:failure");
    await filter.press("Enter");
    await page.waitForURL(/service=Orders/);
    assert.match(page.url(), /result=failure/);
    const rows = page.locator("tbody tr");
    await eventually(async () => (await rows.count()) === 1, "one has failed");
    await page.reload();
    await eventually(async () => (await rows.count()) === 1, "the address keeps the filter");
    await button(page, "Remove result").click();
    await eventually(async () => (await rows.count()) > 1, "a chip can be removed");
    await filter.fill("text:Grace");
    await filter.press("Enter");
    await eventually(async () => (await rows.count()) === 1, "a text in the input finds one");
    await filter.fill("deployment:nowhere");
    await filter.press("Enter");
    await page.getByText("Nothing matches").waitFor();
  }],
  ["keys walk the list and open what is chosen; new ones come by themselves", async (world, page) => {
    await open(world, page, "invocations?service=Stock");
    const first = page.locator("#row-0");
    await first.waitFor();
    const id = await world.sent("Stock/keys/add", 1, "completed");
    await page.locator(`#row-0 a[href$="${id}"]`).first().waitFor();
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.waitForURL(new RegExp(id));
    await page.keyboard.press("g");
    await page.keyboard.press("o");
    await page.getByRole("heading", { name: "Overview" }).waitFor();
    await page.keyboard.press("Control+k");
    await page.keyboard.type("shiprun");
    await page.getByRole("option", { name: "Shipping/run" }).waitFor();
    await page.keyboard.press("Enter");
    await page.waitForURL(/services\/Shipping\/run/);
    await page.keyboard.press("?");
    await dialog(page).getByText("Go to anything").waitFor();
    await page.keyboard.press("Escape");
    await dialog(page).waitFor({ state: "hidden" });
  }],
  ["an invocation that waits says why, and is shown to end when it does", async (world, page) => {
    const { invocationId: id } = await world.call("Reminder/ask/send");
    await open(world, page, `invocations/${id}`);
    await button(page, "Cancel").waitFor();
    const why = page.getByLabel("Why it is not moving");
    const awakeable = await eventually(async () => {
      const found = await world.ask("GET", `/invocations/${id}/why`);
      return found.details.waits_for?.[0]?.id;
    }, "it waits for its awakeable");
    await why.getByText("awakeable").waitFor();
    await fetch(`${world.ingress}/restate/awakeables/${awakeable}/resolve`, { method: "POST", headers: { "content-type": "application/json" }, body: '"signed"' });
    await page.getByRole("heading", { name: /succeeded/ }).waitFor();
    await page.getByText('"signed"').first().waitFor();
    await sound(page, "an invocation");
  }],
  ["the timeline, the tree and the journal tell what happened", async (world, page) => {
    const id = await world.sent("Orders/place", { customer: "Edsger", items: 2 }, "completed");
    await open(world, page, `invocations/${id}`);
    const lane = page.getByRole("button", { name: /^Call Payment\/charge/ });
    assert.equal(await lane.locator("rect.critical").count(), 1, "the payment held up the end");
    assert.equal(await page.getByRole("button", { name: /^Call Stock\/small\/take/ }).locator("rect.critical").count(), 0, "the stock did not");
    await page.locator(".tree .critical").getByText("Payment/charge").waitFor();
    assert.equal(await page.locator(".tree .node").count(), 4);
    await lane.click();
    const entry = page.locator(".entry[open]");
    await entry.getByText('"receipt-Edsger"').waitFor();
    await entry.getByText('"amount"').waitFor();
    await entry.getByRole("button", { name: "Hex" }).first().click();
    await entry.getByText("000000  7b 22").waitFor();
    const kept = page.waitForEvent("download");
    await entry.getByRole("button", { name: "Keep this value as a file" }).first().click();
    assert.equal(JSON.parse(readFileSync(await (await kept).path(), "utf8")).customer, "Edsger");
  }],
  ["one that fails shows its failure, is paused and resumed", async (world, page) => {
    const id = await world.sent("Payment/charge", { customer: "Broke", amount: 1 }, "backing-off");
    await open(world, page, `invocations/${id}`);
    await page.getByText("card declined: no funds for Broke").first().waitFor();
    await page.getByText("Stack trace").click();
    await page.getByText("handlers.mjs").first().waitFor();
    await button(page, "Pause").click();
    await page.getByRole("heading", { name: /paused/ }).waitFor();
    await button(page, "Resume").click();
    await dialog(page).getByLabel("Deployment").selectOption("keep");
    await dialog(page).getByRole("button", { name: "Resume" }).click();
    await page.getByRole("heading", { name: /backing off/ }).waitFor();
    await button(page, "Kill").click();
    await dialog(page).getByRole("button", { name: "Kill" }).click();
    await page.getByRole("heading", { name: /failed/ }).waitFor();
  }],
  ["it is restarted from an entry of its journal", async (world, page) => {
    const id = await world.sent("Orders/place", { customer: "Barbara", items: 1 }, "completed");
    await open(world, page, `invocations/${id}`);
    await page.getByRole("button", { name: /^Sleep/ }).click();
    await page.locator(".entry[open]").getByRole("button", { name: "Restart from here" }).click();
    await dialog(page).getByText("the first 4 commands").waitFor();
    await dialog(page).getByRole("button", { name: "Restart from here" }).click();
    await page.waitForURL((url) => url.hash.includes("inv_") && !url.hash.includes(id));
    await page.getByText("restarted from").waitFor();
    await page.getByRole("heading", { name: /succeeded/ }).waitFor();
    const [row] = await world.sql(`SELECT restarted_from FROM sys_invocation WHERE id = '${page.url().split("/").at(-1)}'`);
    assert.equal(row.restarted_from, id);
    const kept = await world.sql(`SELECT id FROM sys_invocation WHERE target = 'Payment/charge' AND invoked_by_id = '${page.url().split("/").at(-1)}'`);
    assert.equal(kept.length, 0, "what was recorded is not done again");
  }],
  ["many are cancelled at once, counted before and told of after", async (world, page) => {
    await Promise.all(Array.from({ length: 60 }, () => world.call("Reminder/wait/send", 3600)));
    await open(world, page, "invocations?service=Reminder&handler=wait");
    await text(page, "60 invocations");
    await page.getByLabel("Pick all that are shown").check();
    await button(page, "Pick all 60 that match").click();
    await page.getByRole("region", { name: "For what is picked" }).getByRole("button", { name: "Cancel" }).click();
    const act = dialog(page).getByRole("button", { name: "Cancel 60 invocations" });
    await sound(page, "the question before many are cancelled");
    await act.click();
    await text(page, "60 invocations asked to stop");
    await eventually(async () => {
      const [{ n }] = await world.sql("SELECT COUNT(*) AS n FROM sys_invocation WHERE target = 'Reminder/wait' AND completion_result = 'failure'");
      return n === 60;
    }, "all 60 have ended");
    await page.locator("tbody .t-bad").nth(49).waitFor();
    // Those that are over cannot be cancelled: what is refused is told.
    await page.getByLabel("Pick all that are shown").check();
    await page.getByRole("region", { name: "For what is picked" }).getByRole("button", { name: "Cancel" }).click();
    await dialog(page).getByRole("button", { name: "Cancel 50 invocations" }).click();
    await dialog(page).getByText("50 refused").waitFor();
    await dialog(page).getByText("it is over").first().waitFor();
  }],
  ["older ones are a press away, and none is shown twice", async (world, page) => {
    await open(world, page, "invocations?service=Reminder&handler=wait");
    const rows = page.locator("tbody tr");
    await eventually(async () => (await rows.count()) === 50, "a page is shown");
    await page.getByRole("button", { name: "Show 50 older" }).click();
    await eventually(async () => (await rows.count()) === 60, "the rest is shown");
    const ids = await page.locator("tbody td:nth-child(3) a").evaluateAll((links) => links.map((link) => link.href));
    assert.equal(new Set(ids).size, 60);
  }],
  ["state is found, changed, and not overwritten when it has changed meanwhile", async (world, page) => {
    await world.call("Stock/shelf/add", 5);
    await open(world, page, "state/Stock");
    await page.getByRole("searchbox", { name: "Search keys" }).fill("SHEL");
    await page.getByRole("link", { name: /^shelf/ }).click();
    await button(page, "Edit left").click();
    await dialog(page).getByLabel("Value").fill("40");
    await dialog(page).getByRole("button", { name: "Save" }).click();
    await eventually(async () => (await world.ask("GET", "/services/Stock/state/shelf")).state.left === "40", "it is stored");
    assert.equal(await world.call("Stock/shelf/add", 2), 42);
    await page.getByText("42").first().waitFor();
    await button(page, "Edit left").click();
    await dialog(page).getByLabel("Value").fill("{broken");
    await dialog(page).getByText("This is no JSON").waitFor();
    await dialog(page).getByLabel("Value").fill("1");
    assert.equal(await world.call("Stock/shelf/add", 8), 50);
    await dialog(page).getByRole("button", { name: "Save" }).click();
    await dialog(page).getByText("read it again").waitFor();
    await dialog(page).getByText("What is there now").waitFor();
    assert.equal((await world.ask("GET", "/services/Stock/state/shelf")).state.left, "50");
    await dialog(page).getByRole("button", { name: "Save over it" }).click();
    await eventually(async () => (await world.ask("GET", "/services/Stock/state/shelf")).state.left === "1", "it is stored over theirs");
  }],
  ["settings of a service are changed and reset", async (world, page) => {
    await open(world, page, "services/Mail");
    await page.getByLabel("journal retention").fill("two days");
    await button(page, "Save").click();
    await page.getByRole("alert").waitFor();
    await page.getByLabel("journal retention").fill("2d");
    await page.getByLabel("retry: max attempts").fill("7");
    await button(page, "Save").click();
    await eventually(async () => {
      const { in_force: now } = await world.ask("GET", "/services/Mail");
      return now.journal_retention.value === "2d" && now["retry_policy.max_attempts"].value === 7;
    }, "both are in force");
    await button(page, "Reset").first().click();
    await eventually(async () => (await world.ask("GET", "/services/Mail")).in_force.journal_retention.source !== "operator", "it is reset");
  }],
  ["SQL: completion, rows, words for mistakes, history, and a file", async (world, page) => {
    await open(world, page, "sql");
    const area = page.getByLabel("Statement");
    await area.fill("");
    await area.pressSequentially("SELECT target, stat");
    await page.getByRole("option", { name: "status" }).first().waitFor();
    await area.fill("SELECT target, statu FROM sys_invocation");
    await area.press("Control+Enter");
    await page.getByRole("alert").getByText("did you mean status").waitFor();
    await area.fill("SELECT target, '=1+1' AS text, COUNT(*) AS n FROM sys_invocation GROUP BY target ORDER BY target");
    await area.press("Control+Enter");
    await page.getByRole("region", { name: "Result" }).getByText("Mail/send").waitFor();
    assert.match(page.url(), /sql\?q=SELECT/);
    const kept = page.waitForEvent("download");
    await button(page, "CSV").click();
    const csv = readFileSync(await (await kept).path(), "utf8").split("\r\n");
    assert.equal(csv[0], "target,text,n");
    assert.match(csv[1], /^Mail\/send,'=1\+1,\d+$/);
    await page.reload();
    await page.locator("optgroup[label='Asked before'] option").first().waitFor({ state: "attached" });
    await sound(page, "SQL");
  }],
  ["every page is sound in light and dark, wide, narrow and narrower", async (world) => {
    const id = await world.sent("Orders/place", { customer: "Tony", items: 2 }, "completed");
    const [{ id: deployment }] = (await world.ask("GET", "/deployments")).deployments;
    const pages = ["", "invocations", `invocations/${id}`, "services", "services/Stock", "services/Orders/place", "deployments", `deployments/${deployment}`, "state/Stock/shelf", "sql", "nowhere"];
    for (const look of [{ width: 1440, scheme: "dark" }, { width: 1440, scheme: "light" }, { width: 390, scheme: "light" }, { width: 360, scheme: "dark" }]) {
      const page = await world.page(look);
      for (const where of pages) {
        await open(world, page, where);
        await page.waitForFunction(() => !document.querySelector("[aria-busy]"));
        await sound(page, `#/${where} at ${look.width} px, ${look.scheme}`);
      }
      await page.context().close();
    }
  }],
  ["the answers carry a strict policy, and are asked for again only when they change", async (world) => {
    const first = await fetch(`${world.admin}/ui/app.js`);
    const policy = first.headers.get("content-security-policy");
    assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self';/);
    assert.doesNotMatch(policy, /unsafe/);
    assert.equal(first.headers.get("x-content-type-options"), "nosniff");
    const again = await fetch(`${world.admin}/ui/app.js`, { headers: { "if-none-match": first.headers.get("etag") } });
    assert.equal(again.status, 304);
  }],
  ["a server that asks for tokens asks for one in the page, and then all works with it", async (world) => {
    const own = await world.guarded();
    const page = await world.page({ own: [own.admin, own.ingress] });
    const sign = async (token) => {
      await page.getByLabel("Token").fill(token);
      await button(page, "Sign in").click();
    };
    await page.goto(`${own.admin}/ui/`);
    await page.getByRole("alert").getByText("a token is needed").waitFor();
    await sound(page, "the sign-in");
    await sign("lwk_wrong");
    await page.getByRole("alert").getByText("not known here").waitFor();
    await sign(own.tokens.viewer);
    await page.locator(".live:not(.off)").waitFor();
    // A viewer sees all, and is told what it cannot do.
    await page.goto(`${own.admin}/ui/#/deployments`);
    await page.getByRole("link", { name: "Register" }).first().click();
    await dialog(page).getByLabel("Address").fill(world.handlers);
    await button(page, "Register").click();
    await dialog(page).getByRole("alert").getByText("needs the role admin").waitFor();
    await page.keyboard.press("Escape");
    await button(page, "Sign out").click();
    await sign(own.tokens.admin);
    await page.getByRole("link", { name: "Register" }).first().click();
    await dialog(page).getByLabel("Address").fill(world.handlers);
    await button(page, "Register").click();
    await page.waitForURL(/#\/deployments\/dp_/);
    await page.goto(`${own.admin}/ui/#/services/Stock/add`);
    await page.getByLabel("Key", { exact: false }).first().fill("guarded");
    await page.getByLabel("Input as JSON").fill("7");
    assert.doesNotMatch(await page.locator(".value pre").first().innerText(), /lwk_/);
    await button(page, "Call").click();
    await page.getByLabel("Answer").getByText("7").waitFor();
    assert.deepEqual(await page.context().cookies(), []);
    await page.context().close();
  }],
  ["a deployment that is needed is removed only after a warning", async (world, page) => {
    await world.sent("Reminder/wait", 3600);
    const [{ id }] = (await world.ask("GET", "/deployments")).deployments;
    await open(world, page, `deployments/${id}`);
    await button(page, "Remove").click();
    await dialog(page).getByText("unfinished invocation").waitFor();
    await dialog(page).getByRole("button", { name: "Remove all the same" }).click();
    await page.getByText("No deployments yet").waitFor();
  }],
  ["when the server is gone, the page says so", async (world, page) => {
    await open(world, page, "services");
    await world.programs[0].stop();
    await page.getByText("The server does not answer").first().waitFor();
    world.faults = world.faults.filter((fault) => !/ERR_|Failed to load/.test(fault));
  }],
];

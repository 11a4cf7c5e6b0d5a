// The walk: types and sizes first, then every page in a browser. Ends with a line of counts.
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { checks } from "./checks.mjs";
import { files } from "./files.mjs";
import { cache, here, World } from "./world.mjs";

const { values } = parseArgs({ options: { cmd: { type: "string" }, k: { type: "string", short: "k", default: "" }, keep: { type: "boolean" }, files: { type: "boolean" } } });
if (!values.cmd && !values.files) {
  console.error("usage: tests/ui/run --cmd 'COMMAND that starts the server' [-k WORDS] [--keep]\n       tests/ui/run --files");
  process.exit(2);
}

const count = { passed: 0, failed: 0, skipped: 0 };

/** Does one check, and says what came of it. */
async function check(title, run) {
  const began = Date.now();
  try {
    await run();
    count.passed += 1;
    console.log(`pass  ${title}  (${((Date.now() - began) / 1000).toFixed(2)} s)`);
    return true;
  } catch (error) {
    count.failed += 1;
    console.log(`FAIL  ${title}\n      ${String(error.message ?? error).replaceAll("\n", "\n      ")}`);
    return false;
  }
}

const wanted = (title) => title.includes(values.k);

if (wanted("types")) {
  await check("types: tsc finds no fault in ui/", () => {
    const tsc = join(cache, "node_modules/.bin/tsc");
    try {
      execFileSync(tsc, ["-p", join(here, "tsconfig.json")], { encoding: "utf8" });
    } catch (error) {
      throw new Error(error.stdout || error.message);
    }
  });
}
for (const [title, run] of files) if (wanted(title)) await check(title, run);

const browsed = values.files ? [] : checks.filter(([title]) => wanted(title));
const chromium = process.env.CHROMIUM;
if (browsed.length > 0 && !(chromium && existsSync(chromium))) {
  count.skipped += browsed.length;
  console.log(`skip  ${browsed.length} checks: there is no Chromium; install one, or say with CHROMIUM where it is`);
} else if (browsed.length > 0) {
  const folder = mkdtempSync(join(tmpdir(), "latchwork-ui-"));
  // A relative command counts from where we were started.
  const [program, ...args] = values.cmd.split(/\s+/);
  const world = new World([program.includes("/") ? resolve(program) : program, ...args], folder);
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => world.stop().finally(() => process.exit(143)));
  let page;
  try {
    await world.start(chromium);
    page = await world.page();
    for (const [title, run] of browsed) {
      const fine = await check(title, async () => {
        await run(world, page);
        if (world.faults.length > 0) throw new Error(world.faults.splice(0).join("\n"));
      });
      if (!fine) await page.screenshot({ path: join(folder, `${title.replace(/\W+/g, "-")}.png`) }).catch(() => {});
    }
  } catch (error) {
    count.failed += 1;
    console.log(`FAIL  server, handlers and browser start\n      ${error.message}`);
  } finally {
    await world.stop();
  }
  if (count.failed > 0 || values.keep) console.log(`data, logs and screenshots are in ${folder}`);
  else rmSync(folder, { recursive: true, force: true });
}
console.log(`ui: ${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
process.exit(count.failed > 0 ? 1 : 0);

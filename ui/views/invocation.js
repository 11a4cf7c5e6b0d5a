// One invocation: how it stands and why, its timeline, what it called, its journal, and what can be
// done with it.
import { html, useEffect, useRef, useSignal } from "../vendor/index.js";
import { ACTIONS, operate } from "../parts/actions.js";
import { ApiError, get, part, quote, sql } from "../parts/api.js";
import { Icon } from "../parts/icons.js";
import { keys } from "../parts/keys.js";
import { steps as read, values } from "../parts/journal.js";
import { Show, useLoad } from "../parts/load.js";
import { go, to, toInvocation } from "../parts/route.js";
import { attempt, Dialog, confirm, say, words } from "../parts/say.js";
import { Status } from "../parts/status.js";
import { Ago, clock, counted, duration, Moment, ms, now, zone } from "../parts/time.js";
import { Copy, Value } from "../parts/value.js";
import { Timeline } from "./timeline.js";
import { Tree } from "./tree.js";

/** @typedef {import("../parts/journal.js").Step} Step */
/** @typedef {{ row: any, steps: Step[], why?: any }} Seen */

/** Between two looks at one that is not over, in ms: at one id, which costs next to nothing. */
const AGAIN = 1000;
/** Entries that are shown at once. */
const ENTRIES = 300;

/** @param {{ id: string }} props */
export function Invocation({ id }) {
  const before = useRef(/** @type {{ id: string, mark: string, steps: Step[] }} */ ({ id: "", mark: "", steps: [] }));
  const seen = useLoad(async (stop) => {
    const [row] = await sql(`SELECT * FROM sys_invocation WHERE id = ${quote(id)}`, stop);
    if (!row) throw new ApiError(404, `There is no invocation ${id}: it never was, or its retention is over.`);
    // A journal that has not grown need not be read again.
    const mark = `${row.journal_size} ${row.modified_at}`;
    if (before.current.id !== id || before.current.mark !== mark) {
      const { entries } = await get(`/invocations/${part(id)}/journal`, stop);
      before.current = { id, mark, steps: read(entries) };
    }
    const why = row.status === "completed" ? undefined : await get(`/invocations/${part(id)}/why`, stop).catch(() => undefined);
    return /** @type {Seen} */ ({ row, steps: before.current.steps, why });
  }, [id], (value) => (value?.row.status === "completed" ? 0 : AGAIN));
  return html`<div class="crumb"><a href="#/invocations">Invocations</a> / <span class="mono cut">${id}</span><${Copy} text=${id} plain label="Copy the id" /></div>
    <${Show} of=${seen} lines=${10}>${(/** @type {Seen} */ value) => html`<${Page} ...${value} again=${seen.again} mark=${before.current.mark} />`}</${Show}>`;
}

/** @param {Seen & { again: () => Promise<void>, mark: string }} props */
function Page({ row, steps, why, again, mark }) {
  const open = useSignal(-1);
  const pick = (index) => {
    open.value = index;
    requestAnimationFrame(() => document.getElementById(`entry-${index}`)?.scrollIntoView({ block: "center" }));
  };
  const over = row.completed_at ? ms(row.completed_at) : undefined;
  const begin = ms(row.created_at);
  const service = to(["services", row.target_service_name, row.target_handler_name]);
  const at = over ?? now.value;
  return html`
  <div class="head"><div class="grow"><h1 class="row"><a href=${service}>${row.target}</a> <${Status} of=${row} /></h1>
      <p class="sub">Accepted <${Ago} at=${begin} />, ${over ? html`took <b>${duration(over - begin)}</b>` : html`so far <b>${duration(Math.max(at - begin, 0))}</b>`}${row.invoked_by_target && html`, called by <a class="text" href=${toInvocation(row.invoked_by_id)}>${row.invoked_by_target}</a>`}${row.restarted_from && html`, restarted from <a class="text" href=${toInvocation(row.restarted_from)}>another one</a>`}</p></div>
    <${Buttons} row=${row} again=${again} /></div>
  <div class="stack">
    ${why && html`<${Why} why=${why} />`}
    <${Failure} row=${row} />
    <${Timeline} row=${row} steps=${steps} now=${at} on=${open.value} pick=${pick} />
    <div class="two"><${InOut} row=${row} steps=${steps} /><${Facts} row=${row} /></div>
    <${Tree} row=${row} steps=${steps} now=${at} version=${mark} />
    <${Journal} row=${row} steps=${steps} open=${open} />
  </div>`;
}

/** @param {{ why: any }} props */
function Why({ why }) {
  const calm = ["running", "completed", "scheduled", "waiting_for_timer"].includes(why.reason);
  return html`<div class=${`note ${calm ? "" : "warn"}`} role="status" aria-label="Why it is not moving"><${Icon} name="info" /><div class="stack tight">
    <div>${linked(why.sentence)}</div>
    ${why.chain.length > 0 && html`<ol style=${{ margin: 0, paddingLeft: "18px" }}>${why.chain.map((link) => html`<li><a class="text" href=${toInvocation(link.id)}>${link.target}</a>: ${linked(link.sentence)}</li>`)}</ol>`}
    ${why.circle && html`<b>They wait for each other in a circle: one of them must be cancelled.</b>`}</div></div>`;
}

/** A text whose ids lead somewhere, with times as they are here. @param {string} text */
const linked = (text) => text.split(/(inv_[0-9A-Za-z]{20,}|\d{4}-\d\d-\d\dT[\d:.]+Z)/).map((word) => (
  word.startsWith("inv_") ? html`<a class="text mono" href=${toInvocation(word)}>${word.slice(0, 10)}…</a>` : /^\d{4}-.*Z$/.test(word) ? html`<${Moment} at=${word} />` : word));

/** @param {{ row: any }} props */
function Failure({ row }) {
  if (row.completion_failure) {
    return html`<div class="note bad"><${Icon} name="cross" /><div class="grow"><b>It ended with a failure.</b><pre>${row.completion_failure}</pre></div></div>`;
  }
  if (!row.last_failure) return null;
  const [first, ...trace] = row.last_failure.split("\n");
  const step = row.last_failure_related_command_name || row.last_failure_related_entry_name;
  return html`<div class="note bad"><${Icon} name="alert" /><div class="grow stack tight"><div><b>The last attempt failed${step ? ` in ${step}` : ""}</b> (${counted(row.retry_count ?? 1, "attempt")} since the last progress)<pre>${first}</pre></div>
    ${trace.length > 0 && html`<details><summary class="soft">Stack trace</summary><pre class="small">${trace.join("\n")}</pre></details>`}
    ${row.mismatch_expected && html`<dl class="facts"><dt>The journal has</dt><dd class="mono">${row.mismatch_expected}</dd><dt>The code did</dt>
      <dd class="mono">${row.mismatch_found}</dd></dl>`}</div></div>`;
}

/** @param {{ row: any, again: () => Promise<void> }} props */
function Buttons({ row, again }) {
  const asks = useSignal("");
  const fitting = ACTIONS.filter((action) => action.fits(row.status));
  const run = (/** @type {import("../parts/actions.js").Action} */ action) => {
    if (action.name === "resume" || action.name === "restart-as-new") {
      asks.value = action.name;
      return;
    }
    if (!action.danger) {
      attempt(async () => {
        await operate(row.id, action.name);
        say(`${row.target} ${action.done}`);
        await again();
      });
      return;
    }
    confirm({
      title: `${action.word} ${row.target}?`, text: action.means, act: action.word, danger: true,
      run: async () => {
        await operate(row.id, action.name);
        say(`${row.target} ${action.done}`);
        if (action.name === "purge") go("#/invocations");
        else await again();
      },
    });
  };
  useEffect(() => keys({ c: () => fitting.filter((one) => one.name === "cancel").forEach(run), r: () => fitting.filter((one) => ["resume", "restart-as-new"].includes(one.name)).forEach(run) }), [row.status]);
  return html`<div class="row">${fitting.map((action) => html`<button class=${`button ${action.danger ? "danger" : ""}`} title=${action.means} onClick=${() => run(action)}><${Icon} name=${action.icon} />${action.word}</button>`)}
    ${asks.value && html`<${Choice} row=${row} action=${asks.value} from=${0} close=${() => (asks.value = "")} again=${again} />`}</div>`;
}

/**
 * Where it goes on: the choice of a deployment.
 * @param {{ row: any, action: string, from: number, close: () => void, again?: () => Promise<void> }} props
 */
function Choice({ row, action, from, close, again }) {
  const deployments = useLoad(() => get("/deployments"), []);
  const resumes = action === "resume";
  const chosen = useSignal(resumes ? "keep" : "latest");
  const error = useSignal("");
  const offers = (deployments.value?.deployments ?? []).filter((one) => one.services.some((service) => service.name === row.target_service_name));
  const run = async () => {
    error.value = "";
    try {
      const done = await operate(row.id, action, { deployment: chosen.value, from: from > 0 ? String(from) : undefined });
      close();
      if (done?.new_invocation_id) {
        say(html`Restarted as <a href=${toInvocation(done.new_invocation_id)}>a new invocation</a>`);
        go(toInvocation(done.new_invocation_id));
      } else {
        say(`${row.target} resumed`);
        await again?.();
      }
    } catch (reason) {
      error.value = words(reason);
    }
  };
  const title = resumes ? "Resume" : from > 0 ? "Restart from here" : "Restart as new";
  return html`<${Dialog} title=${title} close=${close} bottom=${html`<button class="button" onClick=${close}>Leave it</button>
    <button class="button main" onClick=${run}>${title}</button>`}>
    <p class="soft">${resumes ? "It goes on at once." : from > 0 ? `A new invocation begins with the first ${counted(from + 1, "command")} of this journal: what they recorded is not done again. This one stays as it is.` : "A new invocation begins with the same input. This one stays as it is."}</p>
    <label class="field"><span>Deployment</span><select value=${chosen.value} onChange=${(event) => (chosen.value = event.target.value)}>
      <option value="keep">Where it was</option><option value="latest">The newest</option>
      ${offers.map((one) => html`<option value=${one.id}>${one.uri ?? one.id} (${one.id})</option>`)}</select></label>
    ${error.value && html`<div class="note bad" role="alert"><${Icon} name="alert" />${error.value}</div>`}
  </${Dialog}>`;
}

/** @param {{ row: any, steps: Step[] }} props */
function InOut({ row, steps }) {
  const input = steps.find((step) => step.type === "Input");
  const output = steps.findLast((step) => step.type === "Output");
  const bytes = (/** @type {Step | undefined} */ step) => step && values(step).find((value) => value.bytes)?.bytes;
  const [given, gave] = [bytes(input), bytes(output)];
  return html`<section class="card"><header><h2>Input and output</h2></header><div class="pad stack">
    <div class="stack tight"><h3>Input</h3>${given ? html`<${Value} bytes=${given} name="input" />` : html`<p class="soft">It is no longer stored.</p>`}</div>
    <div class="stack tight"><h3>Output</h3>${gave ? html`<${Value} bytes=${gave} name="output" />` : html`<p class="soft">${row.status !== "completed" ? "There is none yet." : row.completion_failure ? "It ended with a failure." : "It is no longer stored."}</p>`}</div></div></section>`;
}

/** @param {{ row: any }} props */
function Facts({ row }) {
  /** @type {[string, any][]} */
  const facts = [
    ["Id", html`<span class="mono">${row.id}</span>`],
    ["Accepted", html`<${Moment} at=${row.created_at} />`],
    row.scheduled_start_at && ["Starts", html`<${Moment} at=${row.scheduled_start_at} />`],
    row.completed_at && ["Ended", html`<${Moment} at=${row.completed_at} />`],
    !row.completed_at && ["Last change", html`<${Moment} at=${row.modified_at} />`],
    row.next_retry_at && ["Next attempt", html`<${Moment} at=${row.next_retry_at} />`],
    row.last_start_at && ["Attempt began", html`<${Moment} at=${row.last_start_at} />`],
    ["Time zone", zone],
    row.idempotency_key && ["Idempotency key", html`<span class="mono">${row.idempotency_key}</span>`],
    row.target_service_key && ["Key", html`<a class="text mono" href=${to(["state", row.target_service_name, row.target_service_key])}>${row.target_service_key}</a>`],
    row.pinned_deployment_id && ["Deployment", html`<a class="text mono" href=${to(["deployments", row.pinned_deployment_id])}>${row.pinned_deployment_id}</a>`],
    row.last_attempt_server && ["SDK", row.last_attempt_server],
    ["Journal", `${counted(row.journal_size ?? 0, "entry", "entries")}, ${counted(row.journal_commands_size ?? 0, "command")}`],
    ["Kept for", `${iso(row.completion_retention)}, the journal ${iso(row.journal_retention)}`],
  ].filter(Boolean);
  return html`<section class="card"><header><h2>Facts</h2></header><dl class="facts pad">${facts.map(([name, value]) => html`<dt>${name}</dt>
    <dd>${value}</dd>`)}</dl></section>`;
}

/** A duration as SQL writes it: PT86400S. @param {string | undefined} text */
function iso(text) {
  const found = /^PT([\d.]+)S$/.exec(text ?? "");
  return found ? duration(Number(found[1]) * 1000) : text ?? "–";
}

/** @param {{ row: any, steps: Step[], open: Signal<number> }} props */
function Journal({ row, steps, open }) {
  const shown = useSignal(ENTRIES);
  const from = useSignal(-1);
  const wanted = Math.max(shown.value, steps.findIndex((step) => step.index === open.value) + 1);
  const seen = steps.slice(0, wanted);
  return html`<section class="card"><header><h2>Journal</h2><span class="soft">${counted(steps.length, "step")}</span></header>
    ${steps.length === 0 && html`<p class="pad soft">Its journal is no longer stored.</p>`}
    ${seen.map((step) => html`<details class="entry" key=${step.index} id=${`entry-${step.index}`} open=${open.value === step.index}>
      <summary><span class="faint num">${step.index}</span><span class="row tight kind"><${Icon} name=${step.icon} />${step.title}</span>
        <b class="cut what" style=${{ fontWeight: 550 }}>${step.name}</b>
        <span class="wide-only">${step.failed ? html`<${Status} of=${{ status: "failed" }} />` : step.waits && step.to === undefined ? html`<span class="tag">waits</span>` : ""}</span>
        <span class="num faint at" title=${clock(step.from)}>+${duration(step.from - ms(row.created_at))}</span></summary>
      <div class="inside">
        <div class="row soft small"><span>Recorded at ${clock(step.from)}</span>${step.waits && html`<span>${step.to === undefined ? `waits since ${duration(now.value - step.from)}` : `completed after ${duration(step.to - step.from)}`}</span>`}
          ${step.child && html`<a class="text" href=${toInvocation(step.child)}>Open ${step.name}</a>`}${step.due && html`<span>due at ${clock(step.due)}</span>`}
          <span class="grow" />${step.command > 0 && row.target_service_ty !== "workflow" && step.type !== "Output" && html`<button class="button" onClick=${() => (from.value = step.command - 1)}><${Icon} name="retry" />Restart from here</button>`}</div>
        ${values(step).map((value) => html`<div class="stack tight"><h3>${value.label}</h3>${value.failure ? html`<div class="note bad"><${Icon} name="cross" />
          <pre>[${value.failure.code}] ${value.failure.message}</pre></div>` : html`<${Value} bytes=${value.bytes} name=${`entry-${step.index}`} />`}</div>`)}
        ${step.fields?.headers?.length > 0 && html`<details><summary class="soft small">${counted(step.fields.headers.length, "header")}</summary>
          <dl class="facts small">${step.fields.headers.map((header) => html`<dt class="mono">${header.name}</dt><dd class="mono">${header.value}</dd>`)}</dl></details>`}
      </div></details>`)}
    ${seen.length < steps.length && html`<div class="pad"><button class="button" onClick=${() => (shown.value += ENTRIES)}>Show more</button></div>`}
    ${from.value >= 0 && html`<${Choice} row=${row} action="restart-as-new" from=${from.value} close=${() => (from.value = -1)} />`}
  </section>`;
}


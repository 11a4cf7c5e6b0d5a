// The timeline of an invocation: its steps on an axis of time, with what it waited for.
import { html, useRef, useSignal } from "../vendor/index.js";
import { useWidth } from "../parts/chart.js";
import { Icon } from "../parts/icons.js";
import { critical, isState } from "../parts/journal.js";
import { clock, counted, duration, ms } from "../parts/time.js";

/** @typedef {import("../parts/journal.js").Step} Step */

/** Steps that are drawn at once. */
const SHOWN = 200;

/**
 * @param {{ row: any, steps: Step[], now: number, on: number, pick: (index: number) => void }} props
 */
export function Timeline({ row, steps, now, on, pick }) {
  const withState = useSignal(false);
  const shownAll = useSignal(false);
  const squeezed = useSignal(/** @type {boolean | undefined} */ (undefined));
  const begin = ms(row.created_at);
  const over = row.completed_at ? ms(row.completed_at) : undefined;
  const next = row.next_retry_at && !over ? ms(row.next_retry_at) : undefined;
  const end = Math.max(over ?? Math.max(now, next ?? 0), begin + 1);
  const states = steps.filter(isState).length;
  const lanes = steps.filter((step) => withState.value || !isState(step));
  const shown = shownAll.value ? lanes : lanes.slice(0, SHOWN);
  const path = critical(steps, over ?? now);

  const edges = [begin, end, ...lanes.flatMap((step) => [step.from, step.to ?? end]), ...(over ? [] : [now])];
  // Where a step of milliseconds stands beside a sleep of an hour, true lengths show only the sleep.
  const uneven = tooUneven(edges, begin, end);
  const even = squeezed.value ?? uneven;
  const scale = even ? squeeze(edges, begin, end) : (at) => (at - begin) / (end - begin);

  return html`<section class="card timeline"><header><h2>Timeline</h2>
    <div class="row">
      ${states > 0 && html`<label class="row tight small soft"><input type="checkbox" checked=${withState.value} onChange=${() => (withState.value = !withState.value)} />${counted(states, "state access", "state accesses")}</label>`}
      <div class="seg" role="group" aria-label="Axis of time"><button aria-pressed=${!even} onClick=${() => (squeezed.value = false)}>True lengths</button>
        <button aria-pressed=${even} title="Long waits are drawn shorter" onClick=${() => (squeezed.value = true)}>Squeezed</button></div></div></header>
    <div style=${{ padding: "4px 0 10px" }}>
      <${Axis} begin=${begin} end=${end} scale=${scale} even=${even} edges=${edges} />
      <${Lane} icon="invocations" title="Invocation" name=${row.target} flat on=${false}>
        <${Whole} row=${row} steps=${steps} begin=${begin} end=${end} over=${over} now=${now} next=${next} scale=${scale} />
      </${Lane}>
      ${shown.map((step) => html`<${Lane} key=${step.index} icon=${step.icon} title=${step.title} name=${step.name} on=${on === step.index} pick=${() => pick(step.index)}>
        <${Bar} step=${step} scale=${scale} now=${Math.min(now, end)} critical=${path.has(step.index)} />
      </${Lane}>`)}
      ${shown.length < lanes.length && html`<div class="pad"><button class="button" onClick=${() => (shownAll.value = true)}>Show all ${counted(lanes.length, "step")}</button></div>`}
      ${steps.length <= 1 && html`<p class="pad soft">${row.journal_size === 0 ? "Its journal is no longer stored." : "No step is recorded yet."}</p>`}
    </div>
    <div class="pad legend" style=${{ borderTop: "1px solid var(--line)" }}>
      <span><i class="dot f-run" />running, called</span><span><i class="dot f-wait" />waiting</span><span><i class="dot f-warn" />retrying</span>
        <span><i class="dot f-ok" />succeeded</span><span><i class="dot f-bad" />failed</span>
      <span><i class="dot" style=${{ border: "1.5px solid var(--text)" }} />critical path: what the end waited for</span></div>
  </section>`;
}

/** @param {{ icon: string, title: string, name: string, on: boolean, flat?: boolean, pick?: () => void, children: any }} props */
function Lane({ icon, title, name, on, flat, pick, children }) {
  const inside = html`<span class="label"><${Icon} name=${icon} /><span class="cut">${name ? html`<span class="wide-only soft">${title} </span>
    <b style=${{ fontWeight: 550 }}>${name}</b>` : title}</span></span><span class="track">${children}</span>`;
  return flat ? html`<div class="lane flat">${inside}</div>`
    : html`<button class=${`lane ${on ? "on" : ""}`} title="Show this entry" onClick=${pick}>${inside}</button>`;
}

const percent = (share) => `${(share * 100).toFixed(3)}%`;

/** @param {{ step: Step, scale: (at: number) => number, now: number, critical: boolean }} props */
function Bar({ step, scale, now, critical: isCritical }) {
  const from = scale(step.from);
  const open = step.to === undefined;
  const to = scale(step.to ?? now);
  const told = `${step.title} ${step.name}: ${step.waits ? (open ? `since ${duration(now - step.from)}` : duration((step.to ?? 0) - step.from)) : "at once"}${step.failed ? ", failed" : ""}`;
  const tone = step.failed ? "bad" : step.type === "Run" && !open ? "ok" : step.tone;
  const mark = isCritical ? "critical" : "";
  return html`<svg role="img" aria-label=${told}><title>${told}, from ${clock(step.from)}</title>
    ${step.waits ? html`<rect class=${`f-${tone} ${mark} ${open ? "hatch" : ""}`} x=${percent(from)} y="7" height="12" width=${percent(Math.max(to - from, 0))} rx="3" />
      ${to - from < 0.004 && html`<rect class=${`f-${tone}`} x=${percent(from)} y="7" width="3" height="12" rx="1.5" />`}`
    : html`<circle class=${`f-${tone}`} cx=${percent(from)} cy="13" r="4" />`}
    ${step.due && open && html`<line x1=${percent(to)} x2="100%" y1="13" y2="13" stroke="var(--wait-fill)" stroke-width="2" stroke-dasharray="3 4" />`}
    ${step.waits && html`<text x=${percent(to > .8 ? from : to)} dx=${to > .8 ? -6 : 6} y="17" text-anchor=${to > .8 ? "end" : "start"}>${duration((step.to ?? now) - step.from)}${open ? "…" : ""}</text>`}
  </svg>`;
}

/** The invocation itself: from its beginning to its end, with what is known of its waits. */
/** @param {{ row: any, steps: Step[], begin: number, end: number, over?: number, now: number, next?: number, scale: (at: number) => number }} props */
function Whole({ row, steps, begin, end, over, now, next, scale }) {
  const first = steps.find((step) => step.index > 0)?.from ?? (over ?? (row.last_start_at ? ms(row.last_start_at) : undefined));
  const until = over ?? Math.min(now, end);
  const began = first ?? until;
  const failed = row.completion_result === "failure";
  const changed = ms(row.modified_at);
  const rests = { suspended: "wait", "backing-off": "warn", paused: "warn", pending: "idle", scheduled: "idle" }[/** @type {string} */ (row.status)];
  const active = rests ? Math.max(Math.min(changed, until), began) : until;
  const part = (/** @type {number} */ from, /** @type {number} */ to, /** @type {string} */ tone, /** @type {string} */ told) =>
    to > from && html`<rect class=${`f-${tone}`} x=${percent(scale(from))} y="9" height="8" width=${percent(scale(to) - scale(from))} rx="2"><title>${told}: ${duration(to - from)}</title></rect>`;
  return html`<svg role="img" aria-label=${`From ${clock(begin)}, for ${duration(until - begin)}`}>
    ${part(begin, began, "idle", "Before its first step")}
    ${part(began, active, over ? (failed ? "bad" : "ok") : "run", over ? "At work" : "At work, as far as is known")}
    ${rests && part(active, until, rests, row.status)}
    ${row.last_failure && !over && html`<g><title>An attempt failed at ${clock(changed)}: ${row.last_failure.split("\n")[0]}</title>
      <circle cx=${percent(scale(changed))} cy="13" r="6" fill="var(--bad-fill)" /><circle cx=${percent(scale(changed))} cy="13" r="2.2" fill="var(--panel)" /></g>`}
    ${next && html`<g><title>The next attempt is due at ${clock(next)}</title>
      <line x1=${percent(scale(now))} x2=${percent(scale(next))} y1="13" y2="13" stroke="var(--warn-fill)" stroke-width="2" stroke-dasharray="3 4" />
      <circle cx=${percent(scale(next))} cy="13" r="4.500" fill="var(--panel)" stroke="var(--warn-fill)" stroke-width="2" /></g>`}
  </svg>`;
}

/** @param {{ begin: number, end: number, scale: (at: number) => number, even: boolean, edges: number[] }} props */
function Axis({ begin, end, scale, even, edges }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const width = useWidth(box);
  const room = Math.max(Math.floor(width / 90), 1);
  const marks = even ? spread([...new Set(edges)].sort((a, b) => a - b), scale, room) : Array.from({ length: room + 1 }, (_, at) => begin + ((end - begin) * at) / room);
  return html`<div class="lane flat" style=${{ minHeight: "22px" }}><span class="label faint small" title="Time since it was accepted">since ${clock(begin).slice(0, 8)}</span>
    <span class="track" style=${{ height: "22px" }} ref=${box}><svg aria-hidden="true">
    ${marks.map((at, place) => html`<line class="grid" x1=${percent(scale(at))} x2=${percent(scale(at))} y1="16" y2="22" />
      <text x=${percent(scale(at))} y="12" text-anchor=${place === 0 ? "start" : scale(at) > .93 ? "end" : "middle"}>${at === begin ? "0" : `+${duration(at - begin)}`}</text>`)}</svg></span></div>`;
}

/** Those of some places that do not stand on each other. */
/** @param {number[]} places @param {(at: number) => number} scale @param {number} room */
function spread(places, scale, room) {
  let last = -1;
  return places.filter((at, index) => {
    const share = scale(at);
    const fits = share - last >= 1 / room && (index === places.length - 1 || 1 - share >= 0.5 / room);
    if (fits) last = share;
    return fits;
  });
}

/** Whether most of what happens would be drawn in the first few pixels. */
/** @param {number[]} edges @param {number} begin @param {number} end */
function tooUneven(edges, begin, end) {
  const places = [...new Set(edges)].sort((a, b) => a - b);
  const longest = Math.max(...places.slice(1).map((at, index) => at - places[index]), 0);
  return places.length > 3 && longest > 0.8 * (end - begin);
}

/**
 * An axis on which a wait ten times as long is only so much longer.
 * @param {number[]} edges @param {number} begin @param {number} end
 * @returns {(at: number) => number}
 */
function squeeze(edges, begin, end) {
  const places = [...new Set([begin, ...edges, end])].filter((at) => at >= begin && at <= end).sort((a, b) => a - b);
  const sums = [0];
  for (let at = 1; at < places.length; at += 1) sums.push(sums[at - 1] + Math.log2(2 + (places[at] - places[at - 1]) / 4));
  const total = sums[sums.length - 1] || 1;
  return (at) => {
    if (at <= begin) return 0;
    const after = places.findIndex((place) => place >= at);
    if (after <= 0) return after === 0 ? 0 : 1;
    const share = (at - places[after - 1]) / (places[after] - places[after - 1] || 1);
    return (sums[after - 1] + share * (sums[after] - sums[after - 1])) / total;
  };
}

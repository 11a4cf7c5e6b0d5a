// The invocations: filtered by words, in pages, with things to do for many at once.
import { html, signal, useEffect, useRef, useSignal } from "../vendor/index.js";
import { ACTIONS } from "../parts/actions.js";
import { ingress } from "../parts/api.js";
import { asked, chips, FILTERABLE, NAMES, parse, withTerms, without } from "../parts/filter.js";
import { Icon } from "../parts/icons.js";
import { keys } from "../parts/keys.js";
import { Bones, Trouble } from "../parts/load.js";
import { newest } from "../parts/pages.js";
import { go, route, to, toInvocation } from "../parts/route.js";
import { Status } from "../parts/status.js";
import { Ago, count, counted, duration, ms, now } from "../parts/time.js";
import { Command } from "../parts/value.js";
import { useLoad } from "../parts/load.js";
import { get } from "../parts/api.js";
import { Bulk } from "./bulk.js";

/** @typedef {import("../parts/pages.js").Row} Row */

const PAGE = 50;
/** Rows that the server gives at once. */
const AT_ONCE = 1000;
/** Between two looks, in ms; where a look takes long, so many times as long as it took. */
const AGAIN = 2500;
const TIMES = 10;

/** Before the first answer. @type {import("../parts/pages.js").Page & { more: boolean }} */
const NONE = { rows: [], matched: 0, looked: 0, done: false, more: false };

/** Filters that are asked for most. @type {[string, Record<string, string>][]} */
const VIEWS = [
  ["All", {}],
  ["Active", { status: "running,ready,suspended,backing-off,paused,pending,scheduled" }],
  ["Retrying", { status: "backing-off" }],
  ["Paused", { status: "paused" }],
  ["Failed", { status: "completed", result: "failure" }],
];

export function Invocations() {
  const query = route.value.query;
  const filter = query.toString();
  const list = useSignal(NONE);
  const error = useSignal(/** @type {Error | undefined} */ (undefined));
  const picked = useSignal(/** @type {Set<string>} */ (new Set()));
  const whole = useSignal(false);
  const at = useSignal(-1);
  const bulk = useSignal("");
  const older = useRef(() => {});
  const refresh = useRef(async () => {});

  useEffect(() => {
    const stop = new AbortController();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    let pause = AGAIN;
    list.value = NONE;
    error.value = undefined;
    picked.value = new Set();
    whole.value = false;
    at.value = -1;
    /** @param {boolean} older those after the last that is shown; else all that are shown, anew */
    const load = async (older) => {
      clearTimeout(timer);
      const before = list.value;
      const limit = older ? PAGE : Math.min(Math.max(before.rows.length, PAGE), AT_ONCE);
      const began = performance.now();
      try {
        await newest(asked(query), {
          limit, after: older ? before.rows.at(-1) : undefined, stop: stop.signal,
          tell: (page) => {
            // What is shown is replaced when all was looked at: rows do not come and go meanwhile.
            if (!page.done && !older && before.done) return;
            const kept = older ? before.rows : [];
            // A further page counts only what is older than it.
            const { matched, looked } = older ? before : page;
            list.value = { ...page, matched, looked, rows: [...kept, ...page.rows], more: page.rows.length === limit };
          },
        });
        error.value = undefined;
        pause = Math.max(AGAIN, TIMES * (performance.now() - began));
      } catch (reason) {
        if (stop.signal.aborted) return;
        error.value = /** @type {Error} */ (reason);
      }
      timer = setTimeout(again, pause);
    };
    const again = () => {
      if (!document.hidden && !bulk.value) load(false);
      else timer = setTimeout(again, AGAIN);
    };
    older.current = () => load(true);
    refresh.current = () => load(false);
    load(false);
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [filter]);

  const { rows, matched, looked, done, more } = list.value;
  const move = (by) => {
    at.value = Math.min(Math.max(at.value + by, 0), rows.length - 1);
    document.getElementById(`row-${at.value}`)?.scrollIntoView({ block: "nearest" });
  };
  useEffect(() => keys({
    j: () => move(1), k: () => move(-1),
    x: () => rows[at.value] && toggle(rows[at.value].id),
    Enter: () => rows[at.value] && go(toInvocation(rows[at.value].id)),
    "/": () => document.getElementById("filter")?.focus(),
  }), [rows]);

  const toggle = (id) => {
    const next = new Set(picked.value);
    if (!next.delete(id)) next.add(id);
    picked.value = next;
    whole.value = false;
  };
  const allPicked = rows.length > 0 && rows.every((row) => picked.value.has(row.id));

  return html`<div class="head"><div><h1>Invocations</h1>
      <p class="sub" role="status">${done ? counted(matched, "invocation") : `${count(matched)} so far, ${count(looked)} looked at…`}</p></div>
    <div class="seg" role="group" aria-label="Views">${VIEWS.map(([name, terms]) => html`<a href=${to(["invocations"], terms)}
      aria-current=${to(["invocations"], terms) === to(["invocations"], query) ? "true" : undefined}>${name}</a>`)}</div></div>
  <${Filter} />
  <div class="card">
    ${error.value && html`<div class="pad"><${Trouble} error=${error.value} again=${refresh.current} /></div>`}
    ${rows.length === 0 && !done && !error.value ? html`<${Bones} lines=${9} />` : rows.length === 0 && done ? html`<${Empty} filtered=${filter !== ""} />` : html`
    <div class="scroll"><table aria-label="Invocations">
      <thead><tr>
        <th class="check"><input type="checkbox" aria-label="Pick all that are shown" checked=${allPicked} onChange=${() => {
          picked.value = allPicked ? new Set() : new Set(rows.map((row) => row.id));
          whole.value = false;
        }} /></th>
        <th><span class="wide-only">Status</span></th><th>Target</th><th class="wide-only">Id</th><th class="num">Created</th><th class="num">Took</th>
          <th class="wide-only">What happened last</th></tr></thead>
      <tbody>${rows.map((row, place) => html`<${Line} key=${row.id} row=${row} place=${place} on=${place === at.value}
        picked=${picked.value.has(row.id)} toggle=${toggle} />`)}</tbody>
    </table></div>`}
  </div>
  ${more && html`<div class="row" style=${{ justifyContent: "center", marginTop: "14px" }}>
    <button class="button" onClick=${() => older.current()}>Show ${PAGE} older</button></div>`}
  ${picked.value.size > 0 && html`<div class="card bar" role="region" aria-label="For what is picked">
    <b>${whole.value ? `All ${count(matched)} that match` : counted(picked.value.size, "invocation")}</b>
    ${!whole.value && allPicked && matched > rows.length && html`<button class="button plain" onClick=${() => (whole.value = true)}>Pick all ${count(matched)} that match</button>`}
    <span class="grow" />
    ${ACTIONS.map((action) => html`<button class=${`button ${action.danger ? "danger" : ""}`} onClick=${() => (bulk.value = action.name)}><${Icon} name=${action.icon} />${action.word}</button>`)}
    <button class="button plain" onClick=${() => { picked.value = new Set(); whole.value = false; }}>Pick none</button>
  </div>`}
  ${bulk.value && html`<${Bulk} action=${bulk.value} filter=${asked(query)} ids=${whole.value ? undefined : [...picked.value]}
    close=${() => (bulk.value = "")} done=${() => { picked.value = new Set(); refresh.current(); }} />`}`;
}

/** @param {{ row: Row, place: number, on: boolean, picked: boolean, toggle: (id: string) => void }} props */
function Line({ row, place, on, picked, toggle }) {
  const took = (row.completed_at ? ms(row.completed_at) : now.value) - ms(row.created_at);
  return html`<tr id=${`row-${place}`} class=${`link ${on ? "on" : ""} ${picked ? "picked" : ""}`}>
    <td class="check"><input type="checkbox" aria-label=${`Pick ${row.target}`} checked=${picked} onChange=${() => toggle(row.id)} /></td>
    <td class="slim"><${Status} of=${row} /></td>
    <td><a class="strong cut" href=${toInvocation(row.id)}>${row.target}</a></td>
    <td class="wide-only"><a class="mono faint" href=${toInvocation(row.id)}>${short(row.id)}</a></td>
    <td class="num soft"><${Ago} at=${row.created_at} /></td>
    <td class="num soft">${row.status === "scheduled" ? "–" : duration(Math.max(took, 0))}</td>
    <td class="wide-only soft"><span class="cut">${last(row)}</span></td></tr>`;
}

/** @param {string} id */
export const short = (id) => `${id.slice(0, 9)}…${id.slice(-5)}`;

/** @param {Row} row */
function last(row) {
  if (row.completion_failure) return row.completion_failure;
  if (row.last_failure) return `${row.retry_count > 1 ? `attempt ${row.retry_count}: ` : ""}${row.last_failure.split("\n")[0]}`;
  if (row.status === "scheduled" && row.scheduled_start_at) return html`starts <${Ago} at=${row.scheduled_start_at} />`;
  if (row.invoked_by_target) return `called by ${row.invoked_by_target}`;
  return "";
}

/** @param {{ filtered: boolean }} props */
function Empty({ filtered }) {
  const base = useLoad(() => ingress(), []);
  const services = useLoad(() => get("/services"), []);
  const first = services.value?.services[0];
  if (filtered) {
    return html`<div class="empty"><h2>Nothing matches</h2><p>No invocation that is stored is like this. Those that are over are kept as long as their retention says.</p>
      <a class="button" href="#/invocations">Show all</a></div>`;
  }
  if (!first) {
    return html`<div class="empty"><h2>No invocations yet</h2>
      <p>First the server must know some handlers. Start your program with an SDK, then register where it listens:</p>
      <${Command} text="latchwork deployments register http://localhost:9080" /><a class="button" href="#/deployments">Register a deployment</a></div>`;
  }
  const handler = first.handlers[0]?.name ?? "handler";
  return html`<div class="empty"><h2>No invocations yet</h2><p>Call a handler, and it is here before the call is answered:</p>
    <${Command} text=${`curl ${base.value ?? "http://localhost:8080/"}${first.name}/${first.ty === "Service" ? "" : "a-key/"}${handler} --json '{}'`} />
    <a class="button" href=${to(["services", first.name, handler])}>Open the playground</a></div>`;
}

const typed = signal("");

/** Words in, chips out. */
function Filter() {
  const query = route.value.query;
  const wrong = useSignal("");
  const open = useSignal(false);
  const known = useLoad(() => get("/services"), []);
  const terms = chips(query);
  const submit = (event) => {
    event.preventDefault();
    const found = parse(typed.value.trim());
    wrong.value = found.wrong ?? "";
    if (found.wrong) return;
    typed.value = "";
    open.value = false;
    if (found.id) go(toInvocation(found.id));
    else go(to(["invocations"], withTerms(query, found.terms)));
  };
  /** The word that is being typed. */
  const [word] = /\S*$/.exec(typed.value) ?? [""];
  const offers = open.value ? offered(word, known.value?.services ?? []) : [];
  return html`<form class="stack tight" style=${{ marginBottom: "12px" }} onSubmit=${submit} role="search">
    <div style=${{ position: "relative" }}>
      <label class="hidden" for="filter">Filter</label>
      <input id="filter" type="search" autocomplete="off" spellcheck="false" placeholder="Filter: service:Orders status:paused since:1h, an id, or a text in the input"
        value=${typed.value} onInput=${(event) => { typed.value = event.target.value; open.value = true; }}
        onFocus=${() => (open.value = true)} onBlur=${() => setTimeout(() => (open.value = false), 150)}
        onKeyDown=${(/** @type {KeyboardEvent} */ event) => event.key === "Escape" && (open.value = false)} />
      ${offers.length > 0 && html`<div class="popup"><ul class="options">${offers.map((offer) => html`<li onMouseDown=${(event) => {
        event.preventDefault();
        typed.value = typed.value.slice(0, typed.value.length - word.length) + offer.text + (offer.text.endsWith(":") ? "" : " ");
      }}><span class="mono">${offer.text}</span><span class="soft">${offer.means}</span></li>`)}</ul></div>`}
    </div>
    ${wrong.value && html`<div class="note bad" role="alert"><${Icon} name="alert" />${wrong.value}</div>`}
    ${terms.length > 0 && html`<div class="row tight">${terms.map((term) => html`<span class="chip"><span class="soft">${term.name}</span> <b class="cut">${term.value}</b>
      <button type="button" aria-label=${`Remove ${term.name}`} onClick=${() => go(to(["invocations"], without(query, term.name)))}>×</button></span>`)}
      <a class="button plain" href="#/invocations">Clear</a></div>`}
  </form>`;
}

/** @param {string} word @param {any[]} services */
function offered(word, services) {
  const [name, value] = word.includes(":") ? word.split(":") : [word, undefined];
  if (value === undefined) {
    return Object.entries(NAMES).filter(([one]) => one.startsWith(name)).map(([one, means]) => ({ text: `${one}:`, means }));
  }
  /** @type {Record<string, string[]>} */
  const values = {
    status: FILTERABLE, result: ["success", "failure"], since: ["10m", "1h", "6h", "1d"],
    service: services.map((service) => service.name),
    handler: [...new Set(services.flatMap((service) => service.handlers.map((handler) => handler.name)))],
    deployment: [...new Set(services.map((service) => service.deployment_id))],
  };
  return (values[name] ?? []).filter((one) => one.startsWith(value)).slice(0, 12).map((one) => ({ text: `${name}:${one}`, means: "" }));
}

// SQL over the live tables: a statement with completion, its rows, and what was asked before.
import { html, useRef, useSignal } from "../vendor/index.js";
import { ask, sql } from "../parts/api.js";
import { Icon } from "../parts/icons.js";
import { useLoad } from "../parts/load.js";
import { go, route, to, toInvocation } from "../parts/route.js";
import { words } from "../parts/say.js";
import { Ago, counted, duration } from "../parts/time.js";
import { keep } from "../parts/value.js";

/** Statements that are remembered, by this browser only. */
const REMEMBERED = 30;
const STORE = "latchwork.sql";
/** Rows that are shown; a file has all of them. */
const SHOWN = 500;

/** @type {[string, string][]} */
const EXAMPLES = [
  ["What fails, and why", "SELECT target, retry_count, next_retry_at, last_failure, id\nFROM sys_invocation\nWHERE status IN ('backing-off', 'paused')\nORDER BY created_at"],
  ["How long calls took, by the minute", "SELECT date_bin(INTERVAL '1 minute', completed_at) AS minute, COUNT(*) AS calls,\n       median(completed_at - created_at) AS median, max(completed_at - created_at) AS longest\nFROM sys_invocation\nWHERE completed_at > now() - INTERVAL '1 hour'\nGROUP BY minute ORDER BY minute"],
  ["What waits for which key", "SELECT service_name, service_key, COUNT(*) AS waiting, MIN(created_at) AS since\nFROM sys_inbox GROUP BY 1, 2 ORDER BY waiting DESC LIMIT 20"],
  ["Found by its input", "SELECT id, payload_utf8\nFROM sys_journal\nWHERE index = 0 AND payload_utf8 ILIKE '%ada%' LIMIT 50"],
  ["State by what is in it", "SELECT service_name, service_key, key, value_utf8\nFROM state LIMIT 100"],
];

const KEYWORDS = "SELECT FROM WHERE AND OR NOT ORDER BY GROUP LIMIT COUNT(*) DISTINCT JOIN ON AS IN LIKE ILIKE IS NULL HAVING UNION ALL INTERVAL CASE WHEN THEN ELSE END DESC ASC EXPLAIN DESCRIBE SHOW TABLES WITH".split(" ");

/** @typedef {{ text: string, at: number }} Remembered */

/** @returns {Remembered[]} */
function remembered() {
  try {
    return JSON.parse(localStorage.getItem(STORE) ?? "[]");
  } catch {
    return [];
  }
}

/** @param {string} text @returns {Remembered[]} */
function remember(text) {
  const all = [{ text, at: Date.now() }, ...remembered().filter((one) => one.text !== text)].slice(0, REMEMBERED);
  try {
    localStorage.setItem(STORE, JSON.stringify(all));
  } catch {
    // The browser keeps nothing for us: then there is no history.
  }
  return all;
}

export function Sql() {
  const text = useSignal(route.value.query.get("q") ?? EXAMPLES[0][1]);
  const result = useSignal(/** @type {{ rows: any[], took: number } | undefined} */ (undefined));
  const error = useSignal("");
  const busy = useSignal(false);
  const history = useSignal(remembered());
  const columns = useLoad((stop) => sql("SELECT table_name, column_name, data_type FROM information_schema.columns", stop), []);
  const run = async () => {
    const query = text.value.trim().replace(/;\s*$/, "");
    if (!query || busy.value) return;
    busy.value = true;
    error.value = "";
    const began = performance.now();
    try {
      const { rows } = await ask("POST", "/query", { query, nulls: true });
      result.value = { rows, took: performance.now() - began };
      history.value = remember(query);
      go(to(["sql"], { q: query }), true);
    } catch (reason) {
      result.value = undefined;
      error.value = words(reason);
    }
    busy.value = false;
  };
  return html`<div class="head"><div><h1>SQL</h1><p class="sub">Over what is running, and what is kept. It only reads.</p></div></div>
  <div class="stack">
    <section class="card pad stack tight">
      <${Editor} text=${text} columns=${columns.value ?? []} run=${run} />
      <div class="row"><button class="button main" disabled=${busy.value} onClick=${run}><${Icon} name="play" />${busy.value ? "Running…" : "Run"}</button>
        <span class="faint small"><kbd>Ctrl</kbd> <kbd>Enter</kbd></span><span class="grow" />
        <label class="row tight"><span class="hidden">Examples and history</span>
          <select style=${{ maxWidth: "260px" }} onChange=${(event) => { if (event.target.value) text.value = event.target.value; event.target.value = ""; }}>
          <option value="">Examples and history</option><optgroup label="Examples">${EXAMPLES.map(([name, query]) => html`<option value=${query}>${name}</option>`)}</optgroup>
          ${history.value.length > 0 && html`<optgroup label="Asked before">${history.value.map((one) => html`<option value=${one.text}>${one.text.slice(0, 70).replaceAll("\n", " ")}</option>`)}</optgroup>`}</select></label></div>
      ${error.value && html`<div class="note bad" role="alert"><${Icon} name="alert" />${error.value}</div>`}
    </section>
    ${result.value && html`<${Rows} ...${result.value} />`}
    <${Tables} columns=${columns.value ?? []} use=${(name) => (text.value = `SELECT * FROM ${name} LIMIT 50`)} />
  </div>`;
}

/** @param {{ text: Signal<string>, columns: any[], run: () => void }} props */
function Editor({ text, columns, run }) {
  const area = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  const word = useSignal("");
  const at = useSignal(0);
  const offers = word.value.length > 0 ? offered(word.value, columns, text.value) : [];
  const look = () => {
    const { value, selectionStart } = /** @type {HTMLTextAreaElement} */ (area.current);
    word.value = /[\w.]*$/.exec(value.slice(0, selectionStart))?.[0] ?? "";
    at.value = 0;
  };
  const take = (offer) => {
    const box = /** @type {HTMLTextAreaElement} */ (area.current);
    const from = box.selectionStart - word.value.length;
    text.value = box.value.slice(0, from) + offer + box.value.slice(box.selectionStart);
    word.value = "";
    requestAnimationFrame(() => {
      box.focus();
      box.setSelectionRange(from + offer.length, from + offer.length);
    });
  };
  const pressed = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      word.value = "";
      run();
    } else if (offers.length > 0 && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      at.value = (at.value + (event.key === "ArrowDown" ? 1 : offers.length - 1)) % offers.length;
    } else if (offers.length > 0 && (event.key === "Tab" || (event.key === "Enter" && at.value > 0))) {
      event.preventDefault();
      take(offers[at.value].text);
    } else if (event.key === "Escape") word.value = "";
  };
  return html`<div class="editor"><label class="hidden" for="statement">Statement</label>
    <textarea id="statement" ref=${area} rows="7" spellcheck="false" autocapitalize="off" value=${text.value} onInput=${(event) => { text.value = event.target.value; look(); }}
      onKeyDown=${pressed} onBlur=${() => setTimeout(() => (word.value = ""), 150)} aria-autocomplete="list" aria-controls="offers" aria-expanded=${offers.length > 0} role="combobox" />
    ${offers.length > 0 && html`<div class="popup"><ul class="options" id="offers" role="listbox" aria-label="Tables and columns">${offers.map((offer, place) => html`<li role="option" aria-selected=${place === at.value} onMouseDown=${(event) => { event.preventDefault(); take(offer.text); }}><span class="mono">${offer.text}</span>
      <span class="soft">${offer.means}</span></li>`)}</ul></div>`}</div>`;
}

/** @param {string} word @param {any[]} columns @param {string} statement */
function offered(word, columns, statement) {
  const begins = word.split(".").at(-1)?.toLowerCase() ?? "";
  if (!begins) return [];
  const prefix = word.slice(0, word.length - begins.length);
  const tables = [...new Set(columns.map((one) => one.table_name))];
  const named = tables.filter((table) => statement.includes(table));
  const fitting = columns.filter((one) => (named.length === 0 || named.includes(one.table_name)) && one.column_name.startsWith(begins));
  const out = new Map();
  for (const table of tables) if (table.startsWith(begins)) out.set(table, "table");
  for (const one of fitting) if (!out.has(one.column_name)) out.set(prefix + one.column_name, one.data_type.toLowerCase());
  for (const keyword of KEYWORDS) if (!prefix && keyword.toLowerCase().startsWith(begins)) out.set(keyword, "");
  out.delete(word);
  return [...out].slice(0, 10).map(([text, means]) => ({ text, means }));
}

/** @param {{ rows: any[], took: number }} props */
function Rows({ rows, took }) {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const csv = () => keep("latchwork.csv", [names, ...rows.map((row) => names.map((name) => row[name]))].map((line) => line.map(quoted).join(",")).join("\r\n"), "text/csv");
  return html`<section class="card" aria-label="Result"><header><h2>${counted(rows.length, "row")} <span class="soft" style=${{ fontWeight: 400 }}>in ${duration(took)}</span></h2>
    <div class="row"><button class="button" disabled=${rows.length === 0} onClick=${csv}><${Icon} name="download" />CSV</button>
      <button class="button" disabled=${rows.length === 0} onClick=${() => keep("latchwork.json", JSON.stringify(rows, null, 2), "application/json")}><${Icon} name="download" />JSON</button></div></header>
    ${rows.length === 0 ? html`<div class="empty"><p>No row is like this.</p></div>` : html`<div class="scroll" tabindex="0" role="region" aria-label="Rows"><table class="sql plain"><thead><tr>${names.map((name) => html`<th>${name}</th>`)}</tr></thead>
      <tbody>${rows.slice(0, SHOWN).map((row) => html`<tr>${names.map((name) => html`<td title=${cell(row[name])}>${shown(row[name])}</td>`)}</tr>`)}</tbody></table></div>`}
    ${rows.length > SHOWN && html`<p class="pad soft">The first ${SHOWN} are shown; the files have all.</p>`}</section>`;
}

const cell = (value) => (value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value));

function shown(value) {
  if (value === null || value === undefined) return html`<span class="faint">null</span>`;
  const text = cell(value);
  if (/^inv_[0-9A-Za-z]{20,}$/.test(text)) return html`<a class="text" href=${toInvocation(text)}>${text}</a>`;
  if (/^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(text)) return html`<span>${text.replace("T", " ")}</span> <span class="faint"><${Ago} at=${text} /></span>`;
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}

/** @param {any} value as a field of CSV; what a spreadsheet would take for a formula is made a text */
function quoted(value) {
  const text = cell(value);
  const safe = /^[=+@-]/.test(text) && typeof value === "string" ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** @param {{ columns: any[], use: (name: string) => void }} props */
function Tables({ columns, use }) {
  const tables = [...new Set(columns.map((one) => one.table_name))].filter((name) => !/^(tables|columns|schemata)$/.test(name));
  return html`<section class="card"><header><h2>Tables</h2></header>
    <div class="pad fields">${tables.map((name) => html`<details><summary class="mono" style=${{ cursor: "pointer" }}>${name}</summary>
    <div class="row tight" style=${{ padding: "6px 0" }}><button class="button" onClick=${() => use(name)}>Use</button>${columns.filter((one) => one.table_name === name).map((one) => html`<span class="tag mono" title=${one.data_type}>${one.column_name}</span>`)}</div></details>`)}</div></section>`;
}

// Who called whom: the invocation with all that it called, and theirs, as a tree.
import { html, useEffect, useSignal } from "../vendor/index.js";
import { get, part, quote, sql } from "../parts/api.js";
import { critical, steps as read } from "../parts/journal.js";
import { toInvocation } from "../parts/route.js";
import { Status } from "../parts/status.js";
import { counted, duration, ms } from "../parts/time.js";

/** Invocations in a tree, and how deep it goes. */
const NODES_MAX = 200;
const DEPTH_MAX = 8;
const COLUMNS = "id, target, status, completion_result, created_at, completed_at, journal_commands_size, invoked_by_id";

/** @typedef {{ row: any, children: Node[], critical: boolean, sent: boolean }} Node */

/** @param {{ row: any, steps: import("../parts/journal.js").Step[], now: number, version: string }} props `version` changes when the journal does */
export function Tree({ row, steps, now, version }) {
  const root = useSignal(/** @type {{ node: Node, above: any[], cut: boolean } | undefined} */ (undefined));
  useEffect(() => {
    const stop = new AbortController();
    grow(row, steps, stop.signal).then((grown) => (root.value = grown)).catch(() => {});
    return () => stop.abort();
  }, [row.id, version]);
  const grown = root.value;
  if (!grown || (grown.node.children.length === 0 && grown.above.length === 0)) return null;
  const size = weigh(grown.node);
  return html`<section class="card"><header><h2>Calls</h2><span class="soft">${counted(size, "invocation")}${grown.cut && ", and more that are not shown"}</span></header>
    <div style=${{ padding: "6px" }}>
      ${grown.above.map((one) => html`<div class="node row" style=${{ padding: "3px 8px" }}><span class="faint small">called by</span> <a class="text" href=${toInvocation(one.id)}>${one.target}</a> <${Status} of=${one} /></div>`)}
      <ul class="tree"><${Branch} node=${grown.node} now=${now} own=${row.id} /></ul></div></section>`;
}

/** @param {Node} node @returns {number} */
const weigh = (node) => 1 + node.children.reduce((sum, child) => sum + weigh(child), 0);

/** @param {{ node: Node, now: number, own: string }} props @returns {any} */
function Branch({ node, now, own }) {
  const { row } = node;
  const took = (row.completed_at ? ms(row.completed_at) : now) - ms(row.created_at);
  return html`<li><div class=${`node ${node.critical ? "critical" : ""}`}>
    <span class="cut name">${row.id === own ? html`<span>${row.target}</span>` : html`<a class="text" href=${toInvocation(row.id)}>${row.target}</a>`}${node.sent && html` <span class="tag">sent</span>`}${node.critical && html` <span class="tag t-run" title="Its caller could not end before it">critical path</span>`}</span>
    <${Status} of=${row} /><span class="num soft" style=${{ minWidth: "64px" }}>${row.created_at ? duration(took) : ""}</span></div>
    ${node.children.length > 0 && html`<ul class="tree">${node.children.map((child) => html`<${Branch} key=${child.row.id} node=${child} now=${now} own=${own} />`)}</ul>`}</li>`;
}

/** @param {any} row @param {import("../parts/journal.js").Step[]} steps @param {AbortSignal} stop */
async function grow(row, steps, stop) {
  let [left, cut] = [NODES_MAX, false];
  /** @param {any} own @param {import("../parts/journal.js").Step[]} of @param {number} depth @param {boolean} onPath @returns {Promise<Node[]>} */
  const below = async (own, of, depth, onPath) => {
    const calls = of.filter((step) => step.child);
    if (calls.length === 0) return [];
    if (depth === 0 || left === 0) {
      cut = true;
      return [];
    }
    const some = calls.slice(0, left);
    cut ||= some.length < calls.length;
    left -= some.length;
    const path = critical(of, own.completed_at ? ms(own.completed_at) : Date.now());
    const ids = some.map((step) => step.child ?? "");
    const rows = await sql(`SELECT ${COLUMNS} FROM sys_invocation WHERE id IN (${ids.map(quote).join(", ")})`, stop);
    const byId = new Map(rows.map((one) => [one.id, one]));
    return Promise.all(some.map(async (step) => {
      const child = byId.get(step.child) ?? { id: step.child, target: step.name, status: "forgotten" };
      const isCritical = onPath && path.has(step.index);
      const deeper = child.journal_commands_size > 1 ? read((await get(`/invocations/${part(child.id)}/journal`, stop)).entries) : [];
      return { row: child, critical: isCritical, sent: step.type === "OneWayCall", children: await below(child, deeper, depth - 1, isCritical) };
    }));
  };
  const node = { row, critical: false, sent: false, children: await below(row, steps, DEPTH_MAX, true) };
  /** @type {any[]} */
  const above = [];
  for (let id = row.invoked_by_id; id && above.length < DEPTH_MAX;) {
    const [caller] = await sql(`SELECT ${COLUMNS} FROM sys_invocation WHERE id = ${quote(id)}`, stop);
    if (!caller) break;
    above.unshift(caller);
    id = caller.invoked_by_id;
  }
  return { node, above, cut };
}

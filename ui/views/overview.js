// The overview: what the server does just now, and did in the last hour.
import { html, useSignal } from "../vendor/index.js";
import { get } from "../parts/api.js";
import { Chart } from "../parts/chart.js";
import { Icon } from "../parts/icons.js";
import { board, connected, useBoard } from "../parts/live.js";
import { Bones, useLoad } from "../parts/load.js";
import { to, toInvocation } from "../parts/route.js";
import { Status, STATUSES } from "../parts/status.js";
import { Ago, count, duration, ms, rate, size } from "../parts/time.js";
import { Command } from "../parts/value.js";

/** @typedef {import("../parts/live.js").Sample} Sample */

/** What is put together for one bar, by how much is shown. @type {Record<string, { samples: number, group: number }>} */
const SPANS = { "5m": { samples: 60, group: 1 }, "15m": { samples: 180, group: 3 }, "1h": { samples: 720, group: 12 } };

export function Overview() {
  useBoard();
  const span = useSignal("15m");
  const services = useLoad(() => get("/services"), [], 15_000);
  const seen = board.value;
  const none = services.value?.services.length === 0;
  return html`<div class="head"><div><h1>Overview</h1><p class="sub"><span class=${`live ${connected.value ? "" : "off"}`}><i />${connected.value ? "Live" : "Connecting…"}</span></p></div>
    <div class="seg" role="group" aria-label="How much is shown">${Object.keys(SPANS).map((one) => html`<button aria-pressed=${span.value === one} onClick=${() => (span.value = one)}>${one}</button>`)}</div></div>
  <div class="stack">
    ${none && html`<${Welcome} />`}
    ${seen?.now.troubles.map((trouble) => html`<div class="note bad" role="alert"><${Icon} name="alert" />${trouble}</div>`)}
    <${Tiles} />
    ${seen ? html`<${Charts} samples=${seen.samples} span=${SPANS[span.value]} />` : html`<div class="card"><${Bones} /></div>`}
    <div class="two wide-left"><${Handlers} /><div class="stack"><${Waiting} /><${Machine} /></div></div>
  </div>`;
}

function Tiles() {
  const { census, now } = board.value ?? {};
  /** @param {string} status @param {number | undefined} value @param {Record<string, string>} [filter] */
  const tile = (status, value, filter = { status }) => {
    const look = STATUSES[status];
    return html`<a class="card tile" href=${to(["invocations"], filter)}>
      <span class="name"><span class=${`status t-${look.tone}`} style=${{ padding: "0 4px" }}><${Icon} name=${look.icon} /></span>${look.word}</span>
      <span class="big">${value === undefined ? html`<i class="bone" style=${{ width: "3ch", height: "1.2em", marginTop: "6px" }} />` : count(value)}</span></a>`;
  };
  return html`<div class="tiles" aria-label="Invocations now">
    ${tile("running", now?.running)}
    ${tile("ready", now?.ready)}
    ${tile("suspended", census?.suspended)}
    ${tile("backing-off", census?.["backing-off"])}
    ${tile("paused", census?.paused)}
    ${tile("pending", census?.pending)}
    ${tile("scheduled", census?.scheduled)}
    ${tile("completed", census?.completed)}
  </div>`;
}

/** @param {{ samples: Sample[], span: { samples: number, group: number } }} props */
function Charts({ samples, span }) {
  const groups = grouped(samples, span);
  const times = groups.map((group) => group.at);
  const seconds = (/** @type {Group} */ group) => Math.max(group.over_ms / 1000, 0.001);
  const last = groups.slice(-Math.max(1, Math.round(60 / (5 * span.group))));
  const over = last.reduce((sum, group) => sum + seconds(group), 0);
  const ended = last.reduce((sum, group) => sum + group.succeeded + group.failed, 0);
  const slow = last.map((group) => group.p99_ms).filter((value) => value !== null);
  return html`<div class="two">
    <section class="card"><header><h2>Throughput</h2><span class="soft">${rate(over ? ended / over : 0)}/s in the last minute</span></header><div class="pad">
      <${Chart} label="Invocations that ended, a second" times=${times} show=${rate} series=${[
        { name: "succeeded/s", tone: "ok", values: groups.map((group) => group.succeeded / seconds(group)) },
        { name: "failed/s", tone: "bad", values: groups.map((group) => group.failed / seconds(group)) },
      ]} /></div></section>
    <section class="card"><header><h2>Latency</h2><span class="soft">${slow.length ? `p99 ${duration(Math.max(.../** @type {number[]} */ (slow)))} in the last minute` : "nothing ended in the last minute"}</span></header>
      <div class="pad">
      <${Chart} label="From acceptance to end" times=${times} show=${duration} series=${[
        { name: "p50", tone: "run", line: true, values: groups.map((group) => group.p50_ms) },
        { name: "p99", tone: "wait", line: true, values: groups.map((group) => group.p99_ms) },
      ]} /></div></section>
  </div>`;
}

/** @typedef {Sample} Group */

/**
 * Samples put together: sums, and the middle or the worst of the times. Where the server has not
 * run yet there is nothing, so that the axis of time is true.
 * @param {Sample[]} samples @param {{ samples: number, group: number }} span
 * @returns {Group[]}
 */
function grouped(samples, { samples: wanted, group: many }) {
  const step = 5000;
  const end = samples.at(-1)?.at ?? Date.now();
  const rest = Array.from({ length: Math.max(wanted - samples.length, 0) }, (_, at) => ({
    at: end - (wanted - 1 - at) * step, over_ms: step, accepted: 0, succeeded: 0, failed: 0, attempts_failed: 0, p50_ms: null, p99_ms: null,
  }));
  const all = [...rest, ...samples.slice(-wanted)];
  /** @type {Group[]} */
  const groups = [];
  for (let from = 0; from < all.length; from += many) {
    const some = all.slice(from, from + many);
    const sum = (/** @type {"over_ms" | "accepted" | "succeeded" | "failed" | "attempts_failed"} */ name) => some.reduce((total, one) => total + one[name], 0);
    const middle = some.map((one) => one.p50_ms).filter((value) => value !== null).sort((a, b) => a - b);
    const worst = some.map((one) => one.p99_ms).filter((value) => value !== null);
    groups.push({
      at: some[some.length - 1].at, over_ms: sum("over_ms"), accepted: sum("accepted"), succeeded: sum("succeeded"), failed: sum("failed"),
      attempts_failed: sum("attempts_failed"), p50_ms: middle[Math.floor(middle.length / 2)] ?? null, p99_ms: worst.length ? Math.max(...worst) : null,
    });
  }
  return groups;
}

function Handlers() {
  const rows = board.value?.handlers;
  return html`<section class="card"><header><h2>Handlers in the last hour</h2>
    <a class="text small" href=${to(["invocations"], { status: "completed", result: "failure" })}>All failures</a></header>
    ${!rows ? html`<${Bones} lines=${5} />` : rows.length === 0 ? html`<div class="empty"><p>No handler was called since the server began to count.</p></div>` : html`
    <div class="scroll"><table><thead><tr><th>Handler</th><th class="num">Calls</th><th>Ended well</th><th class="num">Failed</th>
      <th class="num wide-only">Failed attempts</th><th class="num">p50</th><th class="num">p99</th></tr></thead>
    <tbody>${rows.map((row) => {
      const ended = row.succeeded + row.failed;
      const share = ended ? row.failed / ended : 0;
      return html`<tr class="link"><td><a class="strong cut" href=${row.service === "other" ? "#/services" : to(["services", row.service, row.handler])}>${row.service}/${row.handler}</a></td>
        <td class="num">${count(row.accepted)}</td>
        <td><span class="meter" role="img" aria-label=${`${Math.round((1 - share) * 100)} % of those that ended`}>${ended > 0 && html`<i class="f-ok" style=${{ width: `${(1 - share) * 100}%` }} />
          <i class="f-bad" style=${{ width: `${share * 100}%` }} />`}</span></td>
        <td class="num">${row.failed ? html`<a class="strong" href=${to(["invocations"], { service: row.service, handler: row.handler, status: "completed", result: "failure" })}>${count(row.failed)} (${(share * 100).toFixed(share < .1 ? 1 : 0)} %)</a>` : html`<span class="faint">0</span>`}</td>
        <td class="num wide-only">${row.attempts_failed ? count(row.attempts_failed) : html`<span class="faint">0</span>`}</td>
        <td class="num soft">${row.p50_ms === null ? "–" : duration(row.p50_ms)}</td><td class="num soft">${row.p99_ms === null ? "–" : duration(row.p99_ms)}</td></tr>`;
    })}</tbody></table></div>`}</section>`;
}

function Waiting() {
  const waiting = board.value?.census?.waiting;
  return html`<section class="card"><header><h2>Waiting longest</h2></header>
    ${!waiting ? html`<${Bones} lines=${3} />` : waiting.length === 0 ? html`<div class="empty"><p>Nothing retries, is paused, or waits for a key.</p></div>` : html`
    <table><tbody>${waiting.map((row) => html`<tr class="link"><td><${Status} of=${row} /></td>
      <td><a class="strong cut" href=${toInvocation(row.id)}>${row.target}</a></td>
        <td class="num soft"><${Ago} at=${ms(row.created_at)} /></td></tr>`)}</tbody></table>`}</section>`;
}

function Machine() {
  const now = board.value?.now;
  if (!now) return html`<section class="card"><header><h2>Storage</h2></header><${Bones} /></section>`;
  const used = now.disk_size && now.disk_free !== null ? 1 - now.disk_free / now.disk_size : null;
  return html`<section class="card"><header><h2>Storage</h2><span class="soft">${count(now.running)} of ${count(now.slots)} slots taken</span></header>
    <div class="scroll" tabindex="0" role="region" aria-label="Partitions"><table class="plain"><thead><tr><th>Partition</th><th class="num">Records</th>
      <th class="num">Behind</th><th class="num">Log</th><th class="num">In memory</th></tr></thead>
    <tbody>${now.partitions.map((one, place) => html`<tr><td>${place}</td><td class="num">${count(one.appended)}</td>
      <td class="num" title="Records that the tables on disk do not know of yet">${count(Math.max(one.appended - one.persisted, 0))}</td>
      <td class="num">${size(one.log_bytes)}</td><td class="num">${size(one.memory_bytes)}</td></tr>`)}</tbody></table></div>
    ${used !== null && html`<div class="pad stack tight"><div class="row between small"><span class="soft">Disk</span>
      <span>${size(now.disk_free ?? 0)} free of ${size(now.disk_size ?? 0)}</span></div>
      <span class="meter" role="img" aria-label=${`${Math.round(used * 100)} % of the disk are taken`}><i class=${used > .95 ? "f-bad" : used > .85 ? "f-warn" : "f-run"} style=${{ width: `${used * 100}%` }} /></span></div>`}</section>`;
}

const Welcome = () => html`<section class="card empty"><h2>Nothing is registered yet</h2>
  <p>Start a program that serves handlers with one of the SDKs, and tell the server where it listens:</p>
  <${Command} text="latchwork deployments register http://localhost:9080" />
  <p>Then its handlers can be called, from here or with curl, and everything they do is shown here.</p>
  <a class="button main" href="#/deployments?register=1">Register a deployment</a></section>`;

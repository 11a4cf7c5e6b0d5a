// Services: what they offer, what is in force for them, and the playground of each handler.
import { html, useSignal } from "../vendor/index.js";
import { ask, get, part } from "../parts/api.js";
import { Icon } from "../parts/icons.js";
import { Show, useLoad } from "../parts/load.js";
import { to } from "../parts/route.js";
import { attempt, say, words } from "../parts/say.js";
import { count, counted } from "../parts/time.js";
import { Command } from "../parts/value.js";
import { Drain } from "./deployments.js";
import { Playground } from "./playground.js";

/** @type {Record<string, string>} */
const TYPES = { Service: "Service", VirtualObject: "Object", Workflow: "Workflow" };

export function Services() {
  const list = useLoad(() => get("/services"), [], 10_000);
  return html`<div class="head"><div><h1>Services</h1><p class="sub">What the registered deployments offer, in the newest revision</p></div></div>
    <div class="card"><${Show} of=${list}>${({ services }) => (services.length === 0
      ? html`<div class="empty"><h2>No services yet</h2><p>Register the address of a program that serves handlers, and they are listed here.</p>
        <${Command} text="latchwork deployments register http://localhost:9080" /><a class="button" href="#/deployments?register=1">Register a deployment</a></div>`
      : html`<div class="scroll"><table><thead><tr><th>Service</th><th>Type</th><th>Handlers</th><th class="num wide-only">Revision</th>
        <th class="wide-only">Deployment</th><th class="wide-only">Ingress</th></tr></thead>
      <tbody>${services.map((one) => html`<tr class="link"><td><a class="strong" href=${to(["services", one.name])}><b>${one.name}</b></a>${one.documentation && html`<div class="soft small cut">${one.documentation}</div>`}</td>
        <td><span class="tag">${TYPES[one.ty]}</span></td><td><span class="row">${one.handlers.slice(0, 6).map((handler) => html`<a class="text" href=${to(["services", one.name, handler.name])}>${handler.name}</a>`)}${one.handlers.length > 6 && html`<span class="faint">+${one.handlers.length - 6}</span>`}</span></td>
        <td class="num wide-only">${one.revision}</td><td class="wide-only"><a class="mono faint" href=${to(["deployments", one.deployment_id])}>${one.deployment_id.slice(0, 12)}…</a></td>
        <td class="wide-only">${one.public ? "public" : html`<span class="tag">private</span>`}</td></tr>`)}</tbody></table></div>`)}</${Show}></div>`;
}

/** @param {{ name: string, handler?: string }} props */
export function Service({ name, handler }) {
  const service = useLoad(() => get(`/services/${part(name)}`), [name]);
  return html`<div class="crumb"><a href="#/services">Services</a> / ${handler ? html`<a href=${to(["services", name])}>${name}</a> / ${handler}` : name}</div>
    <${Show} of=${service}>${(one) => html`<div class="head"><div><h1 class="row">${name}${handler ? `/${handler}` : ""} <span class="tag">${TYPES[one.ty]}</span>${!one.public && html`<span class="tag">private</span>`}</h1>
        ${one.documentation && html`<p class="sub">${one.documentation}</p>`}</div>
        <div class="row"><a class="button" href=${to(["invocations"], { service: name, handler })}><${Icon} name="invocations" />Its invocations</a>${one.ty !== "Service" && html`<a class="button" href=${to(["state", name])}><${Icon} name="state" />Its state</a>`}</div></div>
      ${handler ? html`<${Handler} service=${one} name=${handler} />` : html`<div class="stack"><${HandlerList} service=${one} /><${Versions} service=${one} />
        <${Settings} service=${one} again=${service.again} /></div>`}`}</${Show}>`;
}

/** What a handler may do beside others of its key. @type {Record<string, string>} */
const KINDS = { Exclusive: "one at a time for each key", Shared: "shared, reads", Workflow: "runs once for each key" };

/** @param {{ service: any }} props */
const HandlerList = ({ service }) => html`<section class="card"><header><h2>Handlers</h2>
  <span class="soft">revision ${service.revision} of <a class="text mono" href=${to(["deployments", service.deployment_id])}>${service.deployment_id.slice(0, 12)}…</a></span></header>
  <div class="scroll"><table><thead><tr><th>Handler</th><th>Kind</th><th>Input</th><th>Output</th><th /></tr></thead>
    <tbody>${service.handlers.map((one) => html`<tr class="link">
    <td><a class="strong" href=${to(["services", service.name, one.name])}><b>${one.name}</b></a>${one.documentation && html`<div class="soft small">${one.documentation}</div>`}</td>
    <td class="soft">${KINDS[one.ty] ?? "at any time"}${!one.public && html` <span class="tag">private</span>`}</td><td class="soft">${one.input_description}</td>
      <td class="soft">${one.output_description}</td>
    <td class="num"><a class="button" href=${to(["services", service.name, one.name])}><${Icon} name="play" />Try</a></td></tr>`)}</tbody></table></div></section>`;

/** @param {{ service: any, name: string }} props */
function Handler({ service, name }) {
  const handler = service.handlers.find((one) => one.name === name);
  if (!handler) return html`<div class="note bad"><${Icon} name="alert" />Service ${service.name} has no handler ${name}.</div>`;
  return html`<div class="stack">
    <${Playground} key=${`${service.name}/${name}`} service=${service} handler=${handler} />
    <div class="two"><section class="card"><header><h2>In force</h2><a class="text small" href=${to(["services", service.name])}>Change</a></header>
      <${InForce} of=${handler.in_force} /></section>
      <section class="card"><header><h2>Schemas</h2></header><div class="pad stack">
        ${[["Input", handler.input_json_schema, handler.input_description], ["Output", handler.output_json_schema, handler.output_description]].map(([title, schema, said]) => html`<div class="stack tight"><h3>${title} <span class="soft" style=${{ fontWeight: 400 }}>${said}</span></h3>
          ${schema ? html`<div class="value"><pre tabindex="0">${JSON.stringify(schema, null, 2)}</pre></div>` : html`<p class="soft">Its code declares no schema.</p>`}</div>`)}</div></section></div></div>`;
}

/** @param {{ of: Record<string, { value: any, source: string }> }} props */
const InForce = ({ of }) => html`<div class="scroll"><table class="plain"><tbody>${Object.entries(of).map(([name, { value, source }]) => html`<tr><td class="soft">${label(name)}</td>
  <td>${shown(value)}</td><td class="num">${source === "default" ? html`<span class="faint">default</span>` : html`<span class="tag">${source}</span>`}</td></tr>`)}</tbody></table></div>`;

const label = (name) => name.replace("retry_policy.", "retry: ").replaceAll("_", " ");
const shown = (value) => (value === null ? "unlimited" : typeof value === "boolean" ? (value ? "yes" : "no") : typeof value === "number" ? count(value) : String(value));

/** The deployments that offer it. @param {{ service: any }} props */
function Versions({ service }) {
  const list = useLoad(() => get("/deployments"), [service.name], 5000);
  const offering = (list.value?.deployments ?? []).flatMap((one) => one.services.filter((it) => it.name === service.name).map((it) => ({ ...one, revision: it.revision }))).reverse();
  return html`<section class="card"><header><h2>Versions</h2><span class="soft">What has begun stays on its own; new invocations go to the newest</span></header>
    <div class="scroll"><table><tbody>${offering.map((one) => html`<tr class="link">
    <td>revision ${one.revision}</td><td><a class="strong" href=${to(["deployments", one.id])}>${one.uri ?? one.id}</a></td><td><${Drain} of=${one.drain} /></td>
    <td class="num"><a class="text" href=${to(["invocations"], { service: service.name, deployment: one.id, status: "running,ready,suspended,backing-off,paused" })}>what is in flight there</a></td></tr>`)}</tbody></table></div></section>`;
}

/** What can be set, in the order in which it is shown: its name, kind and what it means. @type {[string, "duration" | "truth" | "number" | "choice", string][]} */
const SETTINGS = [
  ["public", "truth", "It can be called at the ingress."],
  ["idempotency_retention", "duration", "How long results are kept for repeated calls."],
  ["workflow_completion_retention", "duration", "How long a workflow's result and key are kept."],
  ["journal_retention", "duration", "How long journals are kept, to look at and to restart from."],
  ["inactivity_timeout", "duration", "Silence after which a handler is asked to suspend."],
  ["abort_timeout", "duration", "Silence after which its attempt is broken off."],
  ["retry_policy.initial_interval", "duration", "Pause after the first failed attempt."],
  ["retry_policy.exponentiation_factor", "number", "By how much each pause is longer."],
  ["retry_policy.max_interval", "duration", "The longest pause."],
  ["retry_policy.max_attempts", "number", "Attempts, or unlimited."],
  ["retry_policy.on_max_attempts", "choice", "What happens when they are used up."],
];

/** @param {{ service: any, again: () => Promise<void> }} props */
function Settings({ service, again }) {
  const edits = useSignal(/** @type {Record<string, string>} */ ({}));
  const error = useSignal("");
  const rows = SETTINGS.filter(([name]) => service.in_force[name] && (name !== "workflow_completion_retention" || service.ty === "Workflow"));
  const changed = Object.keys(edits.value).length;
  const set = (/** @type {string} */ name, /** @type {string} */ value) => {
    const next = { ...edits.value, [name]: value };
    if (value === text(service.in_force[name].value)) delete next[name];
    edits.value = next;
  };
  const save = async () => {
    error.value = "";
    try {
      await ask("PATCH", `/services/${part(service.name)}`, body(edits.value));
      edits.value = {};
      say(`${service.name}: settings changed, for what begins from now on`);
      await again();
    } catch (reason) {
      error.value = words(reason);
    }
  };
  const reset = (name) => attempt(async () => {
    await ask("PATCH", `/services/${part(service.name)}`, { reset: [name.startsWith("retry_policy.") ? "retry_policy" : name] });
    say(`${label(name)} is again as the code says`);
    await again();
  });
  return html`<section class="card"><header><h2>Settings</h2><span class="soft">Changed here, they count more than the code, until they are reset</span></header>
    <div class="scroll"><table><thead><tr><th>Setting</th><th style=${{ width: "220px" }}>Value</th><th>Said by</th><th /></tr></thead>
      <tbody>${rows.map(([name, kind, means]) => {
      const { value, source } = service.in_force[name];
      const now = edits.value[name] ?? text(value);
      return html`<tr><td><label for=${name}><b style=${{ fontWeight: 550 }}>${label(name)}</b><div class="soft small">${means}</div></label></td>
        <td>${kind === "truth" || kind === "choice" ? html`<select id=${name} value=${now} onChange=${(event) => set(name, event.target.value)}>${(kind === "truth" ? ["true", "false"] : ["Pause", "Kill"]).map((one) => html`<option value=${one}>${one === "true" ? "yes" : one === "false" ? "no" : one}</option>`)}</select>`
          : html`<input id=${name} value=${now} placeholder=${kind === "duration" ? "such as 1d or 10m" : "a number"} onInput=${(event) => set(name, event.target.value)} />`}</td>
        <td>${source === "default" ? html`<span class="faint">default</span>` : html`<span class="tag">${source}</span>`}</td>
        <td class="num">${source === "operator" && html`<button class="button plain" onClick=${() => reset(name)}>Reset</button>`}</td></tr>`;
    })}</tbody></table></div>
    ${error.value && html`<div class="pad"><div class="note bad" role="alert"><${Icon} name="alert" />${error.value}</div></div>`}
    ${changed > 0 && html`<div class="pad row" style=${{ borderTop: "1px solid var(--line)" }}><span class="grow soft">${counted(changed, "change")} not saved</span>
      <button class="button" onClick=${() => (edits.value = {})}>Undo</button><button class="button main" onClick=${save}>Save</button></div>`}</section>`;
}

const text = (value) => (value === null ? "unlimited" : String(value));

/** What the server takes. @param {Record<string, string>} edits */
function body(edits) {
  /** @type {Record<string, any>} */
  const out = {};
  for (const [name, value] of Object.entries(edits)) {
    const given = value === "true" ? true : value === "false" ? false : /(max_attempts|factor)$/.test(name) && /^[\d.]+$/.test(value) ? Number(value) : value;
    if (name.startsWith("retry_policy.")) out.retry_policy = { ...out.retry_policy, [name.slice(13)]: given };
    else out[name] = given;
  }
  return out;
}


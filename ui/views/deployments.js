// Deployments: where handlers run, what still needs each of them, and registering and removing.
import { html, useSignal } from "../vendor/index.js";
import { ask, get, part } from "../parts/api.js";
import { Icon } from "../parts/icons.js";
import { Show, useLoad } from "../parts/load.js";
import { go, route, to } from "../parts/route.js";
import { confirm, Dialog, say, words } from "../parts/say.js";
import { Ago, count, counted, Moment } from "../parts/time.js";
import { Command } from "../parts/value.js";

/** @type {Record<string, { tone: string, icon: string, means: string }>} */
const DRAIN = {
  active: { tone: "ok", icon: "check", means: "It gets new invocations." },
  draining: { tone: "warn", icon: "clock", means: "It gets nothing new, and unfinished invocations still need it." },
  drained: { tone: "idle", icon: "ring", means: "Nothing needs it: it can be removed." },
};

/** @param {{ of: any }} props */
export function Drain({ of }) {
  if (!of) return null;
  const look = DRAIN[of.state] ?? DRAIN.active;
  return html`<span class=${`status t-${look.tone}`} title=${look.means}><${Icon} name=${look.icon} />${of.state}</span>`;
}

export function Deployments() {
  const list = useLoad(() => get("/deployments"), [], 5000);
  const open = route.value.query.has("register");
  return html`<div class="head"><div><h1>Deployments</h1><p class="sub">Where handlers run. New invocations go to the newest that offers their service.</p></div>
    <a class="button main" href="#/deployments?register=1"><${Icon} name="plus" />Register</a></div>
    <div class="card"><${Show} of=${list}>${({ deployments }) => (deployments.length === 0
      ? html`<div class="empty"><h2>No deployments yet</h2><p>Start a program that serves handlers with one of the SDKs, then register where it listens, here or so:</p>
        <${Command} text="latchwork deployments register http://localhost:9080" /></div>`
      : html`<div class="scroll"><table><thead><tr><th>Address</th><th>State</th><th class="num">In flight</th><th class="wide-only">Services</th>
        <th class="wide-only">SDK</th><th class="num wide-only">Registered</th></tr></thead>
      <tbody>${[...deployments].reverse().map((one) => html`<tr class="link"><td><a class="strong" href=${to(["deployments", one.id])}><b>${one.uri ?? one.arn}</b></a>
        <div class="mono faint small">${one.id}</div></td>
        <td><${Drain} of=${one.drain} /></td><td class="num"><a class="text" href=${to(["invocations"], { deployment: one.id, status: "running,ready,suspended,backing-off,paused" })}>${count(one.drain?.pinned_invocations ?? 0)}</a></td>
        <td class="wide-only"><span class="row">${one.services.slice(0, 5).map((service) => html`<a class="text" href=${to(["services", service.name])}>${service.name}</a>`)}${one.services.length > 5 && html`<span class="faint">+${one.services.length - 5}</span>`}</span></td>
        <td class="soft wide-only">${one.sdk_version ?? "–"}</td>
          <td class="num soft wide-only"><${Ago} at=${one.created_at} /></td></tr>`)}</tbody></table></div>`)}</${Show}></div>
    ${open && html`<${Register} close=${() => go("#/deployments", true)} again=${list.again} />`}`;
}

/** @param {{ close: () => void, again: () => Promise<void> }} props */
function Register({ close, again }) {
  const uri = useSignal("http://localhost:9080");
  const http1 = useSignal(false);
  const force = useSignal(false);
  const seen = useSignal(/** @type {any} */ (undefined));
  const error = useSignal("");
  const busy = useSignal(false);
  const run = async (dry) => {
    error.value = "";
    busy.value = true;
    try {
      const done = await ask("POST", "/deployments", { uri: uri.value.trim(), use_http_11: http1.value || undefined, force: force.value || undefined, dry_run: dry || undefined });
      if (dry) seen.value = done;
      else {
        say(`Registered, with ${counted(done.services.length, "service")}`);
        close();
        go(to(["deployments", done.id]));
        await again();
      }
    } catch (reason) {
      seen.value = undefined;
      error.value = words(reason);
    }
    busy.value = false;
  };
  const check = (/** @type {string} */ words, /** @type {Signal<boolean>} */ of) => html`<label class="row tight"><input type="checkbox" checked=${of.value} onChange=${() => (of.value = !of.value)} />${words}</label>`;
  return html`<${Dialog} title="Register a deployment" close=${close} bottom=${html`<button class="button" disabled=${busy.value} onClick=${() => run(true)}>Look first</button>
    <button class="button main" disabled=${busy.value} onClick=${() => run(false)}>Register</button>`}>
    <label class="field"><span>Address <em>as this server reaches it</em></span>
      <input value=${uri.value} onInput=${(event) => (uri.value = event.target.value)} /></label>
    ${check("It speaks HTTP/1.1 only", http1)}${check("Read it again if it is registered already (force)", force)}
    ${error.value && html`<div class="note bad" role="alert"><${Icon} name="alert" />${error.value}</div>`}
    ${seen.value && html`<div class="note"><${Icon} name="check" />
      <div>It offers ${seen.value.services.map((one) => `${one.name} (${one.handlers.length})`).join(", ") || "nothing"}.${(seen.value.info ?? []).map((info) => html`<div>${info.message}</div>`)}</div></div>`}
  </${Dialog}>`;
}

/** @param {{ id: string }} props */
export function Deployment({ id }) {
  const one = useLoad(() => get(`/deployments/${part(id)}`), [id], 5000);
  const moving = useSignal("");
  return html`<div class="crumb"><a href="#/deployments">Deployments</a> / <span class="mono cut">${id}</span></div>
    <${Show} of=${one}>${(it) => html`<div class="head"><div><h1 class="row">${it.uri ?? it.arn} <${Drain} of=${it.drain} /></h1>
      <p class="sub">${DRAIN[it.drain?.state]?.means}</p></div>
      <div class="row"><button class="button" onClick=${() => (moving.value = it.uri ?? "")}><${Icon} name="pen" />Change the address</button>
        <button class="button danger" onClick=${() => remove(it)}><${Icon} name="trash" />Remove</button></div></div>
    <div class="two wide-left"><section class="card"><header><h2>Services</h2></header>
      <table><tbody>${it.services.map((service) => html`<tr class="link"><td><a class="strong" href=${to(["services", service.name])}><b>${service.name}</b></a></td>
      <td class="soft">${counted(service.handlers.length, "handler")}</td><td class="num soft">revision ${service.revision}</td></tr>`)}</tbody></table></section>
    <section class="card"><header><h2>Facts</h2></header><dl class="facts pad"><dt>In flight</dt>
      <dd><a class="text" href=${to(["invocations"], { deployment: id, status: "running,ready,suspended,backing-off,paused" })}>${counted(it.drain?.pinned_invocations ?? 0, "invocation")}</a></dd>
      <dt>Registered</dt><dd><${Moment} at=${it.created_at} /></dd><dt>SDK</dt><dd>${it.sdk_version ?? "–"}</dd><dt>Protocol</dt>
        <dd>${it.min_protocol_version} to ${it.max_protocol_version}</dd><dt>Spoken to by</dt>
        <dd>${it.http_version ?? "–"}, ${it.protocol_type === "RequestResponse" ? "request and response" : "both ways at once"}</dd>
      ${Object.entries(it.metadata ?? {}).map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl></section></div>
    ${moving.value && html`<${Move} of=${it} close=${() => (moving.value = "")} again=${one.again} />`}`}</${Show}>`;
}

/** @param {{ of: any, close: () => void, again: () => Promise<void> }} props */
function Move({ of, close, again }) {
  const uri = useSignal(of.uri ?? "");
  const error = useSignal("");
  const run = async () => {
    try {
      await ask("PATCH", `/deployments/${part(of.id)}`, { uri: uri.value.trim() });
      say("The address is changed");
      close();
      await again();
    } catch (reason) {
      error.value = words(reason);
    }
  };
  return html`<${Dialog} title="Change the address" close=${close} bottom=${html`<button class="button" onClick=${close}>Leave it</button>
    <button class="button main" onClick=${run}>Change</button>`}>
    <p class="soft">What is bound to this deployment goes on there: it must be the same code. New code is a new deployment.</p>
    <label class="field"><span>Address</span><input value=${uri.value} onInput=${(event) => (uri.value = event.target.value)} /></label>
    ${error.value && html`<div class="note bad" role="alert"><${Icon} name="alert" />${error.value}</div>`}</${Dialog}>`;
}

function remove(it) {
  const pinned = it.drain?.pinned_invocations ?? 0;
  const needed = it.drain?.state !== "drained";
  confirm({
    title: `Remove ${it.uri ?? it.id}?`, act: needed ? "Remove all the same" : "Remove", danger: true,
    text: needed ? html`${DRAIN[it.drain?.state]?.means} ${pinned > 0 ? html`<b>${counted(pinned, "unfinished invocation")}</b> would wait until somebody resumes them elsewhere.` : "Calls to its services would be refused."}` : "Nothing needs it.",
    run: async () => {
      await ask("DELETE", `/deployments/${part(it.id)}${needed ? "?force=true" : ""}`);
      say("Removed");
      go("#/deployments");
    },
  });
}

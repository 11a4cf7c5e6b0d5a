// State: what objects and workflows keep, by service and key, to look at and to change.
import { html, useSignal } from "../vendor/index.js";
import { ApiError, ask, get, part, quote, sql } from "../parts/api.js";
import { Icon } from "../parts/icons.js";
import { Bones, Show, Trouble, useLoad } from "../parts/load.js";
import { go, to, toInvocation } from "../parts/route.js";
import { confirm, Dialog, say, words } from "../parts/say.js";
import { counted } from "../parts/time.js";
import { json, utf8, Value } from "../parts/value.js";

/** Keys that are listed at once. */
const KEYS = 200;

/** @param {{ service?: string, of?: string }} props */
export function State({ service, of: key }) {
  const services = useLoad(() => get("/services"), []);
  return html`<div class="head"><div><h1>State</h1><p class="sub">What objects and workflows keep under their keys</p></div></div>
    <${Show} of=${services}>${({ services: all }) => {
      const keyed = all.filter((one) => one.ty !== "Service");
      if (keyed.length === 0) return html`<div class="card empty"><h2>No state yet</h2>
        <p>Virtual objects and workflows keep state under names, for each of their keys. None is registered.</p></div>`;
      const chosen = service ?? keyed[0].name;
      return html`<div class="split"><div class="stack"><div class="card"><ul class="list" aria-label="Services">${keyed.map((one) => html`<li><a href=${to(["state", one.name])} aria-current=${chosen === one.name ? "true" : undefined}>${one.name}
        <span class="faint">${one.ty === "Workflow" ? "workflow" : "object"}</span></a></li>`)}</ul></div>
        <${Keys} key=${chosen} service=${chosen} chosen=${key} /></div>
        ${key === undefined ? html`<div class="card empty"><h2>Choose a key</h2>
          <p>Its values are shown here, and can be changed.</p></div>` : html`<${Entries} key=${`${chosen}/${key}`} service=${chosen} of=${key} />`}</div>`;
    }}</${Show}>`;
}

/** @param {{ service: string, chosen?: string }} props */
function Keys({ service, chosen }) {
  const search = useSignal("");
  const like = search.value.replace(/[\\%_]/g, "\\$&");
  const found = useLoad((stop) => sql(`SELECT service_key, COUNT(*) AS entries FROM state WHERE service_name = ${quote(service)}${like ? ` AND service_key ILIKE ${quote(`%${like}%`)}` : ""} GROUP BY service_key ORDER BY service_key LIMIT ${KEYS + 1}`, stop), [service, search.value], 5000);
  const open = (event) => {
    event.preventDefault();
    if (search.value) go(to(["state", service, search.value]));
  };
  return html`<div class="card"><form class="pad" style=${{ paddingBottom: 0 }} onSubmit=${open}><label class="hidden" for="key">Search keys</label>
    <input id="key" type="search" placeholder="Search keys, Enter opens one" value=${search.value} onInput=${(event) => (search.value = event.target.value)} /></form>
    ${found.error && html`<div class="pad"><${Trouble} error=${found.error} /></div>`}
    ${!found.value ? html`<${Bones} />` : found.value.length === 0 ? html`<p class="pad soft">${search.value ? "No key that holds state is like this." : "No key of it holds state."}</p>` : html`<ul class="list" aria-label="Keys">${found.value.slice(0, KEYS).map((row) => html`<li><a href=${to(["state", service, row.service_key])} aria-current=${row.service_key === chosen ? "true" : undefined}><span class="cut mono">${row.service_key}</span>
      <span class="faint">${row.entries}</span></a></li>`)}</ul>`}
    ${(found.value?.length ?? 0) > KEYS && html`<p class="pad soft small">There are more: search for them.</p>`}</div>`;
}

/** @param {string | number[]} value as the server writes it @returns {Uint8Array} */
const bytesOf = (value) => (typeof value === "string" ? new TextEncoder().encode(value) : Uint8Array.from(value));

/** @param {{ service: string, of: string }} props */
function Entries({ service, of: key }) {
  const path = `/services/${part(service)}/state/${part(key)}`;
  const state = useLoad((stop) => get(path, stop), [path], 3000);
  const editing = useSignal(/** @type {{ name: string, text: string, version: string, isNew: boolean } | undefined} */ (undefined));
  return html`<div class="stack"><section class="card"><header><h2 class="cut">${service}/${key}</h2>
      <div class="row"><a class="button" href=${to(["invocations"], { service, key })}><${Icon} name="invocations" />Its invocations</a>
        <button class="button" disabled=${!state.value} onClick=${() => (editing.value = { name: "", text: "", version: state.value.version, isNew: true })}><${Icon} name="plus" />Add</button>
        <button class="button danger" disabled=${!state.value || Object.keys(state.value.state).length === 0} onClick=${() => clear()}><${Icon} name="trash" />Clear</button></div></header>
    <${Show} of=${state}>${(it) => html`
      ${it.held_by && html`<div class="pad"><div class="note warn"><${Icon} name="info" />
        <div>The key is held by <a href=${toInvocation(it.held_by)}>an invocation</a>, which may be changing it: changes are refused until it is over.</div></div></div>`}
      ${Object.keys(it.state).length === 0 ? html`<div class="empty"><p>This key holds nothing.</p></div>` : Object.entries(it.state).map(([name, value]) => html`<div class="pad stack tight" style=${{ borderTop: "1px solid var(--line)" }} key=${name}>
        <div class="row between"><h3 class="mono">${name}</h3>
          <div class="row tight"><button class="button" aria-label=${`Edit ${name}`} disabled=${utf8(bytesOf(value)) === undefined} onClick=${() => (editing.value = { name, text: pretty(utf8(bytesOf(value)) ?? ""), version: it.version, isNew: false })}><${Icon} name="pen" />Edit</button>
          <button class="button danger" aria-label=${`Delete ${name}`} onClick=${() => drop(name, it.version)}><${Icon} name="trash" /></button></div></div>
            <${Value} bytes=${bytesOf(value)} name=${name} /></div>`)}
      <p class="pad faint small" style=${{ borderTop: "1px solid var(--line)" }}>${counted(Object.keys(it.state).length, "entry", "entries")}, version <span class="mono">${it.version.slice(0, 10)}…</span></p>`}</${Show}></section>
    ${editing.value && html`<${Edit} path=${path} of=${editing.value} close=${() => (editing.value = undefined)} again=${state.again} />`}</div>`;

  /** @param {string} name @param {string} version */
  function drop(name, version) {
    confirm({ title: `Delete ${name}?`, text: `It is taken from the state of ${service}/${key}.`, act: "Delete", danger: true, run: async () => {
      await ask("PATCH", path, { delete: [name], version });
      say(`${name} is deleted`);
      await state.again();
    } });
  }
  function clear() {
    confirm({ title: `Clear ${service}/${key}?`, text: `All ${counted(Object.keys(state.value.state).length, "entry", "entries")} of this key are deleted.`, act: "Clear", danger: true, run: async () => {
      await ask("DELETE", `${path}?version=${part(state.value.version)}`);
      say("The state is cleared");
      await state.again();
    } });
  }
}

/** JSON so that it can be read. @param {string} text */
function pretty(text) {
  const parsed = json(text);
  return parsed ? JSON.stringify(parsed.value, null, 2) : text;
}

/** @param {{ path: string, of: { name: string, text: string, version: string, isNew: boolean }, close: () => void, again: () => Promise<void> }} props */
function Edit({ path, of, close, again }) {
  const name = useSignal(of.name);
  const text = useSignal(of.text);
  const version = useSignal(of.version);
  const theirs = useSignal(/** @type {string | undefined} */ (undefined));
  const error = useSignal("");
  const wasJson = of.isNew || json(of.text) !== undefined;
  const parsed = json(text.value);
  const save = async () => {
    error.value = "";
    try {
      // What was JSON is stored as programs write it, without the blanks that were added to read it.
      await ask("PATCH", path, { set: { [name.value]: parsed ? JSON.stringify(parsed.value) : text.value }, version: version.value });
      say(`${name.value} is changed`);
      close();
      await again();
    } catch (reason) {
      error.value = words(reason);
      if (reason instanceof ApiError && reason.status === 409) {
        const now = await get(path).catch(() => undefined);
        if (now && now.version !== version.value) {
          const bytes = now.state[name.value];
          theirs.value = bytes === undefined ? "(it is gone)" : pretty(utf8(bytesOf(bytes)) ?? "(no text)");
          version.value = now.version;
        }
      }
    }
  };
  return html`<${Dialog} title=${of.isNew ? "Add an entry" : `Edit ${of.name}`} close=${close} bottom=${html`<button class="button" onClick=${close}>Leave it</button>
    <button class="button main" disabled=${!name.value} onClick=${save}>${theirs.value === undefined ? "Save" : "Save over it"}</button>`}>
    ${of.isNew && html`<label class="field"><span>Name</span><input value=${name.value} onInput=${(event) => (name.value = event.target.value)} /></label>`}
    <label class="field"><span>Value <em>${parsed ? "JSON" : "text"}</em></span>
      <textarea rows="9" spellcheck="false" value=${text.value} onInput=${(event) => (text.value = event.target.value)} /></label>
    ${wasJson && !parsed && text.value !== "" && html`<div class="note warn"><${Icon} name="alert" />This is no JSON. Handlers that read it as JSON will fail.</div>`}
    ${error.value && html`<div class="note bad" role="alert"><${Icon} name="alert" />${error.value}</div>`}
    ${theirs.value !== undefined && html`<div class="stack tight"><h3>What is there now</h3><div class="value"><pre>${theirs.value}</pre></div></div>`}
  </${Dialog}>`;
}

// The playground: calls one handler as anybody could, and shows what came back.
import { html, useSignal } from "../vendor/index.js";
import { ingress, shown } from "../parts/api.js";
import { curl, headers, python, typescript, url } from "../parts/code.js";
import { example, Form, hasFields } from "../parts/form.js";
import { Icon } from "../parts/icons.js";
import { useLoad } from "../parts/load.js";
import { toInvocation } from "../parts/route.js";
import { duration } from "../parts/time.js";
import { Copy, Value } from "../parts/value.js";

/** @typedef {{ status: number, ok: boolean, bytes: Uint8Array, id: string | null, took: number } | { error: string }} Answer */

/** @param {{ service: any, handler: any }} props */
export function Playground({ service, handler }) {
  const schema = handler.input_json_schema;
  const takesNothing = handler.input_description === "none";
  const base = useLoad(() => ingress(), []);
  const value = useSignal(example(schema));
  const written = useSignal(takesNothing ? "" : JSON.stringify(value.peek() ?? null, null, 2));
  const asForm = useSignal(hasFields(schema));
  const key = useSignal("");
  const send = useSignal(false);
  const delay = useSignal("");
  const idempotency = useSignal("");
  const answer = useSignal(/** @type {Answer | undefined} */ (undefined));
  const busy = useSignal(false);
  const tongue = useSignal("curl");

  const keyed = service.ty !== "Service";
  const body = takesNothing && written.value.trim() === "" ? "" : asForm.value ? JSON.stringify(value.value) : written.value.trim();
  const call = { base: base.value ?? "http://localhost:8080/", service: service.name, type: service.ty, handler: handler.name, key: key.value, body, send: send.value, delay: delay.value.trim(), idempotency: idempotency.value };
  const code = { curl, TypeScript: typescript, Python: python }[/** @type {"curl" | "TypeScript" | "Python"} */ (tongue.value)](call);
  const wrong = body !== "" && !asForm.value && !isJson(body) ? "The body is no JSON." : "";

  const run = async (event) => {
    event.preventDefault();
    busy.value = true;
    answer.value = undefined;
    const began = performance.now();
    try {
      const reply = await fetch(url(call), { method: "POST", headers: { ...headers(call), ...shown() }, body: body === "" ? undefined : body });
      const bytes = new Uint8Array(await reply.arrayBuffer());
      answer.value = { status: reply.status, ok: reply.ok, bytes, id: reply.headers.get("x-restate-id") ?? idIn(bytes), took: performance.now() - began };
    } catch {
      answer.value = { error: `The ingress at ${call.base} could not be reached from this browser. Is its port open to you?` };
    }
    busy.value = false;
  };
  const switchTo = (form) => {
    if (form) {
      try {
        value.value = JSON.parse(written.value || "null");
      } catch {
        return;
      }
    } else written.value = JSON.stringify(value.value ?? null, null, 2);
    asForm.value = form;
  };
  const text = (/** @type {string} */ name, /** @type {string} */ hint, /** @type {Signal<string>} */ of, required = false) => html`<label class="field"><span>${name} <em>${hint}</em></span>
    <input value=${of.value} required=${required} onInput=${(event) => (of.value = event.target.value)} /></label>`;

  return html`<section class="card"><header><h2>Playground</h2><div class="seg" role="group" aria-label="How it is called">
      <button aria-pressed=${!send.value} onClick=${() => (send.value = false)}>Call and wait</button>
        <button aria-pressed=${send.value} onClick=${() => (send.value = true)}>Send</button></div></header>
    <div class="two even"><form class="pad stack" onSubmit=${run}>
      <div class="fields">${keyed && text("Key", service.ty === "Workflow" ? "one run for each" : "of the object", key, true)}${text("Idempotency key", "(optional)", idempotency)}${send.value && text("Delay", "such as 10s, 1h (optional)", delay)}</div>
      <div class="stack tight"><div class="row between"><h3>Input</h3>${hasFields(schema) && html`<div class="seg" role="group" aria-label="How the input is written"><button type="button" aria-pressed=${asForm.value} onClick=${() => switchTo(true)}>Form</button>
        <button type="button" aria-pressed=${!asForm.value} onClick=${() => switchTo(false)}>JSON</button></div>`}</div>
        ${asForm.value ? html`<${Form} schema=${schema} value=${value.value} required change=${(next) => (value.value = next)} />`
          : html`<textarea rows="7" aria-label="Input as JSON" spellcheck="false" value=${written.value} onInput=${(event) => (written.value = event.target.value)} />`}
        ${wrong && html`<p class="small" style=${{ color: "var(--bad)" }}>${wrong}</p>`}</div>
      <div class="row"><button class="button main" disabled=${busy.value || !base.value}><${Icon} name="play" />${busy.value ? "Waiting for the answer…" : send.value ? "Send" : "Call"}</button>
        <span class="soft small cut">${handler.public && service.public ? call.base : "It is private: the ingress refuses it"}</span></div>
      ${answer.value && html`<${Shown} of=${answer.value} />`}
    </form>
    <div class="pad stack tight" style=${{ alignContent: "start" }}><div class="row between"><div class="seg" role="group" aria-label="Language">${["curl", "TypeScript", "Python"].map((one) => html`<button aria-pressed=${tongue.value === one} onClick=${() => (tongue.value = one)}>${one}</button>`)}</div>
      <${Copy} text=${code} /></div>
      <div class="value"><pre tabindex="0">${code}</pre></div></div></div></section>`;
}

function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The id that the answer to a send holds. @param {Uint8Array} bytes */
function idIn(bytes) {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)).invocationId ?? null;
  } catch {
    return null;
  }
}

/** @param {{ of: Answer }} props */
function Shown({ of }) {
  if ("error" in of) return html`<div class="note bad" role="alert"><${Icon} name="alert" />${of.error}</div>`;
  return html`<div class="stack tight" role="status" aria-label="Answer"><div class="row"><span class=${`status t-${of.ok ? "ok" : "bad"}`}><${Icon} name=${of.ok ? "check" : "cross"} />${of.status}</span>
    <span class="soft">after ${duration(of.took)}</span><span class="grow" />
    ${of.id && html`<a class="button" href=${toInvocation(of.id)}>Follow the invocation <${Icon} name="chevron" /></a>`}</div>
      <${Value} bytes=${of.bytes} name="answer" /></div>`;
}

// One wish for many invocations: how many they are, whether it is meant, and how far it has come.
import { html, useEffect, useRef, useSignal } from "../vendor/index.js";
import { ACTIONS, operateAll } from "../parts/actions.js";
import { all, counted } from "../parts/pages.js";
import { Dialog, say, words } from "../parts/say.js";
import { Icon } from "../parts/icons.js";
import { count, counted as amount } from "../parts/time.js";
import { toInvocation } from "../parts/route.js";

/** Refusals that are told one by one. */
const TOLD = 5;

/**
 * @param {{ action: string, ids?: string[], filter: URLSearchParams, close: () => void, done: () => void }} props
 *   `ids`: these; absent: all that the filter leaves in
 */
export function Bulk({ action: name, ids, filter, close, done }) {
  const action = /** @type {import("../parts/actions.js").Action} */ (ACTIONS.find((one) => one.name === name));
  const total = useSignal(ids?.length ?? 0);
  const step = useSignal(ids ? "ask" : "count");
  const result = useSignal({ succeeded: 0, failed: 0, told: /** @type {{ invocation_id: string, error: string }[]} */ ([]) });
  const error = useSignal("");
  const stop = useRef(new AbortController());

  useEffect(() => {
    if (!ids) {
      counted(filter, stop.current.signal, (so) => (total.value = so))
        .then(() => (step.value = "ask"))
        .catch((reason) => stop.current.signal.aborted || (error.value = words(reason)));
    }
    return () => stop.current.abort();
  }, []);

  const run = async () => {
    step.value = "run";
    try {
      for await (const some of ids ? parts(ids) : found(filter, stop.current.signal)) {
        if (some.length === 0) continue;
        const { succeeded, failed } = await operateAll(some, name, stop.current.signal);
        const so = result.value;
        result.value = {
          succeeded: so.succeeded + succeeded.length,
          failed: so.failed + failed.length,
          told: [...so.told, ...failed].slice(0, TOLD),
        };
      }
      step.value = "done";
      done();
      if (result.value.failed === 0) {
        say(`${amount(result.value.succeeded, "invocation")} ${action.done}`);
        close();
      }
    } catch (reason) {
      if (!stop.current.signal.aborted) error.value = words(reason);
    }
  };
  const so = result.value;
  const running = step.value === "run" && !error.value;
  const bottom = step.value === "done" || error.value
    ? html`<button class="button main" onClick=${close}>Close</button>`
    : html`<button class="button" onClick=${close}>${running ? "Stop here" : "Leave them"}</button>
      <button class=${`button main ${action.danger ? "danger" : ""}`} disabled=${step.value !== "ask" || total.value === 0} onClick=${run}>
        ${action.word} ${amount(total.value, "invocation")}</button>`;
  return html`<${Dialog} title=${`${action.word}: ${step.value === "count" ? "counting" : amount(total.value, "invocation")}`} close=${close} bottom=${bottom}>
    <p class="soft">${action.means}</p>
    ${step.value === "count" && html`<p role="status">${count(total.value)} counted so far…</p>`}
    ${step.value !== "count" && step.value !== "ask" && html`<div role="status" class="stack tight">
      <progress max=${total.value || 1} value=${so.succeeded + so.failed} aria-label="How far it is" />
      <p>${count(so.succeeded)} ${action.done}${so.failed > 0 && html`, <b>${count(so.failed)} refused</b>`}, of ${count(total.value)}</p></div>`}
    ${so.told.map((one) => html`<div class="note bad small"><${Icon} name="alert" /><div><a href=${toInvocation(one.invocation_id)} class="mono">${one.invocation_id}</a>
      <br />${one.error}</div></div>`)}
    ${so.failed > TOLD && html`<p class="soft">and ${count(so.failed - TOLD)} more</p>`}
    ${error.value && html`<div class="note bad" role="alert"><${Icon} name="alert" />${error.value}</div>`}
  </${Dialog}>`;
}

/** @param {string[]} ids */
async function* parts(ids) {
  for (let at = 0; at < ids.length; at += 500) yield ids.slice(at, at + 500);
}

/** @param {URLSearchParams} filter @param {AbortSignal} stop */
async function* found(filter, stop) {
  for await (const some of all(filter, stop)) yield some.ids;
}

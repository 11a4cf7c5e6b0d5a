// What the page says to its user: short messages, and questions before something is done.
import { html, signal, useLayoutEffect, useRef, useSignal } from "../vendor/index.js";
import { Icon } from "./icons.js";
import { ApiError } from "./api.js";

/** @typedef {{ id: number, text: any }} Message */
/** @type {Signal<Message[]>} */
const messages = signal([]);
let last = 0;

/** @param {any} text text or elements */
export function say(text) {
  const id = ++last;
  messages.value = [...messages.value, { id, text }].slice(-4);
  setTimeout(() => drop(id), 7000);
}
const drop = (id) => (messages.value = messages.value.filter((one) => one.id !== id));

export const Messages = () => html`<div class="toasts" role="status" aria-live="polite">
  ${messages.value.map(({ id, text }) => html`<div class="toast" key=${id}><span>${text}</span>
    <button aria-label="Dismiss" onClick=${() => drop(id)}>×</button></div>`)}</div>`;

/**
 * A dialog that is open as long as it is there.
 * @param {{ title: string, close: () => void, kind?: string, children: any, bottom?: any }} props
 */
export function Dialog({ title, close, kind = "", children, bottom }) {
  const box = useRef(/** @type {HTMLDialogElement | null} */ (null));
  // At once: who types on must not type into the page behind.
  useLayoutEffect(() => box.current?.showModal(), []);
  const outside = (event) => event.target === box.current && close();
  return html`<dialog ref=${box} class=${kind} aria-label=${title} onClose=${close} onMouseDown=${outside}>
    ${kind !== "palette" && html`<div class="top"><h2>${title}</h2>
      <button class="button plain icon-only" aria-label="Close" onClick=${close}><${Icon} name="cross" /></button></div>`}
    ${kind === "palette" ? children : html`<div class="body">${children}</div>`}
    ${bottom && html`<div class="bottom">${bottom}</div>`}
  </dialog>`;
}

/** @typedef {{ title: string, text: any, act: string, danger?: boolean, run: () => Promise<any> | void }} Question */
/** @type {Signal<Question | undefined>} */
const asked = signal(undefined);

/** Asks before something is done. @param {Question} question */
export const confirm = (question) => (asked.value = question);

/** The question that is open, if there is one. */
export function Questions() {
  const busy = useSignal(false);
  const error = useSignal("");
  const question = asked.value;
  if (!question) return null;
  const close = () => {
    asked.value = undefined;
    error.value = "";
    busy.value = false;
  };
  const run = async () => {
    busy.value = true;
    error.value = "";
    try {
      await question.run();
      close();
    } catch (reason) {
      error.value = words(reason);
      busy.value = false;
    }
  };
  return html`<${Dialog} title=${question.title} close=${close} bottom=${html`
    <button class="button" onClick=${close}>Leave it</button>
    <button class=${`button main ${question.danger ? "danger" : ""}`} disabled=${busy.value} onClick=${run}>${question.act}</button>`}>
    <div class="soft">${question.text}</div>
    ${error.value && html`<div class="note bad" role="alert"><${Icon} name="alert" />${error.value}</div>`}
  </${Dialog}>`;
}

/** @param {unknown} error */
export function words(error) {
  if (error instanceof ApiError) return error.message;
  return error instanceof Error ? error.message : String(error);
}

/** Does it, and says so if it fails. @param {() => Promise<any>} run */
export async function attempt(run) {
  try {
    return await run();
  } catch (error) {
    say(words(error));
    return undefined;
  }
}

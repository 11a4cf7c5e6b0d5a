// The palette: everything that has a name, a few letters away.
import { html, signal, useEffect, useLayoutEffect, useRef, useSignal } from "../vendor/index.js";
import { get } from "./api.js";
import { Icon } from "./icons.js";
import { go, to, toInvocation } from "./route.js";
import { Dialog } from "./say.js";

/** Whether it is open. */
export const opened = signal(false);

/** @typedef {{ icon: string, text: string, means: string, where: string }} Place */

/** @type {Place[]} */
export const PAGES = [
  { icon: "overview", text: "Overview", means: "g o", where: "#/" },
  { icon: "invocations", text: "Invocations", means: "g i", where: "#/invocations" },
  { icon: "services", text: "Services", means: "g s", where: "#/services" },
  { icon: "deployments", text: "Deployments", means: "g d", where: "#/deployments" },
  { icon: "state", text: "State", means: "g t", where: "#/state" },
  { icon: "sql", text: "SQL", means: "g q", where: "#/sql" },
];

const MORE = [
  { icon: "retry", text: "Invocations that retry", means: "", where: to(["invocations"], { status: "backing-off" }) },
  { icon: "pause", text: "Paused invocations", means: "", where: to(["invocations"], { status: "paused" }) },
  { icon: "cross", text: "Failed invocations", means: "", where: to(["invocations"], { status: "completed", result: "failure" }) },
  { icon: "plus", text: "Register a deployment", means: "", where: "#/deployments?register=1" },
];

export function Palette() {
  const text = useSignal("");
  const at = useSignal(0);
  const places = useSignal(/** @type {Place[]} */ ([]));
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  useLayoutEffect(() => input.current?.focus(), []);
  useEffect(() => {
    get("/services").then(({ services }) => {
      places.value = services.flatMap((service) => [
        { icon: "services", text: service.name, means: "service", where: to(["services", service.name]) },
        ...service.handlers.map((handler) => ({ icon: "play", text: `${service.name}/${handler.name}`, means: "playground", where: to(["services", service.name, handler.name]) })),
      ]);
    }).catch(() => {});
  }, []);
  const wanted = text.value.trim();
  const found = [...PAGES, ...MORE, ...places.value].filter((place) => fits(place.text, wanted)).sort((a, b) => begins(b, wanted) - begins(a, wanted)).slice(0, 12);
  if (/^inv_\w+$/.test(wanted)) found.unshift({ icon: "invocations", text: wanted, means: "open this invocation", where: toInvocation(wanted) });
  else if (wanted) found.push({ icon: "search", text: `Invocations with “${wanted}” in the input`, means: "", where: to(["invocations"], { text: wanted }) });
  const close = () => (opened.value = false);
  const open = (/** @type {Place | undefined} */ place) => {
    if (!place) return;
    close();
    go(place.where);
  };
  const pressed = (event) => {
    const step = { ArrowDown: 1, ArrowUp: found.length - 1 }[event.key];
    if (step !== undefined) {
      event.preventDefault();
      at.value = (at.value + step) % Math.max(found.length, 1);
    } else if (event.key === "Enter") open(found[at.value]);
  };
  return html`<${Dialog} title="Go to" kind="palette" close=${close}>
    <input ref=${input} role="combobox" aria-label="Go to" aria-expanded="true" aria-controls="places" aria-activedescendant=${`place-${at.value}`} placeholder="Go to a page, a service, a handler, an id…" value=${text.value}
      onInput=${(event) => { text.value = event.target.value; at.value = 0; }} onKeyDown=${pressed} />
    <ul class="options" id="places" role="listbox" aria-label="Places">${found.map((place, index) => html`<li id=${`place-${index}`} role="option" aria-selected=${index === at.value} onClick=${() => open(place)} onMouseMove=${() => (at.value = index)}><${Icon} name=${place.icon} />
      <span class="cut">${place.text}</span><span class="soft">${place.means}</span></li>`)}</ul></${Dialog}>`;
}

/** Those that have it in one piece come first. @param {Place} place @param {string} wanted */
const begins = (place, wanted) => Number(place.text.toLowerCase().includes(wanted.toLowerCase()));

/** All letters, in this order. @param {string} text @param {string} wanted */
function fits(text, wanted) {
  let at = 0;
  const low = text.toLowerCase();
  for (const letter of wanted.toLowerCase()) {
    at = low.indexOf(letter, at) + 1;
    if (at === 0) return false;
  }
  return true;
}

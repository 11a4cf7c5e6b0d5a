// Bytes that a user's program made: shown as JSON, text or hexadecimal, to copy and to keep.
import { html, useState } from "../vendor/index.js";
import { Icon } from "./icons.js";
import { say } from "./say.js";
import { size } from "./time.js";

/** Characters that are shown at once; more can be asked for. */
const SHOWN = 20_000;

/** @param {string} text */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    say("Copied");
  } catch {
    // Without https the browser has no clipboard for us, but still the old way.
    const area = document.createElement("textarea");
    area.value = text;
    (document.querySelector("dialog[open]") ?? document.body).append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    say(done ? "Copied" : "The browser does not allow copying here: select the text instead");
  }
}

/** @param {{ text: string, label?: string, plain?: boolean }} props */
export const Copy = ({ text, label = "Copy", plain }) => html`<button class=${`button plain ${plain ? "icon-only" : ""}`}
  aria-label=${label} title=${label} onClick=${(event) => { event.preventDefault(); event.stopPropagation(); copy(text); }}><${Icon} name="copy" />${!plain && label}</button>`;

/** @param {string} name @param {BlobPart} content @param {string} [type] */
export function keep(name, content, type = "application/octet-stream") {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** @param {Uint8Array} bytes @returns {string | undefined} nothing: it is no text */
export function utf8(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** @param {string | undefined} text @returns {{ value: unknown } | undefined} */
export function json(text) {
  if (!text) return undefined;
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

/** Sixteen to a line, with their place in front. @param {Uint8Array} bytes */
function hex(bytes) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = [...bytes.subarray(at, at + 16)];
    const digits = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ").padEnd(47);
    const text = row.map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : "·")).join("");
    lines.push(`${at.toString(16).padStart(6, "0")}  ${digits}  ${text}`);
  }
  return lines.join("\n");
}

/** A text of JSON, with its words in colours. @param {string} text */
function coloured(text) {
  const out = [];
  let from = 0;
  const words = /"(?:\\.|[^"\\])*"(\s*:)?|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\b(?:true|false|null)\b/g;
  for (const found of text.matchAll(words)) {
    const [word, colon] = found;
    out.push(text.slice(from, found.index));
    const kind = colon ? "key" : word[0] === '"' ? "str" : /^[tfn]/.test(word) ? "word" : "num";
    out.push(html`<span class=${`j-${kind}`}>${word}</span>`);
    from = (found.index ?? 0) + word.length;
  }
  out.push(text.slice(from));
  return out;
}

/**
 * @param {{ bytes: Uint8Array | number[], name?: string }} props `name` is that of the file to keep
 */
export function Value({ bytes: given, name = "value" }) {
  const bytes = given instanceof Uint8Array ? given : Uint8Array.from(given);
  const text = utf8(bytes);
  const parsed = json(text);
  const forms = [parsed && "JSON", text !== undefined && "Text", "Hex"].filter(Boolean);
  const [wish, choose] = useState("");
  const [all, showAll] = useState(false);
  if (bytes.length === 0) return html`<div class="value"><pre class="faint">nothing (0 bytes)</pre></div>`;
  const form = forms.includes(wish) ? wish : forms[0];
  const whole = form === "JSON" ? JSON.stringify(parsed?.value, null, 2) : form === "Text" ? text ?? "" : hex(bytes);
  const shown = all ? whole : whole.slice(0, SHOWN);
  const ending = parsed ? "json" : text !== undefined ? "txt" : "bin";
  return html`<div class="value">
    <div class="tools"><span class="kind">${size(bytes.length)}</span>
      ${forms.length > 1 && html`<div class="seg" role="group" aria-label="Shown as">${forms.map((one) => html`
        <button aria-pressed=${form === one} onClick=${() => choose(String(one))}>${one}</button>`)}</div>`}
      <${Copy} text=${whole} plain label="Copy this value" />
      <button class="button plain icon-only" aria-label="Keep this value as a file" title="Download" onClick=${() => keep(`${name}.${ending}`, /** @type {BlobPart} */ (bytes))}><${Icon} name="download" /></button>
    </div>
    <pre tabindex="0">${form === "JSON" ? coloured(shown) : shown}</pre>
    ${shown.length < whole.length && html`<div class="pad"><button class="button" onClick=${() => showAll(true)}>Show all ${size(bytes.length)}</button></div>`}
  </div>`;
}

/** Something to type elsewhere. @param {{ text: string }} props */
export const Command = ({ text }) => html`<div class="copy"><pre>${text}</pre><${Copy} text=${text} plain label="Copy this command" /></div>`;

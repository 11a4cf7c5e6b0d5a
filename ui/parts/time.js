// Times and amounts as people read them. All times are those of this browser's zone, which the
// frame names.
import { html, signal } from "../vendor/index.js";

/** The zone of all times shown. */
export const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** The time, for what tells how long ago something was. Moves once a second while the page is seen. */
export const now = signal(Date.now());
setInterval(() => {
  if (!document.hidden) now.value = Date.now();
}, 1000);

const DAY = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric" });
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

/** @param {string | number | undefined} at @returns {number} ms since 1970 */
export const ms = (at) => (typeof at === "number" ? at : at ? Date.parse(at) : NaN);

/** @param {string | number} at */
export function clock(at) {
  const date = new Date(ms(at));
  return `${CLOCK.format(date)}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

/** With the day. @param {string | number} at */
export const moment = (at) => `${DAY.format(new Date(ms(at)))}, ${clock(at)}`;

/** @param {number} length in ms */
export function duration(length) {
  const abs = Math.abs(length);
  if (!Number.isFinite(abs)) return "–";
  if (abs < 1) return abs === 0 ? "0 ms" : "<1 ms";
  if (abs < 1000) return `${Math.round(abs)} ms`;
  if (abs < 10_000) return `${(abs / 1000).toFixed(2)} s`;
  const s = Math.round(abs / 1000);
  if (s < 60) return `${(abs / 1000).toFixed(1)} s`;
  const [m, h, d] = [Math.floor(s / 60), Math.floor(s / 3600), Math.floor(s / 86400)];
  const two = (/** @type {string} */ large, /** @type {number} */ rest, /** @type {string} */ unit) => (rest ? `${large} ${rest}${unit}` : large);
  if (h < 1) return two(`${m}m`, s % 60, "s");
  if (d < 1) return two(`${h}h`, m % 60, "m");
  return two(`${d}d`, h % 24, "h");
}

/** @param {number} at @param {number} from */
function ago(at, from) {
  const past = from - at;
  if (Math.abs(past) < 1500) return "now";
  const s = Math.round(Math.abs(past) / 1000);
  const text = s < 60 ? `${s}s` : s < 3600 ? `${Math.floor(s / 60)}m` : s < 86400 ? `${Math.floor(s / 3600)}h` : `${Math.floor(s / 86400)}d`;
  return past > 0 ? `${text} ago` : `in ${text}`;
}

/** A time as how long ago it is, and in full to who points at it. @param {{ at?: string | number }} props */
export function Ago({ at }) {
  if (at === undefined) return html`<span class="faint">–</span>`;
  return html`<time datetime=${new Date(ms(at)).toISOString()} title=${`${moment(at)} (${zone})`}>${ago(ms(at), now.value)}</time>`;
}

/** @param {{ at: string | number }} props */
export const Moment = ({ at }) => html`<time datetime=${new Date(ms(at)).toISOString()} title=${zone}>${moment(at)}</time>`;

/** @param {number} bytes */
export function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let at = -1;
  let amount = bytes;
  while (amount >= 1024 && at < units.length - 1) {
    amount /= 1024;
    at += 1;
  }
  return `${amount.toFixed(amount < 10 ? 1 : 0)} ${units[at]}`;
}

const NUMBER = new Intl.NumberFormat();
/** @param {number} value */
export const count = (value) => NUMBER.format(value);

/** @param {number} value a noun follows it @param {string} one @param {string} [many] */
export const counted = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;

/** @param {number} value */
export function rate(value) {
  return value >= 100 ? count(Math.round(value)) : value >= 10 ? value.toFixed(1) : value === 0 ? "0" : value.toFixed(2);
}

// Which invocations: the words that a user types, the chips that stand for them, and the question
// to the server. All of it is in the address, so that it can be kept and sent.
import { STATUSES } from "./status.js";

/** @typedef {{ name: string, value: string }} Term */

/** Words of a filter, and what may follow them. */
export const NAMES = {
  status: "how it stands",
  result: "success or failure",
  service: "the service",
  handler: "the handler",
  key: "the key of an object or workflow",
  deployment: "where it runs",
  since: "created in the last 10m, 2h, 3d",
  from: "created at or after this time",
  until: "created before this time",
  text: "a text in its input",
};

/** Statuses that a filter can name; how it ended is another word. */
export const FILTERABLE = Object.keys(STATUSES).filter((one) => !["succeeded", "failed"].includes(one));

/**
 * What was typed, taken apart: `service:Orders status:paused "some text"`.
 * @param {string} text
 * @returns {{ terms: Term[], id?: string, wrong?: string }}
 */
export function parse(text) {
  /** @type {Term[]} */
  const terms = [];
  for (const found of text.matchAll(/(?:([a-z]+):)?(?:"([^"]*)"|(\S+))/g)) {
    const [word, name, quoted, bare] = found;
    const value = quoted ?? bare;
    if (!name && /^inv_[0-9A-Za-z]+$/.test(value)) return { terms, id: value };
    if (name && !(name in NAMES)) return { terms, wrong: `There is no filter "${name}": use ${Object.keys(NAMES).join(", ")}.` };
    if (name === "since" && span(value) === undefined) return { terms, wrong: `"${word}" is no length of time: write since:30m, since:2h or since:3d.` };
    if ((name === "from" || name === "until") && Number.isNaN(Date.parse(value))) {
      return { terms, wrong: `"${value}" is no time: write it as 2026-01-31T08:00.` };
    }
    const wrong = (name === "status" && value.split(",").find((one) => !FILTERABLE.includes(one)));
    if (wrong) return { terms, wrong: `There is no status "${wrong}": use ${FILTERABLE.join(", ")}.` };
    terms.push({ name: name ?? "text", value });
  }
  return { terms };
}

/** @param {string} text @returns {number | undefined} in ms */
function span(text) {
  const found = /^(\d+)([smhd])$/.exec(text);
  return found ? Number(found[1]) * { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[/** @type {"s" | "m" | "h" | "d"} */ (found[2])] : undefined;
}

/** The chips of an address. @param {URLSearchParams} query @returns {Term[]} */
export const chips = (query) => Object.keys(NAMES).flatMap((name) => {
  const value = query.get(name);
  return value ? [{ name, value }] : [];
});

/**
 * An address with these terms too; a status is one more, anything else replaces what was there.
 * @param {URLSearchParams} query
 * @param {Term[]} terms
 */
export function withTerms(query, terms) {
  const next = new URLSearchParams(query);
  for (const { name, value } of terms) next.set(name, value);
  return next;
}

/** @param {URLSearchParams} query @param {string} name */
export function without(query, name) {
  const next = new URLSearchParams(query);
  next.delete(name);
  return next;
}

/** What the server is asked. @param {URLSearchParams} query @returns {URLSearchParams} */
export function asked(query) {
  const out = new URLSearchParams();
  for (const name of ["status", "result", "service", "handler", "key", "deployment", "text"]) {
    const value = query.get(name);
    if (value) out.set(name, value);
  }
  const since = span(query.get("since") ?? "");
  const from = Date.parse(query.get("from") ?? "");
  const until = Date.parse(query.get("until") ?? "");
  if (since !== undefined) out.set("created_from", String(Date.now() - since));
  if (!Number.isNaN(from)) out.set("created_from", String(from));
  if (!Number.isNaN(until)) out.set("created_to", String(until));
  return out;
}

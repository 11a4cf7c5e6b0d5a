// Pages of invocations: the server looks for a moment and says how far it came; here the parts are
// put together, newest first.
import { get } from "./api.js";
import { ms } from "./time.js";

/** @typedef {Record<string, any>} Row */
/** @typedef {{ rows: Row[], matched: number, looked: number, done: boolean }} Page */

/** @param {Row} a @param {Row} b */
const newestFirst = (a, b) => ms(b.created_at) - ms(a.created_at) || (a.id < b.id ? 1 : -1);

/**
 * The newest that a filter leaves in, after a row of the page before. Tells what it has each time
 * that the server answers.
 * @param {URLSearchParams} filter
 * @param {{ limit: number, after?: Row, stop: AbortSignal, tell: (page: Page) => void }} wish
 * @returns {Promise<Page>}
 */
export async function newest(filter, { limit, after, stop, tell }) {
  /** @type {Page} */
  let page = { rows: [], matched: 0, looked: 0, done: false };
  let resume = "";
  do {
    const query = new URLSearchParams(filter);
    query.set("limit", String(limit));
    if (after) query.set("older_than", `${ms(after.created_at)}.${after.id}`);
    if (resume) query.set("resume", resume);
    const found = await get(`/invocations?${query}`, stop);
    resume = found.resume;
    page = {
      rows: [...page.rows, ...found.invocations].sort(newestFirst).slice(0, limit),
      matched: page.matched + found.matched,
      looked: page.looked + found.looked_at,
      done: !resume,
    };
    tell(page);
  } while (resume);
  return page;
}

/**
 * All that a filter leaves in, some hundreds at a time.
 * @param {URLSearchParams} filter
 * @param {AbortSignal} stop
 * @returns {AsyncGenerator<{ ids: string[], matched: number }>}
 */
export async function* all(filter, stop, limit = 500) {
  let resume = "";
  do {
    const query = new URLSearchParams(filter);
    query.set("order", "any");
    query.set("limit", String(limit));
    if (resume) query.set("resume", resume);
    const found = await get(`/invocations?${query}`, stop);
    resume = found.resume;
    yield { ids: found.invocations.map((/** @type {Row} */ row) => row.id), matched: found.matched };
  } while (resume);
}

/**
 * How many a filter leaves in.
 * @param {URLSearchParams} filter
 * @param {AbortSignal} stop
 * @param {(count: number) => void} tell
 */
export async function counted(filter, stop, tell) {
  let [total, resume] = [0, ""];
  do {
    const query = new URLSearchParams(filter);
    query.set("limit", "0");
    if (resume) query.set("resume", resume);
    const found = await get(`/invocations?${query}`, stop);
    resume = found.resume;
    total += found.matched;
    tell(total);
  } while (resume);
  return total;
}

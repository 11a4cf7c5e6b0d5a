// Where we are: the part of the address behind #, such as #/invocations?status=paused.
import { signal } from "../vendor/index.js";

/** @typedef {{ path: string[], query: URLSearchParams, text: string }} Route */

/** @returns {Route} */
function read() {
  const text = location.hash.replace(/^#\/?/, "");
  const [path, query = ""] = text.split(/\?(.*)/s);
  return { path: path.split("/").filter(Boolean).map(decoded), query: new URLSearchParams(query), text };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** @type {Signal<Route>} */
export const route = signal(read());
addEventListener("hashchange", () => (route.value = read()));

/**
 * @param {string[]} path
 * @param {Record<string, string | undefined> | URLSearchParams} [query]
 */
export function to(path, query = {}) {
  const given = query instanceof URLSearchParams ? query : new URLSearchParams();
  if (!(query instanceof URLSearchParams)) {
    for (const [name, value] of Object.entries(query)) if (value) given.set(name, value);
  }
  const tail = given.toString();
  return `#/${path.map(encodeURIComponent).join("/")}${tail ? `?${tail}` : ""}`;
}

/** @param {string} where @param {boolean} [replace] the way back does not lead here */
export function go(where, replace = false) {
  if (!replace) {
    location.hash = where;
    return;
  }
  history.replaceState(null, "", where);
  route.value = read();
}

/** @param {string} id */
export const toInvocation = (id) => to(["invocations", id]);

// The server: what a page wishes goes out, values or an ApiError with the server's words come in.
import { signal } from "../vendor/index.js";

/** A refusal, in the words of the server. */
export class ApiError extends Error {
  /**
   * @param {number} status 0: there was no answer
   * @param {string} message
   * @param {string | null} code
   */
  constructor(status, message, code = null) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Whether the last request got an answer. */
export const reachable = signal(true);

const STORE = "latchwork.token";
/** Why a token is to be given; empty while none is. */
export const wanted = signal("");
/** The token, which this tab keeps until it is closed. */
export const token = () => sessionStorage.getItem(STORE) ?? "";
/** What shows the token. @returns {Record<string, string>} */
export const shown = () => (token() ? { authorization: `Bearer ${token()}` } : {});

/** Begins anew, with another token or with none. @param {string} [given] */
export function sign(given) {
  if (given) sessionStorage.setItem(STORE, given);
  else sessionStorage.removeItem(STORE);
  location.reload();
}

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body] sent as JSON
 * @param {AbortSignal} [stop]
 * @returns {Promise<any>} what the answer holds; nothing if it has no body
 */
export async function ask(method, path, body, stop) {
  const headers = { accept: "application/json", ...shown() };
  if (body !== undefined) headers["content-type"] = "application/json";
  let reply;
  try {
    reply = await fetch(new URL(`..${path}`, document.baseURI), {
      method, headers, signal: stop, body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (stop?.aborted) throw error;
    reachable.value = false;
    throw new ApiError(0, "The server does not answer. Is it running? This page tries again by itself.");
  }
  reachable.value = true;
  const text = await reply.text();
  const value = text && isJson(reply) ? JSON.parse(text) : text || undefined;
  if (!reply.ok) {
    if (reply.status === 401) wanted.value = value?.message;
    throw new ApiError(reply.status, value?.message ?? `The server answered ${reply.status}.`, value?.restate_code);
  }
  return value;
}

/** @param {Response} reply */
const isJson = (reply) => (reply.headers.get("content-type") ?? "").includes("json");

/** @param {string} path @param {AbortSignal} [stop] */
export const get = (path, stop) => ask("GET", path, undefined, stop);

/**
 * @param {string} query
 * @param {AbortSignal} [stop]
 * @returns {Promise<any[]>} its rows
 */
export async function sql(query, stop) {
  return (await ask("POST", "/query", { query }, stop)).rows;
}

/** A text as SQL writes it. @param {string} text */
export const quote = (text) => `'${text.replaceAll("'", "''")}'`;

/** A part of a path. @param {string} text */
export const part = (text) => encodeURIComponent(text);

/**
 * Where handlers are called, as this browser reaches it: the server knows itself as loopback where
 * it listens everywhere, and we may be elsewhere.
 * @returns {Promise<string>} ends with a slash
 */
export async function ingress() {
  const { ingress_endpoint: told } = await version();
  const url = new URL(told ?? "http://127.0.0.1:8080/");
  const isHere = (name) => ["127.0.0.1", "localhost", "[::1]"].includes(name);
  if (isHere(url.hostname) && !isHere(location.hostname)) url.hostname = location.hostname;
  return url.href;
}

/** @type {Promise<any> | undefined} */
let known;
/** @returns {Promise<{version: string, ingress_endpoint?: string}>} */
export function version() {
  known ??= get("/version").catch((error) => {
    known = undefined;
    throw error;
  });
  return known;
}

// A journal, understood: rows as the server stores them come in, steps go out, each with what it
// waited for and what came of it. Which steps held up the end is found here too.
import { ms } from "./time.js";

/**
 * @typedef {object} Step
 * @property {number} index its place in the journal
 * @property {number} command its number among the commands, the input being 0; -1 for what is none
 * @property {string} type such as Run or Call
 * @property {string} icon
 * @property {string} tone
 * @property {string} title
 * @property {string} name what the user called it
 * @property {number} from when it was recorded
 * @property {number | undefined} to when what it waits for came; absent: it waits
 * @property {boolean} waits it takes time: something has to come
 * @property {string | undefined} child the invocation it called
 * @property {any} fields
 * @property {any} answer the fields of what completed it
 * @property {boolean} failed
 * @property {number | undefined} due when a sleep is over
 */

/** @type {Record<string, { icon: string, tone: string, word: string, waits?: boolean }>} */
const KINDS = {
  Input: { icon: "input", tone: "idle", word: "Input" },
  Output: { icon: "output", tone: "ok", word: "Output" },
  Run: { icon: "run", tone: "run", word: "Run", waits: true },
  Sleep: { icon: "clock", tone: "wait", word: "Sleep", waits: true },
  Call: { icon: "call", tone: "run", word: "Call", waits: true },
  OneWayCall: { icon: "send", tone: "idle", word: "Send" },
  GetPromise: { icon: "promise", tone: "wait", word: "Promise", waits: true },
  PeekPromise: { icon: "promise", tone: "idle", word: "Peek promise", waits: true },
  CompletePromise: { icon: "promise", tone: "ok", word: "Complete promise" },
  GetLazyState: { icon: "state", tone: "idle", word: "Get state" },
  GetEagerState: { icon: "state", tone: "idle", word: "Get state" },
  GetLazyStateKeys: { icon: "state", tone: "idle", word: "State keys" },
  GetEagerStateKeys: { icon: "state", tone: "idle", word: "State keys" },
  SetState: { icon: "state", tone: "idle", word: "Set state" },
  ClearState: { icon: "state", tone: "idle", word: "Clear state" },
  ClearAllState: { icon: "state", tone: "idle", word: "Clear all state" },
  SendSignal: { icon: "signal", tone: "idle", word: "Send signal" },
  AttachInvocation: { icon: "call", tone: "wait", word: "Attach", waits: true },
  GetInvocationOutput: { icon: "call", tone: "idle", word: "Get output", waits: true },
  CompleteAwakeable: { icon: "signal", tone: "ok", word: "Complete awakeable" },
  Signal: { icon: "signal", tone: "ok", word: "Signal" },
};

/** Only shown when asked for: there are many of them, and they take no time. */
export const isState = (/** @type {Step} */ step) => step.icon === "state";

/**
 * @param {any[]} entries
 * @returns {Step[]}
 */
export function steps(entries) {
  /** @type {Step[]} */
  const out = [];
  /** Steps by the completion that they wait for. @type {Map<number, Step>} */
  const open = new Map();
  let command = 0;
  for (const entry of entries) {
    const told = parsed(entry.entry_json);
    const [type, fields] = Object.entries(told?.Command ?? {})[0] ?? [];
    if (type) {
      const step = made(entry, type, fields, command++);
      out.push(step);
      if (step.waits) open.set(fields.result_completion_id ?? fields.completion_id, step);
      continue;
    }
    const completion = Object.entries(told?.Notification?.Completion ?? {})[0];
    if (completion) {
      const [, fields] = completion;
      const step = open.get(fields.completion_id);
      if (step) {
        step.to = ms(entry.appended_at);
        step.answer = fields;
        step.failed = isFailure(fields.result);
      }
      continue;
    }
    const signal = told?.Notification?.Signal;
    if (signal) {
      const step = made(entry, "Signal", signal, -1);
      const [kind, id] = Object.entries(signal.id)[0];
      step.name = kind === "Name" ? String(id) : id === 1 ? "cancellation" : `awakeable ${id}`;
      step.failed = isFailure(signal.result);
      out.push(step);
      continue;
    }
    if (/^Command: /.test(entry.entry_type)) out.push(made(entry, entry.entry_type.slice(9), {}, command++));
  }
  return out;
}

/** @param {string | undefined} text */
function parsed(text) {
  try {
    return JSON.parse(text ?? "null");
  } catch {
    return undefined;
  }
}

const isFailure = (result) => Boolean(result && typeof result === "object" && "Failure" in result);

/** @param {any} entry @param {string} type @param {any} fields @param {number} command @returns {Step} */
function made(entry, type, fields, command) {
  const kind = KINDS[type] ?? { icon: "ring", tone: "idle", word: type };
  const failed = type === "Output" && isFailure(fields.result);
  const from = ms(entry.appended_at);
  const waits = Boolean(kind.waits);
  return {
    index: entry.index, command, type, icon: kind.icon, tone: failed ? "bad" : kind.tone, title: kind.word, from,
    to: waits ? undefined : from, waits, failed, fields, answer: undefined,
    name: entry.name || entry.invoked_target || entry.promise_name || keyOf(fields) || "",
    child: entry.invoked_id,
    due: entry.sleep_wakeup_at ? ms(entry.sleep_wakeup_at) : undefined,
  };
}

function keyOf(fields) {
  const key = fields?.key;
  if (typeof key === "string") return key;
  return Array.isArray(key) ? new TextDecoder().decode(Uint8Array.from(key)) : "";
}

/**
 * The bytes that a step carries, with what they are.
 * @param {Step} step
 * @returns {{ label: string, bytes?: number[], failure?: any }[]}
 */
export function values(step) {
  /** @type {{ label: string, bytes?: number[], failure?: any }[]} */
  const out = [];
  const { fields, answer } = step;
  const put = (/** @type {string} */ label, value) => {
    if (Array.isArray(value) && (value.length === 0 || typeof value[0] === "number")) out.push({ label, bytes: value });
    else if (value?.Success) out.push({ label, bytes: value.Success });
    else if (value?.Failure) out.push({ label, failure: value.Failure });
    else if (Array.isArray(value)) out.push({ label, bytes: [...new TextEncoder().encode(JSON.stringify(value))] });
  };
  put("Input", fields?.payload);
  put("What it was called with", fields?.request?.parameter);
  put("Value", fields?.value);
  put(step.type === "Output" ? "Output" : "Result", fields?.result);
  put("State keys", fields?.state_keys);
  put("What came back", answer?.result);
  put("State keys", answer?.state_keys);
  return out;
}

/**
 * The steps that the end, or now, had to wait for: from the end backwards, each time the one that
 * ended last before.
 * @param {Step[]} all
 * @param {number} end
 * @returns {Set<number>} their indexes
 */
export function critical(all, end) {
  const found = new Set();
  const waited = all.filter((step) => step.waits);
  let at = end;
  for (;;) {
    const before = waited.filter((step) => !found.has(step.index) && step.from < at && (step.to ?? end) <= at + 1);
    const last = before.reduce((best, step) => (best === undefined || (step.to ?? end) > (best.to ?? end) || ((step.to ?? end) === (best.to ?? end) && step.from < best.from) ? step : best), /** @type {Step | undefined} */ (undefined));
    if (!last) return found;
    found.add(last.index);
    at = last.from;
  }
}

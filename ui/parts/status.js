// How an invocation stands: each status has a shape, a word and a colour.
import { html } from "../vendor/index.js";
import { Icon } from "./icons.js";

/** @typedef {{ icon: string, tone: string, word: string, means: string }} Look */

/** @type {Record<string, Look>} */
export const STATUSES = {
  running: { icon: "play", tone: "run", word: "running", means: "An attempt runs." },
  ready: { icon: "ring", tone: "run", word: "ready", means: "It waits for a slot." },
  suspended: { icon: "moon", tone: "wait", word: "suspended", means: "It waits for something, and holds no resource." },
  "backing-off": { icon: "retry", tone: "warn", word: "backing off", means: "The last attempt failed; another one is to come." },
  paused: { icon: "pause", tone: "warn", word: "paused", means: "Somebody must resume it." },
  pending: { icon: "queue", tone: "idle", word: "pending", means: "Another one holds its key." },
  scheduled: { icon: "clock", tone: "idle", word: "scheduled", means: "Its time has not come." },
  succeeded: { icon: "check", tone: "ok", word: "succeeded", means: "It ended with a value." },
  failed: { icon: "cross", tone: "bad", word: "failed", means: "It ended with a failure." },
  completed: { icon: "check", tone: "ok", word: "completed", means: "It is over." },
};

/**
 * The status, with how it ended if it is over.
 * @param {{ status: string, completion_result?: string }} row
 */
function standing({ status, completion_result }) {
  if (status !== "completed") return status;
  return completion_result === "failure" ? "failed" : completion_result ? "succeeded" : "completed";
}

/** @param {{ of: { status: string, completion_result?: string } }} props */
export function Status({ of }) {
  const look = STATUSES[standing(of)] ?? { icon: "ring", tone: "idle", word: of.status, means: "" };
  return html`<span class=${`status t-${look.tone}`} title=${look.means}><${Icon} name=${look.icon} />${look.word}</span>`;
}

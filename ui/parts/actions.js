// What an operator can do with invocations: words, when it makes sense, and how it is asked.
import { ask, part } from "./api.js";

/**
 * @typedef {{ name: string, word: string, icon: string, danger?: boolean, done: string, means: string, fits: (status: string) => boolean }} Action
 */

const OVER = (status) => status === "completed";
const STARTED = ["running", "ready", "suspended", "backing-off", "paused"];

/** @type {Action[]} */
export const ACTIONS = [
  { name: "cancel", word: "Cancel", icon: "cross", danger: true, done: "asked to stop", means: "It is asked to stop: its handler sees a failure at its next step, and can undo what it did. What it called is cancelled too.", fits: (status) => !OVER(status) },
  { name: "kill", word: "Kill", icon: "alert", danger: true, done: "killed", means: "It ends at once, with all that it called. Its handler can undo nothing.", fits: (status) => !OVER(status) },
  { name: "pause", word: "Pause", icon: "pause", done: "paused", means: "It gets no further attempt until somebody resumes it.", fits: (status) => ["running", "ready", "suspended", "backing-off"].includes(status) },
  { name: "resume", word: "Resume", icon: "play", done: "resumed", means: "It goes on at once, without waiting for its next attempt.", fits: (status) => STARTED.includes(status) && status !== "running" },
  { name: "restart-as-new", word: "Restart as new", icon: "retry", done: "restarted", means: "A new invocation begins with the same input. This one stays as it is.", fits: OVER },
  { name: "purge", word: "Purge", icon: "trash", danger: true, done: "forgotten", means: "It is forgotten, with its journal and its result.", fits: OVER },
];

/**
 * @param {string} id
 * @param {string} action
 * @param {Record<string, string | undefined>} [options]
 */
export function operate(id, action, options = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(options)) if (value) query.set(name, value);
  const tail = query.size ? `?${query}` : "";
  return ask("PATCH", `/invocations/${part(id)}/${action}${tail}`);
}

/**
 * @param {string[]} ids at most as many as the server takes
 * @param {string} action
 * @param {AbortSignal} [stop]
 * @returns {Promise<{ succeeded: unknown[], failed: { invocation_id: string, error: string }[] }>}
 */
export const operateAll = (ids, action, stop) =>
  ask("POST", `/internal/invocations_batch_operations/${action}`, { invocation_ids: ids }, stop);

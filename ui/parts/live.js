// What the server does, as it does it: one stream of events, as long as somebody looks.
import { signal, useEffect } from "../vendor/index.js";
import { shown } from "./api.js";

/**
 * @typedef {{ accepted: number, succeeded: number, failed: number, attempts_failed: number, p50_ms: number | null, p99_ms: number | null }} Counts
 * @typedef {Counts & { at: number, over_ms: number }} Sample
 * @typedef {Counts & { service: string, handler: string }} HandlerHour
 * @typedef {{ running: number, slots: number, ready: number, partitions: any[], disk_free: number | null, disk_size: number | null, troubles: string[] }} Now
 * @typedef {{ samples: Sample[], handlers: HandlerHour[], now: Now, census: any }} Board
 */

/** Samples of an hour. */
const SAMPLES = 720;

export const board = signal(/** @type {Board | undefined} */ (undefined));
/** Whether the stream is open. */
export const connected = signal(false);

/** Before the next try when the stream has ended, in ms. */
const PAUSE = 3000;

/** Reads events until the stream ends. @param {AbortSignal} stop */
async function read(stop) {
  // An EventSource could show no token.
  const reply = await fetch(new URL("../live", document.baseURI), { headers: shown(), signal: stop });
  if (!reply.ok || !reply.body) return;
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; ;) {
    const { done, value } = await reader.read();
    if (done) return;
    const events = (text + value).split("\n\n");
    text = events.pop() ?? "";
    for (const event of events) {
      const { event: name, data } = Object.fromEntries(event.split("\n").map((line) => line.split(/: ?(.*)/s)));
      if (!data) continue;
      const { sample, ...rest } = JSON.parse(data);
      const samples = board.value?.samples ?? [];
      board.value = name === "all" ? rest : { ...rest, samples: sample ? [...samples, sample].slice(-SAMPLES) : samples };
      connected.value = true;
    }
  }
}

/** Keeps the stream open while the component is there and its page is seen. */
export function useBoard() {
  useEffect(() => {
    let stop = new AbortController();
    const close = () => {
      stop.abort();
      connected.value = false;
    };
    const open = async () => {
      close();
      if (document.hidden) return;
      const { signal: own } = (stop = new AbortController());
      while (!own.aborted) {
        await read(own).catch(() => {});
        if (own.aborted) return;
        connected.value = false;
        await new Promise((wake) => setTimeout(wake, PAUSE));
      }
    };
    document.addEventListener("visibilitychange", open);
    open();
    return () => {
      document.removeEventListener("visibilitychange", open);
      close();
    };
  }, []);
}

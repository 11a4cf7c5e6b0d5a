// What the server does, as it does it: one stream of events, as long as somebody looks.
import { signal, useEffect } from "../vendor/index.js";

/**
 * @typedef {{ at: number, over_ms: number, accepted: number, succeeded: number, failed: number, attempts_failed: number, p50_ms: number | null, p99_ms: number | null }} Sample
 * @typedef {{ service: string, handler: string, accepted: number, succeeded: number, failed: number, attempts_failed: number, p50_ms: number | null, p99_ms: number | null }} HandlerHour
 * @typedef {{ running: number, slots: number, ready: number, partitions: any[], disk_free: number | null, disk_size: number | null, troubles: string[] }} Now
 * @typedef {{ samples: Sample[], handlers: HandlerHour[], now: Now, census: any }} Board
 */

/** Samples of an hour. */
const SAMPLES = 720;

/** @type {import("../vendor/index.js").Signal<Board | undefined>} */
export const board = signal(undefined);
/** Whether the stream is open. */
export const connected = signal(false);

/** Keeps the stream open while the component is there and its page is seen. */
export function useBoard() {
  useEffect(() => {
    /** @type {EventSource | undefined} */
    let source;
    const open = () => {
      source?.close();
      connected.value = false;
      if (document.hidden) return;
      source = new EventSource(new URL("../live", document.baseURI));
      source.addEventListener("all", (event) => {
        board.value = JSON.parse(event.data);
        connected.value = true;
      });
      source.addEventListener("change", (event) => {
        const { sample, ...rest } = JSON.parse(event.data);
        const samples = board.value?.samples ?? [];
        board.value = { ...rest, samples: sample ? [...samples, sample].slice(-SAMPLES) : samples };
      });
      // The browser connects again by itself.
      source.addEventListener("error", () => (connected.value = false));
    };
    document.addEventListener("visibilitychange", open);
    open();
    return () => {
      document.removeEventListener("visibilitychange", open);
      source?.close();
      connected.value = false;
    };
  }, []);
}

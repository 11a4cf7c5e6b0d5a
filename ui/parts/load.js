// Values that come later: what a page shows while it waits, when it fails, and when they change.
import { html, useEffect, useSignal } from "../vendor/index.js";
import { Icon } from "./icons.js";

/**
 * @template T
 * @typedef {{ value?: T, error?: Error, again: () => Promise<void> }} Loaded
 */

/**
 * Asks when what it depends on changes, and every so often while the page is seen. What came before
 * stays until there is something newer.
 * @template T
 * @param {(stop: AbortSignal) => Promise<T>} load
 * @param {unknown[]} over what the question depends on
 * @param {number | ((value: T | undefined) => number)} [every] ms between two questions; 0: never
 * @returns {Loaded<T>}
 */
export function useLoad(load, over, every = 0) {
  const state = useSignal(/** @type {{ value?: T, error?: Error }} */ ({}));
  const again = useSignal(/** @type {() => Promise<void>} */ (async () => {}));
  useEffect(() => {
    const stop = new AbortController();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    const pause = () => (typeof every === "function" ? every(state.peek().value) : every);
    const turn = async () => {
      clearTimeout(timer);
      try {
        const value = await load(stop.signal);
        if (stop.signal.aborted) return;
        state.value = { value };
      } catch (error) {
        if (stop.signal.aborted) return;
        state.value = { value: state.peek().value, error: /** @type {Error} */ (error) };
      }
      const wait = state.peek().error ? Math.max(pause(), 3000) : pause();
      if (wait > 0) timer = setTimeout(next, wait);
    };
    // A page that nobody sees asks nothing; it catches up when it is seen again.
    const next = () => (document.hidden ? undefined : turn());
    const seen = () => {
      if (!document.hidden && pause() > 0) turn();
    };
    document.addEventListener("visibilitychange", seen);
    state.value = {};
    again.value = turn;
    turn();
    return () => {
      stop.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    };
  }, over);
  return { ...state.value, again: again.value };
}

/** Why something is not shown. @param {{ error: Error, again?: () => void }} props */
export const Trouble = ({ error, again }) => html`<div class="note bad" role="alert"><${Icon} name="alert" />
  <div class="grow">${error.message}</div>
  ${again && html`<button class="button" onClick=${again}>Try again</button>`}</div>`;

/** Lines where text will be. @param {{ lines?: number }} props */
export const Bones = ({ lines = 4 }) => html`<div class="pad stack tight" aria-busy="true" aria-label="Loading">
  ${Array.from({ length: lines }, (_, at) => html`<i class="bone" style=${{ width: `${92 - ((at * 37) % 45)}%` }} />`)}</div>`;

/**
 * What came, or what is said instead.
 * @template T
 * @param {{ of: Loaded<T>, lines?: number, children: (value: T) => any }} props
 */
export function Show({ of, lines, children }) {
  if (of.value !== undefined) {
    return html`${of.error && html`<${Trouble} error=${of.error} again=${of.again} />`}${children(of.value)}`;
  }
  return of.error ? html`<${Trouble} error=${of.error} again=${of.again} />` : html`<${Bones} lines=${lines} />`;
}

// What `tsc` is to know of the libraries: no more than the pages use.

/** What a template comes to. */
export type Element = any;

declare global {
  interface Signal<T> {
    value: T;
    peek(): T;
  }
}
export interface Computed<T> {
  readonly value: T;
  peek(): T;
}
export const Fragment: unique symbol;
export function html(parts: TemplateStringsArray, ...values: unknown[]): Element;
export function render(what: Element, into: HTMLElement): void;
export function signal<T>(first: T): Signal<T>;
export function computed<T>(make: () => T): Computed<T>;
export function effect(run: () => void | (() => void)): () => void;
export function batch<T>(run: () => T): T;
export function useSignal<T>(first: T): Signal<T>;
export function useComputed<T>(make: () => T): Computed<T>;
export function useState<T>(first: T | (() => T)): [T, (next: T | ((old: T) => T)) => void];
export function useRef<T>(first: T): { current: T };
export function useMemo<T>(make: () => T, over: unknown[]): T;
export function useEffect(run: () => void | (() => void), over?: unknown[]): void;
export function useLayoutEffect(run: () => void | (() => void), over?: unknown[]): void;

// Keys: what is pressed outside of fields, and what is done then.

/** @param {EventTarget | null} target */
const isField = (target) => target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) && /** @type {HTMLInputElement} */ (target).type !== "checkbox");

/**
 * Does what belongs to a key, until the returned function is called. Two keys one after the other
 * are written with a blank: `g i`.
 * @param {Record<string, (event: KeyboardEvent) => void>} bound
 * @returns {() => void}
 */
export function keys(bound) {
  let before = "";
  const pressed = (event) => {
    if (isField(event.target) || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    // A link or button that has the focus is pressed with Enter, whatever the page does with it.
    if (event.key === "Enter" && event.target instanceof HTMLElement && event.target.closest("a, button, summary")) return;
    const run = bound[`${before} ${event.key}`] ?? bound[event.key];
    before = event.key;
    if (!run) return;
    event.preventDefault();
    run(event);
  };
  addEventListener("keydown", pressed);
  return () => removeEventListener("keydown", pressed);
}

// A form of a JSON schema: the schema comes in, a value that fits it goes out. What the form has no
// field for is written as JSON.
import { html } from "../vendor/index.js";

/** @typedef {Record<string, any>} Schema */

/** Refers to a part of itself? @param {Schema} schema @param {Schema} root @returns {Schema} */
function resolved(schema, root) {
  const found = /^#\/(\$defs|definitions)\/(.+)$/.exec(schema?.$ref ?? "");
  return found ? root[found[1]]?.[found[2]] ?? {} : schema;
}

/** @param {Schema} schema */
const typeOf = (schema) => (Array.isArray(schema?.type) ? schema.type.find((one) => one !== "null") : schema?.type);

/** Whether there are fields for it. @param {Schema | undefined} schema */
export function hasFields(schema) {
  if (!schema) return false;
  const root = resolved(schema, schema);
  return ["object", "string", "number", "integer", "boolean"].includes(typeOf(root)) || Array.isArray(root.enum);
}

/** A value to begin with. @param {Schema | undefined} schema @param {Schema} [root] @returns {any} */
export function example(schema, root = schema ?? {}) {
  if (!schema) return undefined;
  const own = resolved(schema, root);
  if (own.default !== undefined) return own.default;
  if (own.examples?.length) return own.examples[0];
  if (own.const !== undefined) return own.const;
  if (own.enum) return own.enum[0];
  switch (typeOf(own)) {
    case "object": {
      /** @type {Record<string, any>} */
      const made = {};
      const wanted = own.required ?? Object.keys(own.properties ?? {});
      for (const name of wanted) made[name] = example(own.properties?.[name] ?? {}, root);
      return made;
    }
    case "array": return [];
    case "string": return "";
    case "integer": case "number": return own.minimum ?? 0;
    case "boolean": return false;
    default: return null;
  }
}

/**
 * @param {{ schema: Schema, root?: Schema, value: any, name?: string, required?: boolean, change: (value: any) => void }} props
 * @returns {any}
 */
export function Form({ schema, root = schema, value, name = "", required, change }) {
  const own = resolved(schema, root);
  const type = typeOf(own);
  const label = html`<span>${name || "Value"} ${own.description && html`<em>${own.description}</em>`}${required === false && html`<em> (optional)</em>`}</span>`;
  if (type === "object" && own.properties) {
    const given = value && typeof value === "object" ? value : {};
    const fields = Object.entries(own.properties).map(([field, inner]) => html`<${Form} key=${field} schema=${inner} root=${root}
      name=${field} required=${(own.required ?? []).includes(field)} value=${given[field]}
      change=${(next) => change(withField(given, field, next))} />`);
    return name ? html`<fieldset><legend>${name}</legend><div class="fields">${fields}</div></fieldset>` : html`<div class="fields">${fields}</div>`;
  }
  if (own.enum) {
    return html`<label class="field">${label}<select value=${JSON.stringify(value)} onChange=${(event) =>
      change(event.target.value === "" ? undefined : JSON.parse(event.target.value))}>
      ${!required && html`<option value="">–</option>`}
      ${own.enum.map((one) => html`<option value=${JSON.stringify(one)}>${String(one)}</option>`)}</select></label>`;
  }
  if (type === "boolean") {
    return html`<label class="field">${label}<span class="row"><input type="checkbox" checked=${value === true}
      onChange=${(event) => change(event.target.checked)} /></span></label>`;
  }
  if (type === "integer" || type === "number") {
    return html`<label class="field">${label}<input type="number" step=${type === "integer" ? 1 : "any"} min=${own.minimum} max=${own.maximum}
      value=${value ?? ""} onInput=${(event) => change(event.target.value === "" ? undefined : Number(event.target.value))} /></label>`;
  }
  if (type === "string") {
    return html`<label class="field">${label}<input type="text" value=${value ?? ""} maxlength=${own.maxLength}
      onInput=${(event) => change(event.target.value === "" && !required ? undefined : event.target.value)} /></label>`;
  }
  return html`<label class="field">${label}<textarea rows="3" spellcheck="false" onChange=${(event) => {
    try {
      change(event.target.value.trim() === "" ? undefined : JSON.parse(event.target.value));
      event.target.setCustomValidity("");
    } catch {
      event.target.setCustomValidity("This is no JSON");
      event.target.reportValidity();
    }
  }}>${value === undefined ? "" : JSON.stringify(value)}</textarea></label>`;
}

/** @param {Record<string, any>} given @param {string} field @param {any} next */
function withField(given, field, next) {
  const made = { ...given, [field]: next };
  if (next === undefined) delete made[field];
  return made;
}

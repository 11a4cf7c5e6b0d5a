// A call of a handler, as one would write it elsewhere.

/**
 * @typedef {object} Call
 * @property {string} base where handlers are called, ending with a slash
 * @property {string} service
 * @property {"Service" | "VirtualObject" | "Workflow"} type
 * @property {string} handler
 * @property {string} key empty for plain services
 * @property {string} body
 * @property {boolean} send do not wait for its end
 * @property {string} delay such as 10s; empty for none
 * @property {string} idempotency a key, or empty
 */

/** Where it is called. @param {Call} call */
export function url(call) {
  const parts = [call.service, ...(call.type === "Service" ? [] : [call.key]), call.handler, ...(call.send ? ["send"] : [])];
  const path = parts.map(encodeURIComponent).join("/");
  return `${call.base}${path}${call.send && call.delay ? `?delay=${encodeURIComponent(call.delay)}` : ""}`;
}

/** @param {Call} call */
export function headers(call) {
  /** @type {Record<string, string>} */
  const given = {};
  if (call.body !== "") given["content-type"] = "application/json";
  if (call.idempotency) given["idempotency-key"] = call.idempotency;
  return given;
}

const shell = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** @param {Call} call */
export function curl(call) {
  const lines = [`curl ${shell(url(call))}`];
  if (call.idempotency) lines.push(`-H ${shell(`idempotency-key: ${call.idempotency}`)}`);
  lines.push(call.body === "" ? "-X POST" : `--json ${shell(call.body)}`);
  return lines.join(" \\\n  ");
}

/** With the client of the TypeScript SDK. @param {Call} call */
export function typescript(call) {
  const kind = { Service: "service", VirtualObject: "object", Workflow: "workflow" }[call.type];
  const maker = `${kind}${call.send && call.type !== "Workflow" ? "Send" : ""}Client`;
  const key = call.type === "Service" ? "" : `, ${JSON.stringify(call.key)}`;
  const options = [
    call.idempotency && `idempotencyKey: ${JSON.stringify(call.idempotency)}`,
    call.send && call.delay && `delay: ${JSON.stringify(call.delay)}`,
  ].filter(Boolean).join(", ");
  const made = call.send ? "clients.rpc.sendOpts" : "clients.rpc.opts";
  const given = [call.body, options && `${made}({ ${options} })`].filter(Boolean).join(", ");
  const method = call.type === "Workflow" && call.handler === "run" ? "workflowSubmit" : call.handler;
  return `import * as clients from "@restatedev/restate-sdk-clients";

const ingress = clients.connect({ url: ${JSON.stringify(call.base)} });
const answer = await ingress
  .${maker}({ name: ${JSON.stringify(call.service)} }${key})
  .${method}(${given});`;
}

/** Within a handler of the Python SDK. @param {Call} call */
export function python(call) {
  const kind = { Service: "service", VirtualObject: "object", Workflow: "workflow" }[call.type];
  const lines = [
    `"${call.service}", "${call.handler}"`,
    `arg=${call.body === "" ? "b\"\"" : `json.dumps(${pythonLiteral(call.body)}).encode()`}`,
  ];
  if (kind !== "service") lines.push(`key=${JSON.stringify(call.key)}`);
  if (call.send && call.delay) lines.push(`send_delay=...  # ${call.delay}`);
  if (call.idempotency) lines.push(`idempotency_key=${JSON.stringify(call.idempotency)}`);
  const verb = call.send ? "ctx.generic_send" : "answer = await ctx.generic_call";
  return `# within a handler\n${verb}(\n    ${lines.join(",\n    ")},\n)`;
}

/** @param {string} text JSON */
function pythonLiteral(text) {
  const words = /** @type {Record<string, string>} */ ({ true: "True", false: "False", null: "None" });
  return text.replace(/"(?:\\.|[^"\\])*"|\b(?:true|false|null)\b/g, (word) => words[word] ?? word);
}

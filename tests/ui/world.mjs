// What the walk needs: a server with handlers, a browser that is watched, and ways to ask.
import { execFileSync, spawn } from "node:child_process";
import { copyFileSync, createWriteStream, mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const here = dirname(fileURLToPath(import.meta.url));
export const cache = process.env.UI_CACHE;
export const require = createRequire(join(cache, "package.json"));

/** How long anything may take, in ms: the machine may be busy. */
export const PATIENCE = 20_000;

/** Asks until it is so. @template T @param {() => Promise<T> | T} look @param {string} what @returns {Promise<T>} */
export async function eventually(look, what) {
  const until = Date.now() + PATIENCE;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > until) throw new Error(`it did not come to this within ${PATIENCE / 1000} s: ${what}`);
    await new Promise((wake) => setTimeout(wake, 50));
  }
}

/** A program of ours, until it is stopped. */
class Program {
  constructor(name, command, args, env, folder) {
    this.name = name;
    this.text = "";
    this.process = spawn(command, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"], cwd: folder });
    const log = createWriteStream(join(folder, `${name}.log`));
    this.process.stderr.pipe(log);
    this.process.stdout.on("data", (some) => {
      this.text += some;
      log.write(some);
    });
    this.over = new Promise((done) => this.process.on("close", done));
    this.process.on("error", (error) => (this.text += `cannot be started: ${error.message}`));
  }

  /** Waits until it has printed this. */
  async said(pattern) {
    const found = await eventually(() => {
      if (this.process.exitCode !== null || /cannot be started/.test(this.text)) throw new Error(`${this.name} ended: ${this.text.slice(-500)}`);
      return pattern.exec(this.text);
    }, `${this.name} prints ${pattern}`);
    return found[1];
  }

  async stop() {
    this.process.kill("SIGTERM");
    await this.over;
  }
}

export class World {
  /** @param {string[]} command starts the server @param {string} folder for data and logs */
  constructor(command, folder) {
    this.folder = folder;
    this.command = command;
    this.programs = [];
    /** What a page must never do. */
    this.faults = [];
  }

  async start(chromium) {
    const { admin, ingress } = await this.serve("server", {});
    [this.admin, this.ingress] = [admin, ingress];
    copyFileSync(join(here, "handlers.mjs"), join(cache, "handlers.mjs"));
    const handlers = new Program("handlers", process.execPath, [join(cache, "handlers.mjs")], { PORT: "0" }, this.folder);
    this.programs.push(handlers);
    this.handlers = await handlers.said(/handlers at (http:\S+)/);
    const { chromium: browsers } = require("playwright-core");
    this.browser = await browsers.launch({ executablePath: chromium, args: ["--no-sandbox"] });
  }

  /** Starts a server with data of its own, and says where it is. */
  async serve(name, env) {
    const data = join(this.folder, `data-${name}`);
    mkdirSync(data);
    const [program, ...args] = this.command;
    const server = new Program(name, program, args, {
      LATCHWORK_INGRESS_ADDR: "127.0.0.1:0", LATCHWORK_ADMIN_ADDR: "127.0.0.1:0", LATCHWORK_DATA_DIR: data, ...env,
    }, this.folder);
    this.programs.push(server);
    return { ingress: await server.said(/takes calls at (http:\S+)/), admin: await server.said(/admin API at (http:\S+)/) };
  }

  /** A server that asks for tokens, and one of each role that a page is for. */
  async guarded() {
    const tokens = {};
    let lines = "";
    for (const role of ["viewer", "admin"]) {
      const made = JSON.parse(execFileSync(this.command[0], ["token", "create", "--json", "--name", role, "--role", role], { encoding: "utf8" }));
      tokens[role] = made.token;
      lines += made.lines;
    }
    const file = join(this.folder, "tokens.toml");
    writeFileSync(file, lines);
    return { tokens, ...await this.serve("guarded", { LATCHWORK_AUTH_FILE: file }) };
  }

  async stop() {
    await this.browser?.close();
    for (const program of this.programs.reverse()) await program.stop();
  }

  /** A page that is watched. @param {{ width?: number, height?: number, scheme?: "light" | "dark", own?: string[] }} [look] own: where it may ask */
  async page({ width = 1440, height = 900, scheme = "light", own = [this.admin, this.ingress] } = {}) {
    const context = await this.browser.newContext({ viewport: { width, height }, colorScheme: scheme, acceptDownloads: true });
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE);
    const hosts = own.map((url) => new URL(url).host);
    page.on("request", (request) => {
      const url = new URL(request.url());
      if (/^(https?|wss?):$/.test(url.protocol) && !hosts.includes(url.host)) this.faults.push(`a request to elsewhere: ${url}`);
    });
    page.on("pageerror", (error) => this.faults.push(`an error in the page: ${error.stack ?? error.message}`));
    page.on("console", (message) => {
      // That the server refuses something is an answer; the browser calls it an error.
      if (message.type() === "error" && !/^Failed to load resource.*status of 4\d\d/.test(message.text())) this.faults.push(`an error on the console: ${message.text()}`);
    });
    return page;
  }

  /** The address of a page. @param {string} where such as invocations?status=paused */
  at(where = "") {
    return `${this.admin}/ui/#/${where}`;
  }

  async ask(method, path, body) {
    const reply = await fetch(this.admin + path, { method, headers: { accept: "application/json", "content-type": "application/json" }, body: body && JSON.stringify(body) });
    const text = await reply.text();
    if (!reply.ok) throw new Error(`${method} ${path}: ${reply.status} ${text}`);
    return text ? JSON.parse(text) : undefined;
  }

  async sql(query) {
    return (await this.ask("POST", "/query", { query })).rows;
  }

  /** Calls a handler, or sends to it. @returns {Promise<any>} */
  async call(path, body = null, headers = {}) {
    const reply = await fetch(`${this.ingress}/${path}`, { method: "POST", headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body) });
    const text = await reply.text();
    return text ? JSON.parse(text) : undefined;
  }

  /** Sends to a handler, and waits until it stands so. @returns {Promise<string>} its id */
  async sent(path, body, status) {
    const { invocationId: id } = await this.call(`${path}/send`, body);
    if (status) await this.stands(id, status);
    return id;
  }

  async stands(id, status) {
    await eventually(async () => (await this.sql(`SELECT status FROM sys_invocation WHERE id = '${id}'`))[0]?.status === status, `${id} is ${status}`);
  }
}

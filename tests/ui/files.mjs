// What holds of the files of the UI without a browser.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { here } from "./world.mjs";

const folder = join(here, "../../ui");
/** Bytes of all files but the libraries. */
const BYTES_MAX = 200_000;

const all = readdirSync(folder, { recursive: true })
  .map((name) => join(folder, String(name)))
  .filter((path) => statSync(path).isFile());
const own = all.filter((path) => !path.includes("/vendor/"));

/** @type {[string, () => void][]} */
export const files = [
  ["files: the UI is under 200 kB without the libraries", () => {
    const bytes = own.reduce((sum, path) => sum + statSync(path).size, 0);
    if (bytes > BYTES_MAX) throw new Error(`it has ${bytes} bytes, at most ${BYTES_MAX} are wanted`);
  }],
  ["files: no file asks for anything from elsewhere", () => {
    for (const path of own) {
      for (const [url] of readFileSync(path, "utf8").matchAll(/https?:\/\/[\w.[\]-]+/g)) {
        if (!/^http:\/\/(localhost|127\.0\.0\.1|www\.w3\.org)$/.test(url)) throw new Error(`${relative(folder, path)} names ${url}`);
      }
    }
  }],
  ["files: each library has its licence", () => {
    const licences = readFileSync(join(folder, "vendor/LICENSES.txt"), "utf8");
    for (const name of ["preact", "htm", "@preact/signals", "@preact/signals-core"]) {
      if (!licences.includes(`== ${name} `)) throw new Error(`${name} has none in ui/vendor/LICENSES.txt`);
    }
  }],
];

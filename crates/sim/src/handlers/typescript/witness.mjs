// The way to the witness: a line of JSON for each report, a line with its number back.
import net from "node:net";
import readline from "node:readline";

const [host, port] = process.env.WITNESS_ADDR.split(":");
const socket = net.connect(Number(port), host);
socket.setNoDelay(true);
// Without a witness there is no test.
socket.on("error", () => process.exit(1));
socket.on("close", () => process.exit(1));

const waiting = new Map();
let lastId = 0;

readline.createInterface({ input: socket }).on("line", (line) => {
  const { id, number } = JSON.parse(line);
  waiting.get(id)(number);
  waiting.delete(id);
});

/** Reports; resolves with the answer once the witness has heard it. */
export const report = (say, what) =>
  new Promise((resolve) => {
    const id = ++lastId;
    waiting.set(id, resolve);
    socket.write(`${JSON.stringify({ id, say, ...what })}\n`);
  });

// Verifies with the page's modules, without a browser: `node verify.mjs FOLDER`, whose files are requests as JSON, octets in
// base64. A line of JSON for each: the report and CPU seconds; then the memory that all took.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import "./modules.mjs";

const { verify } = await import("../../../src/sealpost/verifier/page/src/verify.js");
const folder = process.argv[2];
const octets = (text) => new Uint8Array(Buffer.from(text, "base64"));
const inner = (files) => Object.fromEntries(Object.entries(files).map(([name, text]) => [name, octets(text)]));
// The highest that this process ever took; what the system reports as such at its end counts the parent's memory, too.
const peak = () => Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf-8"))[1]) / 1024;

const before = peak();
for (const name of readdirSync(folder).toSorted()) {
  const { bundle, trust, receipts, language } = JSON.parse(readFileSync(join(folder, name), "utf-8"));
  const began = process.cpuUsage();
  const report = await verify({
    bundle: octets(bundle),
    trust: trust && inner(trust),
    receipts: receipts.map((one) => ({ name: one.name, octets: octets(one.octets) })),
    language,
  });
  const { user, system } = process.cpuUsage(began);
  console.log(JSON.stringify({ name, report, seconds: (user + system) / 1e6 }));
}
console.log(JSON.stringify({ megabytes: peak() - before }));

// Reads PDF files with the page's reader: `node --expose-gc read_pdf.mjs FOLDER`. A line of JSON for each: outcome and CPU seconds; then
// the memory that all took.
import { readFileSync, readdirSync } from "node:fs";
import { createHash } from "node:crypto";
import { join } from "node:path";
import "./modules.mjs";

const { Pdf, Unreadable } = await import("../../../src/sealpost/verifier/page/src/pdf_file.js");
const folder = process.argv[2];

async function read(octets) {
  const pdf = await Pdf.of(octets);
  const root = await pdf.entries(pdf.trailer.get("Root"));
  const names = await pdf.entries(root.get("Names"));
  const found = [];
  for await (const one of pdf.leaves(await pdf.entries(names.get("EmbeddedFiles")))) {
    const inner = await pdf.entries((await pdf.entries(one)).get("EF"));
    found.push(createHash("sha256").update(await pdf.unpacked(inner.get("F") ?? inner.get("UF"))).digest("hex"));
  }
  return found.join(" ");
}

// The highest that this process ever took; what the system reports as such at its end counts the parent's memory, too.
const peak = () => Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf-8"))[1]) / 1024;

const before = peak();
for (const name of readdirSync(folder).toSorted()) {
  globalThis.gc?.();
  const began = process.cpuUsage();
  let outcome;
  try {
    outcome = await read(new Uint8Array(readFileSync(join(folder, name))));
  } catch (error) {
    outcome = error instanceof Unreadable ? `Unreadable: ${error.message}` : `${error?.name}: ${error?.message}`;
  }
  const { user, system } = process.cpuUsage(began);
  console.log(JSON.stringify({ name, outcome, seconds: (user + system) / 1e6 }));
}
console.log(JSON.stringify({ megabytes: peak() - before }));

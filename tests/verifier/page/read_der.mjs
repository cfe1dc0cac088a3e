// Reads DER with the page's reader: `node read_der.mjs FOLDER`. A line of JSON for each file: by which rules it is taken.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import "./modules.mjs";

const { STAMP, requireDer } = await import("../../../src/sealpost/verifier/page/src/der.js");
const taken = (octets, ...rules) => {
  try {
    requireDer(octets, ...rules);
    return true;
  } catch {
    return false;
  }
};
for (const name of readdirSync(process.argv[2]).toSorted()) {
  const octets = new Uint8Array(readFileSync(join(process.argv[2], name)));
  console.log(JSON.stringify({ name, seal: taken(octets), stamp: taken(octets, STAMP) }));
}

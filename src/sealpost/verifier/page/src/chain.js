// Whether a ticket's records are complete from 1 on and each continues the one before (evidence format, section 1).
import { Said } from "./report.js";
import { digestOf } from "./structure.js";
import { equal, sha256 } from "./octets.js";
import { asText } from "./values.js";
import { same } from "./json.js";

/** Says chain; that nothing followed afterwards no bundle can show, which is a remark. */
export async function check(found) {
  const { findings } = found;
  await findings.about("chain", "", {}, async () => {
    await requireChain(found);
    findings.say("chain.ok", "", { count: found.records.size });
  });
  findings.remark("remark.later");
}

async function requireChain(found) {
  let before = null;
  const seen = new Map();
  const last = Math.max(1, ...found.records.keys());
  for (let number = 1; number <= last; number += 1) {
    const record = found.records.get(number);
    if (!record) throw new Said("chain.gap", { record: number });
    const { seq, prev = null } = record.extension;
    if (!same(seq, number)) throw new Said("chain.number", { about: record.name, record: asText(seq) });
    if (before === null ? prev !== null : !isOver(prev, before)) throw new Said("chain.prev", { record: number });
    const identifier = asText(record.value?.EvidenceIdentifier);
    if (seen.has(identifier)) throw new Said("chain.identifier", { record: number, other: seen.get(identifier) });
    seen.set(identifier, number);
    before = await sha256(record.octets);
  }
}

function isOver(prev, digest) {
  const found = digestOf(prev);
  return found !== null && equal(found, digest);
}

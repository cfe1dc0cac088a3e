// What was given out before, against the bundle of now: records may be added, never changed or dropped. As `earlier.py`.
//
// What somebody hands in as received before may be made up, too: it is checked first, as any bundle, and only what is
// genuine under the chosen trust folder can accuse.
import { Said } from "./report.js";
import { FAIL, MEMBERS, RULES } from "./tables.js";
import { PROOF, Unable, readProof, readSigned, wrongAlgorithm } from "./notes.js";
import { commitment } from "./seals.js";
import { equal, latin1 } from "./octets.js";
import { includes, leafHash } from "./merkle.js";
import { same } from "./json.js";

/** Says earlier, of each receipt: `{name, octets}`, a bundle or a proof; `examine` runs every check over a bundle. */
export async function check(found, receipts, examine) {
  for (const receipt of receipts) {
    await found.findings.about("earlier", receipt.name, { receipt: receipt.name }, () => {
      const isProof = latin1(receipt.octets.subarray(0, PROOF.length)) === PROOF;
      return isProof ? checkProof(found, receipt) : checkBundle(found, receipt, examine);
    });
  }
}

async function checkProof(found, receipt) {
  const proof = readProof(receipt.octets);
  const signed = readSigned(proof.checkpoint);
  if (!(await isSigned(found, signed))) throw new Said("earlier.trust");
  requireOneRoot(found, receipt, [signed]);
  let stands = false;
  for (const record of found.records.values()) stands ||= await isOf(record, proof, signed);
  if (!stands) throw new Said("earlier.unplaced");
  remarkSizes(found, receipt, [signed]);
  found.findings.say("earlier.ok", receipt.name, { receipt: receipt.name, count: 1 });
}

/** Whether it is this record that the proof is of. */
async function isOf(record, proof, signed) {
  if (record.salt === null || record.salt.length !== 32 || record.seal === null) return false;
  const leaf = await leafHash(await commitment(record.salt, record.octets, record.seal.signature));
  return includes(proof.index, signed.checkpoint.size, leaf, proof.path, signed.checkpoint.root);
}

async function isSigned(found, signed) {
  const keys = (found.trust?.policy.logs ?? []).filter((one) => one.name === signed.checkpoint.origin);
  try {
    return keys.length > 0 && (await wrongAlgorithm(signed, keys, RULES.suites[0].log, false)) === null;
  } catch (error) {
    if (error instanceof Unable) return false;
    throw error;
  }
}

async function checkBundle(found, receipt, examine) {
  const before = await examine(receipt.octets);
  const ticket = ticketOf(before);
  if (ticket === null || !same(ticket, ticketOf(found))) throw new Said("earlier.other");
  if (before.findings.claims.some((one) => one.verdict === FAIL)) throw new Said("earlier.forged");
  const proofs = [...before.records.values()].filter((one) => one.proof !== null);
  const states = proofs.map((one) => readSigned(readProof(one.proof).checkpoint));
  try {
    requireSame(found, before);
    requireOneRoot(found, receipt, states);
  } catch (end) {
    // Without trust nobody knows whose either of the two is.
    throw end instanceof Said && found.trust === null ? new Said("earlier.trust") : end;
  }
  remarkSizes(found, receipt, states);
  found.findings.say("earlier.ok", receipt.name, { receipt: receipt.name, count: before.records.size });
}

function requireSame(found, before) {
  for (const [seq, record] of before.records) {
    const now = found.records.get(seq);
    if (!now) throw new Said(isNewer(before, found) ? "earlier.newer" : "earlier.gone", { record: seq });
    const alike = equal(now.octets, record.octets) && isSame(now.salt, record.salt);
    // What of a seal stays for ever is its signature; a time token may be added to it.
    const sealed = isSame(now.seal?.signature ?? null, record.seal?.signature ?? null);
    if (!alike || !sealed) throw new Said("earlier.changed", { record: seq });
  }
}

/** Whether a container was stamped after another: then it was no earlier one, whatever somebody says. */
function isNewer(one, other) {
  const [first, second] = [one, other].map((found) => found.sealers.get(MEMBERS.signature)?.at ?? null);
  return first !== null && second !== null && first > second;
}

const isSame = (one, other) => (one === null || other === null ? one === other : equal(one, other));

function ticketOf(found) {
  const first = found.records.values().next().value;
  return first?.value?.MessageIdentifier ?? null;
}

const keyOf = ({ checkpoint }) => `${checkpoint.size} ${checkpoint.origin}`;

function requireOneRoot(found, receipt, states) {
  const known = new Map([...found.signed.values()].map((one) => [keyOf(one), one.checkpoint.root]));
  for (const one of states) {
    const { origin, size, root } = one.checkpoint;
    if (!known.has(keyOf(one))) known.set(keyOf(one), root);
    const values = { log: origin, size: String(size), receipt: receipt.name };
    if (!equal(known.get(keyOf(one)), root)) throw new Said("earlier.fork", values);
  }
}

function remarkSizes(found, receipt, states) {
  const known = new Set([...found.signed.values()].map(keyOf));
  if (states.some((one) => !known.has(keyOf(one)))) found.findings.remark("remark.sizes", { receipt: receipt.name });
}

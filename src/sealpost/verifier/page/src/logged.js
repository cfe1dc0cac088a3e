// Commitment, place in the log, the log's signatures, witnesses (evidence format, 3; RFC 6962; C2SP tlog-proof).
//
// As `logged.py`. What a proof says is believed only where the record, its seal and its salt lead to the root that the log
// has signed. Two states of one log and size with different roots are the log's own contradiction, whoever signed them.
import { Said } from "./report.js";
import { MEMBERS, RULES, suite } from "./tables.js";
import { compare, equal, hex, utf8 } from "./octets.js";
import { commitment } from "./seals.js";
import { includes, leafHash } from "./merkle.js";
import { isIndependent } from "./policy.js";
import { ALGORITHMS, Unable, isRight, keyOf, readProof, readSigned, wrongAlgorithm } from "./notes.js";

const LOG = new RegExp(`^(?:${MEMBERS.log})$`, "u");

/** Says commitment, inclusion, log and witness. */
export async function check(found) {
  const [salts, places, notes] = [new Map(), new Map(), new Map()];
  for (const record of found.records.values()) {
    const leaf = await leafOf(found, record, salts);
    await place(found, record, leaf, places, notes);
  }
  checkAgreement(found, notes);
  for (const name of sorted(notes.keys())) {
    await checkLog(found, name, notes.get(name));
    await checkWitnesses(found, name, notes.get(name));
  }
  for (const [name] of found.named("checkpoint")) if (!notes.has(name)) found.findings.say("log.unused", name);
}

/** Texts by code points. */
export const sorted = (texts) => [...texts].toSorted((one, other) => compare(utf8(one), utf8(other)));

/** The member that holds a checkpoint as the time token is over it. */
const checkpointName = (signed) => `checkpoints/${signed.name}-${signed.checkpoint.size}.txt`;

function leafOf(found, record, salts) {
  const named = { record: record.seq };
  return found.findings.about("commitment", record.name, named, async () => {
    if (record.salt === null || record.salt.length !== 32) throw new Said("commitment.salt");
    const salt = hex(record.salt);
    if (salts.has(salt)) throw new Said("commitment.reused", { other: salts.get(salt) });
    salts.set(salt, record.seq);
    if (record.seal === null) throw new Said("commitment.malformed", { reason: record.sealFault || "no seal" });
    const leaf = await leafHash(await commitment(record.salt, record.octets, record.seal.signature));
    found.findings.say("commitment.ok", record.name, named);
    return leaf;
  });
}

function place(found, record, leaf, places, notes) {
  const about = `proofs/${String(record.seq).padStart(3, "0")}.tlog-proof`;
  return found.findings.about("inclusion", about, { record: record.seq }, async () => {
    if (record.proof === null) throw new Said("inclusion.pending");
    const proof = readProof(record.proof);
    const signed = readSigned(proof.checkpoint);
    const { origin, size, root } = signed.checkpoint;
    const name = checkpointName(signed);
    if (!notes.has(name)) notes.set(name, []);
    const known = notes.get(name);
    if (!known.some((one) => equal(one.octets, signed.octets))) known.push(signed);
    if (leaf === null || !(await includes(proof.index, size, leaf, proof.path, root))) throw new Said("inclusion.path");
    const key = `${proof.index} ${origin}`;
    if (places.has(key)) throw new Said("inclusion.reused", { other: places.get(key) });
    places.set(key, record.seq);
    [record.place, record.covered] = [{ origin, index: proof.index, size }, name];
    found.findings.say("inclusion.ok", about, { record: record.seq, index: String(proof.index), log: origin });
  });
}

/** One operator's logs, named by years, and one root for each size. */
function checkAgreement(found, notes) {
  const roots = new Map();
  let first = null;
  for (const signed of [...notes.values()].flat()) {
    const { origin, size, root } = signed.checkpoint;
    first ??= signed;
    if (signed.operator !== first.operator || !LOG.test(signed.name)) {
      found.findings.say("log.several", "", { log: origin, other: first.checkpoint.origin });
    }
    const key = `${size} ${origin}`;
    if (!roots.has(key)) roots.set(key, root);
    if (!equal(roots.get(key), root)) found.findings.say("log.fork", "", { log: origin, size: String(size) });
  }
}

function checkLog(found, name, notes) {
  const [first] = notes;
  const named = { log: first.checkpoint.origin, size: String(first.checkpoint.size) };
  return found.findings.about("log", name, named, async () => {
    found.signed.set(name, first);
    const stamped = await stampedText(found, name, first);
    await requireSigned(found, named.log, [...notes, ...stamped], stamped);
    found.findings.say(found.trust ? "log.ok" : "log.trust", name, named);
  });
}

/** The checkpoint that the time token is over; where it is missing, the time is what is not proven. */
async function stampedText(found, name, first) {
  if (!found.members.has(name)) return [];
  const stamped = readSigned(await found.members.read(name));
  if (stamped.note.text !== first.note.text) throw new Said("log.differs");
  return [stamped];
}

async function requireSigned(found, log, notes, alone) {
  const keys = (found.judgedBy?.policy.logs ?? []).filter((one) => one.name === log);
  if (!keys.length) throw new Said(found.trust ? "log.unknown" : "log.trust");
  let unable = "";
  for (const signed of notes) {
    let wrong = null;
    try {
      wrong = await wrongAlgorithm(signed, keys, needed(found), alone.includes(signed));
    } catch (error) {
      if (!(error instanceof Unable)) throw error;
      unable = error.message;
    }
    if (wrong !== null) throw new Said("log.signature", { algorithm: wrong });
  }
  if (unable) throw new Said("log.unable", { algorithm: unable });
}

function needed(found) {
  for (const record of found.records.values()) {
    const named = suite(record.extension.suite);
    if (named) return named.log;
  }
  return RULES.suites[0].log;
}

function checkWitnesses(found, name, notes) {
  const { origin, size } = notes[0].checkpoint;
  const named = { log: origin, size: String(size) };
  return found.findings.about("witness", name, named, async () => {
    const trust = found.judgedBy;
    if (trust === null) throw new Said("witness.trust");
    const seen = await seenBy(trust.policy.witnesses, notes); // a wrong line is a FAIL without trust too
    if (found.trust === null) throw new Said("witness.trust");
    const names = (list) => sorted(new Set(list.map((one) => one.name))).join(", ");
    if (trust.policy.isMet(new Set())) throw new Said("witness.quorum");
    if (!seen.length) throw new Said("witness.none");
    const met = trust.policy.isMet(new Set(seen.map((one) => one.label)));
    if (!met) throw new Said("witness.unmet", { witnesses: names(seen) });
    const apart = seen.filter((one) => isIndependent(one.name, origin));
    if (!apart.length) throw new Said("witness.dependent", { witnesses: names(seen) });
    found.findings.say("witness.ok", name, { ...named, witnesses: names(apart) });
  });
}

/** The witnesses whose lines are right; lines of others are ignored. */
async function seenBy(witnesses, notes) {
  const seen = [];
  for (const signed of notes) {
    for (const line of signed.note.signatures) {
      const witness = await keyOf(line, witnesses);
      if (witness === null) continue;
      let right;
      try {
        right = await isRight(line, witness, signed);
      } catch (error) {
        if (error instanceof Unable) throw new Said("witness.unable", { algorithm: error.message });
        throw error;
      }
      const named = `${witness.name} (${ALGORITHMS[witness.kind]})`;
      if (!right) throw new Said("witness.signature", { witnesses: named });
      seen.push(witness);
    }
  }
  return seen;
}

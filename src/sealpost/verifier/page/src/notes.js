// Signed notes, checkpoints and proofs in the one way that each is written, and the signatures of logs and witnesses.
//
// As `domain/note.py`, `domain/checkpoint.py` and `verifier/notes.py` (C2SP signed-note, tlog-checkpoint, tlog-cosignature,
// tlog-proof). Lines by unknown names are another's and ignored; a line by a log's own name must verify.
import { Malformed, require } from "./report.js";
import { ascii, equal, hex, joined, sha256, strictBase64, text, uint64, utf8 } from "./octets.js";

export const ED25519 = 0x01;
export const ED25519_COSIGNATURE = 0x04;
export const MLDSA44_COSIGNATURE = 0x06;
export const ALGORITHMS = { [ED25519]: "Ed25519", [ED25519_COSIGNATURE]: "Ed25519", [MLDSA44_COSIGNATURE]: "ML-DSA-44" };
export const PROOF = "c2sp.org/tlog-proof@v1";
const MOST_SIGNATURES = 32;
const MOST_HASHES = 63;
const LONGEST = 200_000;
const LATEST = 2n ** 63n - 1n;
// Unicode's spaces as the command's language has them: the same but for four control characters and the byte order mark.
const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const CONTROL = /[\x00-\x09\x0b-\x1f]/;
export const NAME = new RegExp(`^[^${SPACE}+]+$`, "u");
const LINE = new RegExp(`^\u2014 ([^${SPACE}]+) ([A-Za-z0-9+/]+={0,2})$`, "u");
const NUMBER = /^(?:0|[1-9][0-9]{0,18})$/;

/** An algorithm that this browser does not have; the message is its name. */
export class Unable extends Error {}

export async function keyId(name, kind, key) {
  return (await sha256(joined(utf8(name), Uint8Array.of(0x0a, kind), key))).subarray(0, 4);
}

/** Name, type and octets of a key as policies write it. */
export async function readVerifierKey(written) {
  const [name, identifier, encoded] = parts(written);
  const octets = strictBase64(encoded);
  const right = NAME.test(name) && octets.length && hex(await keyId(name, octets[0], octets.subarray(1))) === identifier;
  require(right, "not a verifier key");
  return [name, octets[0], octets.subarray(1)];
}

function parts(written) {
  const [name, ...rest] = written.split("+");
  const [identifier = "", ...encoded] = rest;
  return [name, identifier, encoded.join("+")];
}

/** The note that octets are: its text, last newline included, and its signatures in their order. */
export function readNote(octets) {
  require(octets.length <= LONGEST, "longer than a note may be");
  const whole = text(octets);
  const gap = whole.lastIndexOf("\n\n");
  const lines = whole.slice(gap + 2);
  require(gap >= 0 && lines.endsWith("\n"), "no empty line before signatures");
  const body = whole.slice(0, gap) + "\n";
  require(!CONTROL.test(body), "a text without a newline at its end, or with a control character");
  const found = lines.slice(0, -1).split("\n");
  require(found.length <= MOST_SIGNATURES, "more signatures than a note may have");
  return { text: body, signatures: found.map(signatureOf) };
}

function signatureOf(line) {
  const found = LINE.exec(line);
  require(found && NAME.test(found[1]) && !CONTROL.test(line), "a line that is no signature");
  const octets = strictBase64(found[2]);
  require(octets.length >= 5, "a signature without octets");
  return { name: found[1], keyId: octets.subarray(0, 4), octets: octets.subarray(4) };
}

/** The checkpoint that a note's text is; ours have no extension lines, so none are taken. */
function readCheckpoint(body) {
  const lines = body.split("\n");
  require(lines.length === 4 && !lines[3], "a checkpoint has three lines");
  const [origin, size, encoded] = lines;
  const root = strictBase64(encoded);
  require(NAME.test(origin) && NUMBER.test(size) && root.length === 32, "a checkpoint names its log, a size and a hash");
  return { origin, size: BigInt(size), root };
}

/**
 * The checkpoint that octets are, with its note.
 *
 * `name` is the last segment of the origin: 2026, or 2026-2 where that year's first log could not go on; `operator` is what
 * stands before it.
 */
export function readSigned(octets) {
  const note = readNote(octets);
  const checkpoint = readCheckpoint(note.text);
  const slash = checkpoint.origin.lastIndexOf("/");
  const [operator, name] = [checkpoint.origin.slice(0, Math.max(slash, 0)), checkpoint.origin.slice(slash + 1)];
  return { note, checkpoint, operator, name, octets };
}

/** A proof: place, audit path and the octets of a signed checkpoint. */
export function readProof(octets) {
  const gap = octets.findIndex((one, at) => one === 0x0a && octets[at + 1] === 0x0a);
  require(gap >= 0, "not a proof");
  const lines = ascii(octets.subarray(0, gap)).split("\n");
  const index = lines[1]?.startsWith("index ") ? lines[1].slice(6) : "";
  require(lines[0] === PROOF && NUMBER.test(index) && lines.length <= MOST_HASHES + 2, "not a proof");
  const path = lines.slice(2).map(strictBase64);
  require(path.every((one) => one.length === 32), "a hash has 32 octets");
  return { index: BigInt(index), path, checkpoint: octets.subarray(gap + 2) };
}

/** The key that made a line, by name and the four octets; proves nothing. */
export async function keyOf(line, keys) {
  for (const one of keys) {
    if (one.name === line.name && equal(await keyId(one.name, one.kind, one.key), line.keyId)) return one;
  }
  return null;
}

/** Seconds (BigInt) and the signature of a cosignature. */
function readTimestamped(octets, length) {
  require(octets.length === 8 + length, "a cosignature of another length");
  const at = new DataView(octets.buffer, octets.byteOffset, 8).getBigUint64(0);
  require(0n < at && at <= LATEST, "a cosignature without a time");
  return [at, octets.subarray(8)];
}

function mldsa44Message(name, checkpoint, at) {
  const [who, log] = [utf8(name), utf8(checkpoint.origin)];
  require(who.length < 256 && log.length < 256, "a name that no cosignature can hold");
  const head = [utf8("subtree/v1\n\0"), Uint8Array.of(who.length), who, uint64(at)];
  return joined(...head, Uint8Array.of(log.length), log, uint64(0), uint64(checkpoint.size), checkpoint.root);
}

/** Whether a line is the key's signature over the checkpoint; throws `Unable` where the browser cannot tell. */
export async function isRight(line, key, signed) {
  if (key.kind === ED25519) return verified("Ed25519", "raw", key.key, line.octets, utf8(signed.note.text));
  if (key.kind === ED25519_COSIGNATURE) {
    const [at, signature] = tried(() => readTimestamped(line.octets, 64));
    if (at === null) return false;
    const message = utf8(`cosignature/v1\ntime ${at}\n${signed.note.text}`);
    return verified("Ed25519", "raw", key.key, signature, message);
  }
  if (key.kind === MLDSA44_COSIGNATURE) {
    const [at, signature] = tried(() => readTimestamped(line.octets, 2420));
    if (at === null) return false;
    const message = mldsa44Message(key.name, signed.checkpoint, at);
    return verified("ML-DSA-44", "raw-public", key.key, signature, message);
  }
  return false;
}

function tried(read) {
  try {
    return read();
  } catch (error) {
    if (error instanceof Malformed) return [null, null];
    throw error;
  }
}

async function verified(algorithm, format, key, signature, message) {
  let imported;
  try {
    imported = await crypto.subtle.importKey(format, key, algorithm, false, ["verify"]);
  } catch (error) {
    // A key that is none is a wrong signature; everything else says that this browser does not know the algorithm.
    if (error.name === "DataError") return false;
    throw new Unable(algorithm);
  }
  return crypto.subtle.verify(algorithm, imported, signature, message);
}

/**
 * The algorithm of a log's own line that is wrong or missing, or null: all are there and right.
 *
 * `alone`: whether lines by others are wrong too (the file that the time token is over has none). Throws `Unable` where a
 * line cannot be checked here and all others are right.
 */
export async function wrongAlgorithm(signed, keys, needed, alone) {
  const [found, unable] = [new Set(), new Set()];
  const own = keys.filter((one) => one.name === signed.checkpoint.origin);
  for (const line of signed.note.signatures) {
    if (line.name !== signed.checkpoint.origin) {
      if (alone) return line.name;
      continue;
    }
    const key = await keyOf(line, own);
    if (key === null) return "?";
    try {
      if (!(await isRight(line, key, signed))) return ALGORITHMS[key.kind] ?? "?";
    } catch (error) {
      if (!(error instanceof Unable)) throw error;
      unable.add(ALGORITHMS[key.kind]);
    }
    found.add(ALGORITHMS[key.kind]);
  }
  const missing = needed.find((one) => !found.has(one)) ?? null;
  if (missing === null && unable.size) throw new Unable([...unable][0]);
  return missing;
}

// Record seals: their one form, the signature, whose certificate it is, and whether that counted at the proven time.
//
// As `domain/seals.py` and `verifier/seals.py`: JWS JSON, flattened, without payload (RFC 7515), JAdES baseline B or B-T.
import { Said, require } from "./report.js";
import { covers, suite } from "./tables.js";
import { Float, isObject, parse } from "./json.js";
import { base64url, equal, joined, sha256, strictBase64, strictBase64url, text, utf8 } from "./octets.js";
import { certificatesOf } from "./certificates.js";
import { isSignedBy } from "./x509.js";
import { proven } from "./times.js";
import { shown } from "./case.js";

const LONGEST = 200_000;
const MOST_CERTIFICATES = 5;
const LATEST = 253_402_300_799;
const DOMAIN = utf8("sealpost-record/2\n");

/** What the time token of a seal is over: the ASCII of the member `signature`. */
export const imprinted = (signature) => utf8(base64url(signature));

/** The log's leaf for a sealed record. */
export async function commitment(salt, record, signature) {
  return sha256(joined(DOMAIN, salt, await sha256(record), await sha256(signature)));
}

/** The seal that octets are, its form checked and nothing else. */
export async function readSeal(octets) {
  require(octets.length <= LONGEST, "longer than a seal may be");
  const members = membersOf(jsonOf(octets), ["protected", "signature"], ["header"]);
  const written = members.protected;
  require(typeof written === "string", "not a text");
  const signature = strictBase64url(members.signature);
  require(signature.length === 64, "a signature has 64 octets");
  const [sealedAt, certificates] = await headerOf(jsonOf(strictBase64url(written)));
  const timeToken = "header" in members ? tokenOf(members.header) : null;
  return { protected: written, sealedAt, certificates, signature, timeToken };
}

const jsonOf = (octets) => parse(text(octets), false);

function membersOf(value, needed, allowed = []) {
  const fits = isObject(value) && needed.every((name) => name in value);
  const known = fits && Object.keys(value).every((name) => needed.includes(name) || allowed.includes(name));
  require(known, "a member missing or too many");
  return value;
}

function listOf(value, most) {
  require(Array.isArray(value) && 0 < value.length && value.length <= most, "a list of another length");
  return value;
}

function derOf(value) {
  const octets = strictBase64(value);
  require(octets[0] === 0x30, "neither a certificate nor a time token");
  return octets;
}

async function headerOf(value) {
  const header = membersOf(value, ["alg", "iat", "typ", "x5c", "x5t#S256"]);
  require(header.alg === "ES256" && header.typ === "JOSE+JSON", "a header that is not of ES256 and JOSE+JSON");
  const seconds = header.iat;
  const whole = Number.isInteger(seconds) && !(seconds instanceof Float) && 0 < seconds && seconds <= LATEST;
  require(whole, "iat is not a time in whole seconds");
  const certificates = listOf(header.x5c, MOST_CERTIFICATES).map(derOf);
  const named = equal(strictBase64url(header["x5t#S256"]), await sha256(certificates[0]));
  require(named, "x5t#S256 is not of the first certificate");
  return [seconds * 1000, certificates];
}

function tokenOf(header) {
  const [item] = listOf(membersOf(header, ["etsiU"]).etsiU, 1);
  const stamp = membersOf(membersOf(jsonOf(strictBase64url(item)), ["sigTst"]).sigTst, ["tstTokens"]);
  const [token] = listOf(stamp.tstTokens, 1);
  return derOf(membersOf(token, ["val"]).val);
}

/** Says seal. */
export async function check(found) {
  const certificates = certificatesOf(found);
  for (const record of found.records.values()) {
    const about = `records/${String(record.seq).padStart(3, "0")}.jades.json`;
    await found.findings.about("seal", about, { record: record.seq }, () => checkOne(found, record, certificates, about));
  }
}

async function checkOne(found, record, certificates, about) {
  if (record.sealOctets === null) throw new Said("seal.missing");
  const { seal } = record;
  if (seal === null) throw new Said("seal.malformed", { reason: record.sealFault });
  const who = await certificates.signatory("seal", seal.certificates);
  const message = utf8(`${seal.protected}.${base64url(record.octets)}`);
  if (!(await isSignedBy(who.key, "SHA-256", seal.signature, message))) throw new Said("seal.signature");
  const time = proven(found, record);
  const at = time ? time.at : seal.sealedAt;
  const used = suite(record.extension.suite);
  if (used === null || !covers(used, at)) throw new Said("seal.suite", { time: shown(at) });
  await certificates.judge("seal", who, at);
  found.sealers.set(about, { chain: who.chain, at: time ? time.at : null });
  if (time === null) throw new Said("seal.time");
  if (found.trust === null) throw new Said("seal.signer", { signer: who.name });
  found.findings.say("seal.ok", about, { record: record.seq, signer: who.name });
}

// Time tokens: of every checkpoint, and of the seals of decisive records (RFC 3161; JAdES B-T). As `times.py`.
import { Said } from "./report.js";
import { BadToken, checkToken } from "./timestamps.js";
import { Certificates } from "./certificates.js";
import { LIMITS, RULES, isOf } from "./tables.js";
import { imprinted } from "./seals.js";
import { hex, joined } from "./octets.js";
import { Certificate } from "./x509.js";
import { asText } from "./values.js";
import { shown } from "./case.js";
import { sorted } from "./logged.js";

/** Says time. */
export async function check(found) {
  for (const name of sorted(found.signed.keys())) await checkCheckpoint(found, name);
  for (const [name, match] of found.named("token")) {
    const checkpoint = `checkpoints/${match[1]}-${match[2]}.txt`;
    const number = Number(match[3] ?? 1);
    const isUsed = number === 1 || found.members.has(tokenNameOf(checkpoint, number - 1));
    if (!found.signed.has(checkpoint) || !isUsed) found.findings.say("time.unused", name);
  }
  for (const record of found.records.values()) await checkOwn(found, record);
}

/** `…-42.tsr`; tokens that renew it have their number: `…-42.2.tsr`. */
function tokenNameOf(checkpoint, number) {
  return checkpoint.replace(/\.txt$/, number === 1 ? ".tsr" : `.${number}.tsr`);
}

/** The first token gives the time; each later one is over the text and all tokens before it, and not older. */
function checkCheckpoint(found, name) {
  const { members } = found;
  return found.findings.about("time", tokenNameOf(name, 1), {}, async () => {
    if (!members.has(name) || !members.has(tokenNameOf(name, 1))) throw new Said("time.missing", { about: name });
    let octets = await members.read(name);
    let last = null;
    for (let number = 1; members.has(tokenNameOf(name, number)); number += 1) {
      const tokenName = tokenNameOf(name, number);
      if (number > LIMITS.renewals) {
        throw new Said("time.token", { about: tokenName, reason: "more time stamps than a checkpoint may have" });
      }
      const token = await members.read(tokenName);
      const time = await stamped(found.trust, token, octets);
      if (last !== null && time.at < last.at) {
        throw new Said("time.token", { about: tokenName, reason: "older than the one that it renews" });
      }
      if (last === null) found.times.set(name, time);
      say(found, tokenName, name, time);
      last = time;
      octets = joined(octets, token);
    }
  });
}

function checkOwn(found, record) {
  const about = `records/${String(record.seq).padStart(3, "0")}.jades.json`;
  return found.findings.about("time", about, { record: record.seq }, async () => {
    if (record.seal === null) return; // said by the check of seals
    if (record.seal.timeToken === null) {
      if (isOf("stamped", record.event)) throw new Said("time.decisive", { event: record.event });
      return;
    }
    const octets = imprinted(record.seal.signature);
    record.ownTime = await stamped(found.trust, record.seal.timeToken, octets);
    say(found, about, about, record.ownTime);
  });
}

function say(found, member, about, time) {
  const code = isOwn(found, time) ? "time.own" : found.trust ? "time.ok" : "time.trust";
  found.findings.say(code, member, { about, time: shown(time.at), authority: time.authority });
}

/** The time that a token gives; with a trust folder, on the word of an authority that it knows. */
export async function stamped(trust, token, octets) {
  const time = await tried("time.token", () => checkToken(token, octets));
  if (trust === null) return time;
  const { anchor } = await tried("time.authority", () => {
    if (!trust.tsaRoots.length) throw new BadToken("the folder names no authority");
    return checkToken(token, octets, trust.tsaRoots);
  });
  const lists = new Certificates(trust.tsaRoots, trust.revocations);
  for (const one of time.certificates) if (await lists.isRevoked(one, time.at)) throw new Said("time.revoked");
  return { ...time, anchor };
}

async function tried(code, run) {
  try {
    return await run();
  } catch (error) {
    throw error instanceof BadToken ? new Said(code, { reason: error.message }) : error;
  }
}

/** When a record's seal was there at the latest: by its own token or that of its checkpoint, whichever is earlier. */
export function proven(found, record) {
  const times = [record.ownTime, found.times.get(record.covered)].filter(Boolean);
  return times.length ? times.reduce((one, other) => (other.at < one.at ? other : one)) : null;
}

/** Whether an authority is the issuer's own, whatever policy its tokens name: then its time is the issuer's word. */
export function isOwn(found, time) {
  if (RULES.ownTimeStampPolicies.includes(time.policy)) return true;
  const anchors = time.anchor ? [time.anchor] : [];
  const theirs = [time.certificate, ...anchors];
  const chains = sealChainsOf(found);
  const ours = issuersNamesOf(found, chains);
  if (theirs.some((one) => organisationsOf(one).some((name) => ours.has(name)))) return true;
  const keys = new Set(chains.flat().map(keyOf));
  const roots = new Set((found.trust?.roots ?? []).map(keyOf));
  const isShared = anchors.some((one) => roots.has(keyOf(one)) && !organisationsOf(one).length);
  return isShared || theirs.some((one) => keys.has(keyOf(one)));
}

const keyOf = (certificate) => hex(certificate.spki.whole);

/** The certificates that records' seals carry. */
function sealChainsOf(found) {
  const chains = new Map();
  for (const { seal } of found.records.values()) {
    if (seal) chains.set(seal.certificates.map(hex).join(), seal.certificates);
  }
  return [...chains.values()].flatMap((chain) => {
    try {
      return [chain.map((one) => new Certificate(one))];
    } catch {
      return []; // what cannot be read the check of seals says
    }
  });
}

/** What the issuer is called in its records, and in the certificates of their seals. */
function issuersNamesOf(found, chains) {
  const names = new Set(chains.flatMap(([leaf]) => organisationsOf(leaf)));
  for (const record of found.records.values()) {
    for (const one of attributesOf(record.value?.EvidenceIssuerDetails)) {
      if (Array.isArray(one?.AttributeValue) && one.AttributeValue.length) names.add(plain(one.AttributeValue[0]));
    }
  }
  names.delete("");
  return names;
}

function attributesOf(issuer) {
  const found = issuer?.Identity?.Attribute;
  return Array.isArray(found) ? found : [];
}

/** Name and identifier of a certificate's organisation. */
const organisationsOf = (certificate) => certificate.subject.organisations.map(plain).filter(Boolean);

/** A name as people would compare it: letter case and blanks tell no two organisations apart. */
const plain = (name) => asText(name).trim().split(/\s+/).join(" ").toLowerCase();

// Time tokens: of every checkpoint, and of the seals of decisive records (RFC 3161; JAdES B-T). As `times.py`.
import { Said } from "./report.js";
import { BadToken, checkToken } from "./timestamps.js";
import { Certificates } from "./certificates.js";
import { LIMITS, RULES, isOf } from "./tables.js";
import { imprinted } from "./seals.js";
import { joined } from "./octets.js";
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
      const time = await stamped(found.findings, found.trust, token, octets);
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
    record.ownTime = await stamped(found.findings, found.trust, record.seal.timeToken, octets);
    say(found, about, about, record.ownTime);
  });
}

function say(found, member, about, time) {
  const code = found.trust ? "time.ok" : "time.trust";
  found.findings.say(code, member, { about, time: shown(time.at), authority: time.authority });
}

/** The time that a token gives; with a trust folder, on the word of an authority that it knows. */
export async function stamped(findings, trust, token, octets) {
  const time = await tried("time.token", () => checkToken(token, octets));
  if (RULES.ownTimeStampPolicies.includes(time.policy)) findings.remark("remark.own_tsa", { authority: time.authority });
  if (trust === null) return time;
  await tried("time.authority", () => {
    if (!trust.tsaRoots.length) throw new BadToken("the folder names no authority");
    return checkToken(token, octets, trust.tsaRoots);
  });
  const lists = new Certificates(trust.tsaRoots, trust.revocations);
  for (const one of time.certificates) if (await lists.isRevoked(one, time.at)) throw new Said("time.revoked");
  return time;
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

// Paths of certificates at a time (RFC 5280, section 6), purposes, revocation. As `certificates.py`.
//
// For record seals, the bundle's seal, the PDF's, and time tokens. A path is built once for a chain and kept with the time
// in which all of it is valid.
import { Said } from "./report.js";
import {
  Certificate, OIDS, SIGNATURES, basicConstraintsOf, isForHost, isSameName, keyUsageOf, purposesOf,
} from "./x509.js";
import { LIMITS, RULES } from "./tables.js";
import { algorithmOf } from "./der.js";
import { equal, hex } from "./octets.js";
import { shown } from "./case.js";

const DEPTH = 8;
const DAY = 86_400_000;
const PURPOSES = new Set([RULES.evidencePurpose, ...RULES.documentPurposes]);
// What may be critical in a path: authority and subject key, key usage, names, constraints, purposes, access.
const KNOWN = new Set([
  "2.5.29.35", "2.5.29.14", "2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.30", "2.5.29.37", "1.3.6.1.5.5.7.1.1",
]);
const NAME_CONSTRAINTS = "2.5.29.30";
const ALTERNATIVE_NAMES = "2.5.29.17";

/** Chains against the chosen trust; without any, in themselves. */
export function certificatesOf(found) {
  return found.trust ? new Certificates(found.trust.roots, found.trust.revocations) : new Certificates(null);
}

/** Judges chains against roots; without roots, in themselves only. */
export class Certificates {
  #signatories = [];
  #anchored = new Map();

  constructor(roots, revocations = []) {
    this.roots = roots;
    this.revocations = revocations;
  }

  /** Whose chain it is: key on P-256, a certificate for seals, each issued by the next. */
  async signatory(check, chain) {
    const same = (one) => one.chain.length === chain.length && one.chain.every((der, at) => equal(der, chain[at]));
    const known = this.#signatories.find(same);
    if (known) return known.who;
    const who = await signatoryOf(check, chain.map((one) => new Certificate(one)));
    this.#signatories.push({ chain, who });
    return who;
  }

  /** Valid at a time, from an anchor where there are some, and not revoked by then. */
  async judge(check, who, at) {
    if (at < who.begin || at > who.end) throw new Said(`${check}.validity`, { time: shown(at) });
    if (this.roots !== null) await this.#anchor(check, who, at);
    for (const one of who.chain) {
      if (await this.isRevoked(one, at)) throw new Said(`${check}.revoked`, { time: shown(at) });
    }
  }

  async #anchor(check, who, at) {
    const known = this.#anchored.get(who);
    if (known && known.begin <= at && at <= known.end) return;
    const path = await pathOf(who.leaf, who.chain.slice(1), this.roots, at, isIssuer);
    const reason = this.roots.length ? "no path to a trusted root" : "no roots";
    if (path === null) throw new Said(`${check}.chain`, { reason });
    this.#anchored.set(who, spanOf(path));
  }

  /** Until when lists say which certificates of this one's issuer were revoked; null without any such list. */
  async listedUntil(certificate) {
    let until = null;
    for (const list of this.revocations) {
      if (list.isPartial || !isSameName(list.issuer, certificate.issuer) || !(await this.#isSigned(list))) continue;
      until = Math.max(until ?? -Infinity, untilOf(list));
    }
    return until;
  }

  /** Whether a signed list says that it was revoked at a time or before. */
  async isRevoked(certificate, at) {
    for (const list of this.revocations) {
      const since = list.of(certificate);
      const speaks = since !== null && isSameName(list.issuer, certificate.issuer);
      if (speaks && (await this.#isSigned(list)) && since <= at) return true;
    }
    return false;
  }

  async #isSigned(list) {
    for (const root of this.roots ?? []) {
      const isIssuers = root.key.kind === "EC" && isSameName(root.subject, list.issuer);
      if (isIssuers) return list.isSignedBy(root.key);
    }
    return true; // of an intermediate whose key is not at hand: the user put the list into the trust folder
  }
}

/** Whether all paths through these certificates can be tried: few, and no name more than twice, for cross-signed ones. */
export function isSearchable(certificates) {
  const counts = new Map();
  for (const { subject } of certificates) counts.set(hex(subject.der), (counts.get(hex(subject.der)) ?? 0) + 1);
  return certificates.length <= LIMITS.certificates && Math.max(0, ...counts.values()) <= LIMITS.certificatesOfOneName;
}

async function signatoryOf(check, chain) {
  const [leaf] = chain;
  if (!isSearchable(chain)) throw new Said(`${check}.malformed`, { reason: "more certificates than a seal may have" });
  const key = leaf.key;
  if (key.kind !== "EC" || key.curve !== "P-256") throw new Said(`${check}.key`);
  await key.check();
  requireUsage(check, leaf);
  for (const [at, one] of chain.slice(0, -1).entries()) {
    const issuer = chain[at + 1];
    if (!one.issuedBy(issuer) || !(await one.isSignedBy(issuer))) {
      throw new Said(`${check}.malformed`, { reason: "a certificate that the next one did not issue" });
    }
  }
  return { leaf, key, name: leaf.name, chain, ...spanOf(chain) };
}

function requireUsage(check, leaf) {
  const usage = keyUsageOf(leaf);
  const purposes = purposesOf(leaf)?.list ?? [];
  const other = isForHost(leaf) || !purposes.every((one) => PURPOSES.has(one));
  if (!usage?.signs || usage.issues || basicConstraintsOf(leaf)?.authority || other) throw new Said(`${check}.usage`);
}

/** Whether a certificate is issued for seals of evidence; older ones do not say what they are for. */
export const isForEvidence = (leaf) => purposesOf(leaf)?.list.includes(RULES.evidencePurpose) ?? false;

/** When a list is stale: once the next one is due, and never later than a list may count. */
const untilOf = ({ begin, due }) => (due === null ? begin : Math.min(due, begin + RULES.revocationListDays * DAY));

const spanOf = (chain) => ({
  begin: Math.max(...chain.map((one) => one.begin)),
  end: Math.min(...chain.map((one) => one.end)),
});

/** What an issuer in a path must be. */
function isIssuer(certificate) {
  return Boolean(basicConstraintsOf(certificate)?.authority) && (keyUsageOf(certificate)?.issues ?? true);
}

/** The same for issuers of time stamp authorities, whose purposes must allow it. */
export function isStampIssuer(certificate) {
  const purposes = purposesOf(certificate)?.list ?? [OIDS.anyPurpose];
  const allowed = purposes.some((one) => [OIDS.timeStamping, OIDS.anyPurpose].includes(one));
  return Boolean(basicConstraintsOf(certificate)?.authority) && (keyUsageOf(certificate)?.issues ?? true) && allowed;
}

/** A path from a certificate to a root, all of it valid at a time, or null; the first that there is. */
export async function pathOf(leaf, intermediates, roots, at, mayIssue) {
  if (!isSound(leaf, at)) return null;
  return extended([leaf], intermediates, roots, at, mayIssue);
}

async function extended(path, intermediates, roots, at, mayIssue) {
  if (roots.some((one) => equal(one.der, path.at(-1).der))) return path;
  if (path.length > DEPTH) return null;
  for (const issuer of [...roots, ...intermediates]) {
    if (path.some((one) => equal(one.der, issuer.der)) || !path.at(-1).issuedBy(issuer)) continue;
    if (!(await isNext(path, issuer, at, mayIssue))) continue;
    const found = await extended([...path, issuer], intermediates, roots, at, mayIssue);
    if (found) return found;
  }
  return null;
}

/** Whether a certificate can stand next in a path; one that cannot be read, or has no key, cannot. */
async function isNext(path, issuer, at, mayIssue) {
  try {
    if (!isSound(issuer, at) || !mayIssue(issuer) || isConstrained(issuer, path[0])) return false;
    return path.length - 1 <= basicConstraintsOf(issuer).most && (await path.at(-1).isSignedBy(issuer));
  } catch {
    return false;
  }
}

/** What every certificate of a path must be (RFC 5280, 4.1; the library of the command asks the same). */
function isSound(certificate, at) {
  const plain = certificate.version === 3n && certificate.serial > 0n && certificate.number.content.length <= 21;
  const valid = certificate.begin <= at && at <= certificate.end;
  const known = [...certificate.extensions].every(([oid, one]) => !one.critical || KNOWN.has(oid));
  const named = certificate.issuer.count > 0;
  const signed = algorithmOf(certificate.innerAlgorithm).oid in SIGNATURES && certificate.hasOneAlgorithm;
  return plain && valid && known && named && signed && hasStrongKey(certificate);
}

function hasStrongKey(certificate) {
  const { kind, bits } = certificate.key;
  return kind === "EC" || bits >= 2048;
}

/** Constraints on names that this reader does not weigh: refused rather than overlooked. */
function isConstrained(issuer, leaf) {
  return issuer.extensions.has(NAME_CONSTRAINTS) && leaf.extensions.has(ALTERNATIVE_NAMES);
}


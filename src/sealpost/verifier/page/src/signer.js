// Who sealed: one signer over records, container and certificate, whom the records name as their issuer. As `signer.py`.
//
// That a certificate leads to a trusted root says little: under one root there are certificates of others, and of the same
// organisation for other things.
import { Said } from "./report.js";
import { FAIL, MEMBERS, RULES } from "./tables.js";
import { Value, requireDer } from "./der.js";
import { certificatesOf, isForEvidence } from "./certificates.js";
import { equal, hex, sha256, strictBase64, utf8 } from "./octets.js";
import { isObject } from "./json.js";
import { isOf } from "./timestamps.js";
import { shown } from "./case.js";

const [CONTAINER, CERTIFICATE] = [MEMBERS.signature, MEMBERS.certificate];
const LEGAL_NAME = "http://eidas.europa.eu/attributes/legalperson/LegalName";
const LEGAL_ID = "http://eidas.europa.eu/attributes/legalperson/LegalPersonIdentifier";
const SHA256_URI = "http://www.w3.org/2001/04/xmlenc#sha256";
const [COMMON, ORGANISATION, IDENTIFIER] = ["2.5.4.3", "2.5.4.10", "2.5.4.97"];
const OWN_NAME = new RegExp(`^([\\s\\S]*)${RULES.sealName}$`);
const LONGEST = RULES.longestName;
const SINCE = Date.parse(`${RULES.evidencePurposeSince}T00:00:00Z`);

/** Says signer. */
export async function check(found) {
  const { findings, sealers } = found;
  for (const record of found.records.values()) {
    const name = `records/${String(record.seq).padStart(3, "0")}.jades.json`;
    const sealer = sealers.get(name);
    if (sealer) await findings.about("signer", name, { record: record.seq }, () => checkRecord(record, name, sealer.chain[0]));
  }
  await findings.about("signer", "", {}, async () => {
    const signer = checkOne(found);
    checkPurposes(found);
    if (found.trust) await checkLists(found);
    const wrong = findings.claims.some((one) => one.check === "signer" && one.verdict === FAIL);
    const whole = sealers.has(CONTAINER) && sealers.has(CERTIFICATE);
    if (signer && !wrong && whole) findings.say(found.trust ? "signer.ok" : "signer.unknown", "", { signer });
  });
}

/** Whose certificate it is, by its subject; see `signer.py`. */
function identityOf(certificate, about) {
  const [full, named, identifier] = [COMMON, ORGANISATION, IDENTIFIER].map((kind) => {
    const found = certificate.subject.named(kind);
    if (found === null) throw new Said("signer.malformed", { about, reason: "two names of one kind" });
    return found;
  });
  const organisation = named || full;
  const common = OWN_NAME.exec(full)?.[1] ?? full;
  const isCut = utf8(full).length > LONGEST - 4 && organisation.startsWith(common);
  return { organisation, common, identifier, isPlain: common === organisation || isCut };
}

/** The issuer that a record names is whose certificate sealed it, and no other certificate is named. */
async function checkRecord(record, about, leaf) {
  const given = record.value?.EvidenceIssuerDetails;
  const details = isObject(given) ? given : {};
  const identity = identityOf(leaf, about);
  const name = attributeOf(details, LEGAL_NAME);
  if (name === null || ![name, cut(name)].includes(identity.organisation)) {
    const code = name && isEarlier(record) ? "signer.earlier" : "signer.issuer";
    throw new Said(code, { about, issuer: name || "?", signer: identity.organisation });
  }
  const number = attributeOf(details, LEGAL_ID);
  if (number && identity.identifier && number !== identity.identifier) {
    throw new Said("signer.issuer", { issuer: `${name} (${number})`, signer: `${name} (${identity.identifier})` });
  }
  for (const one of namedCertificates(details)) {
    if (!(await isNamed(one, leaf))) throw new Said("signer.certificate");
  }
}

/** Whether a release made it that kept its certificates when the operator changed its name. */
const isEarlier = (record) => record.extension.suite === RULES.suites[0].name;

/** The one value of an attribute of the issuer; null where there is none, or several. */
function attributeOf(details, name) {
  const list = isObject(details.Identity) ? details.Identity.Attribute : null;
  if (!Array.isArray(list) || !list.every((one) => isObject(one) && "Name" in one)) return null;
  const found = list.filter((one) => one.Name === name).map((one) => one.AttributeValue);
  if (found.length !== 1 || !Array.isArray(found[0]) || found[0].length !== 1) return null;
  return typeof found[0][0] === "string" ? found[0][0].normalize("NFC") : null;
}

const cut = (name) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(utf8(name).subarray(0, LONGEST), { stream: true });

/** What a record says of the certificate: `CertificateDetails`, and a `CertID` that stands outside of them. */
function namedCertificates(details) {
  const listed = "CertificateDetails" in details ? details.CertificateDetails : [];
  const found = Array.isArray(listed) ? [...listed] : [listed];
  return "CertID" in details ? [...found, { CertID: details.CertID }] : found;
}

async function isNamed(given, leaf) {
  try {
    if ("X509Certificate" in given) return equal(strictBase64(given.X509Certificate), leaf.der);
    const named = "CertID" in given ? given.CertID : given.CertIDAndSignature.CertID;
    const { DigestMethod: method, DigestValue: digest } = named.CertDigest;
    const same = equal(strictBase64(digest), await sha256(leaf.der)) && method.Algorithm === SHA256_URI;
    return same && (!("IssuerSerialV2" in named) || isNumbered(strictBase64(named.IssuerSerialV2), leaf));
  } catch {
    return false;
  }
}

function isNumbered(der, leaf) {
  requireDer(der);
  return isOf(new Value(der), leaf);
}

/** Says who sealed another part than the first record; the name of who sealed that. */
function checkOne(found) {
  let first = null;
  for (const [name, { chain }] of found.sealers) {
    const [leaf] = chain;
    const identity = identityOf(leaf, name);
    if (first === null) first = { leaf, identity };
    else if (!isSame(first.identity, identity)) {
      if (isRenamed(first.identity, identity) || isListed(found, first.leaf, leaf)) {
        found.findings.remark("remark.renamed", { signer: first.identity.organisation, other: identity.organisation });
      } else if (isAnEarlierName(found, identity.organisation) && identity.organisation !== first.identity.organisation) {
        found.findings.say("signer.earlier", name, { issuer: identity.organisation, signer: first.identity.organisation });
      } else found.findings.say("signer.differs", name, { signer: written(identity), other: written(first.identity) });
    }
  }
  return first?.identity.organisation ?? "";
}

/** Whether a record of an earlier release names this issuer: the operator may since have a certificate in that name. */
function isAnEarlierName(found, organisation) {
  const details = [...found.records.values()].filter(isEarlier).map((one) => one.value?.EvidenceIssuerDetails);
  const names = details.filter(isObject).map((one) => attributeOf(one, LEGAL_NAME)).filter(Boolean);
  return names.some((name) => [name, cut(name)].includes(organisation));
}

const written = ({ organisation, common }) =>
  ["", organisation].includes(common) ? organisation : `${organisation} (${common})`;

function isSame(one, other) {
  if (one.organisation !== other.organisation) return false;
  if (one.identifier && other.identifier && one.identifier !== other.identifier) return false;
  return one.common === other.common || (one.isPlain && other.isPlain);
}

/** Whether it is the same legal person under another name: a register's number outlives names. */
const isRenamed = (one, other) =>
  one.identifier !== "" && one.identifier === other.identifier && one.isPlain && other.isPlain;

/** Whether the chosen trust folder has all of them among those that seal for one service. */
const isListed = (found, ...leaves) => found.trust !== null && leaves.every((one) => found.trust.certificates.has(hex(one.der)));

/** Each certificate is for evidence, or a token says that its seal is older than that purpose. */
function checkPurposes(found) {
  const whole = found.sealers.get(CONTAINER)?.at ?? Infinity;
  for (const [name, { chain, at }] of found.sealers) {
    // What is in a container is not younger than that.
    const isOlder = Math.min(at ?? Infinity, whole) < SINCE;
    if (!isOlder && !isForEvidence(chain[0])) {
      found.findings.say("signer.purpose", name, { since: RULES.evidencePurposeSince });
    }
  }
}

/** For each issuer of a certificate, a list that was not stale when the container was stamped. */
async function checkLists(found) {
  const whole = found.sealers.get(CONTAINER);
  const times = (whole ? [whole] : [...found.sealers.values()]).map((one) => one.at).filter((one) => one !== null);
  if (!times.length) return; // said of the container: its time is not proven
  const [certificates, at] = [certificatesOf(found), Math.max(...times)];
  const chains = [...found.sealers.values()].flatMap((one) => one.chain);
  for (const [issuer, certificate] of new Map(chains.map((one) => [one.issuer.written, one]))) {
    const until = await certificates.listedUntil(certificate);
    if (until === null) found.findings.say("signer.unlisted", "", { issuer });
    else if (until < at) found.findings.say("signer.stale", "", { issuer, until: shown(until), time: shown(at) });
  }
}

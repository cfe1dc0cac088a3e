// The seals of bundle and PDF: CMS with one signer, CAdES/PAdES baseline B-T (RFC 5652, RFC 5816). As `cms_seal.py`.
//
// Strict: DER, one signer, only certificates and attributes that are used.
import { Malformed, Said } from "./report.js";
import { RULES, covers } from "./tables.js";
import { Value, algorithmOf, requireDer, same } from "./der.js";
import { Certificate, isSameName, isSignedInDer } from "./x509.js";
import { certificatesOf, isSearchable } from "./certificates.js";
import { equal, isSorted, sha256 } from "./octets.js";
import { identifierOf, isNamedBy, isOf, signedOctets, signerOf } from "./timestamps.js";
import { shown } from "./case.js";
import { isOwn, stamped } from "./times.js";

const SIGNED_DATA = "1.2.840.113549.1.7.2";
const DATA = "1.2.840.113549.1.7.1";
const SHA256 = "2.16.840.1.101.3.4.2.1";
const ECDSA_SHA256 = "1.2.840.10045.4.3.2";
const CONTENT_TYPE = "1.2.840.113549.1.9.3";
const MESSAGE_DIGEST = "1.2.840.113549.1.9.4";
const SIGNING_TIME = "1.2.840.113549.1.9.5";
const PROTECTION = "1.2.840.113549.1.9.52";
const BINDING = "1.2.840.113549.1.9.16.2.47";
const TOKEN = "1.2.840.113549.1.9.16.2.14";
const NEEDED = [CONTENT_TYPE, MESSAGE_DIGEST, BINDING];
const ALLOWED = [...NEEDED, SIGNING_TIME, PROTECTION];

/** Checks a seal over a digest, given as DER, and says who sealed; throws `Said` where it is none. */
export async function check(found, checkId, about, der, digest) {
  const refuse = refusals(checkId);
  const signed = signedDataOf(refuse, der);
  const { signer } = signed;
  if (signer.attributes === null) throw new Malformed("no signed attributes");
  const attributes = attributesOf(refuse, signer.attributes, ALLOWED);
  refuse.malformed(NEEDED.every((oid) => attributes.has(oid)), "a signed attribute is missing");
  requirePlain(refuse, signed, attributes);
  if (!equal(attributes.get(MESSAGE_DIGEST).octets, digest)) throw new Said(`${checkId}.signature`);
  const who = await signatoryOf(found, refuse, signed);
  await requireBound(refuse, attributes.get(BINDING), who.leaf);
  const right = await isSignedInDer(who.key, "SHA-256", signer.signature, signedOctets(signer.attributes));
  if (!right) throw new Said(`${checkId}.signature`);
  await judge(found, checkId, about, who, refuse, signer);
}

/** Ends the check unless something is true: with `malformed`, or with `unused`. */
function refusals(checkId) {
  const end = (code) => (truth, reason) => {
    if (!truth) throw new Said(`${checkId}.${code}`, { reason });
  };
  return { checkId, malformed: end("malformed"), unused: end("unused") };
}

function signedDataOf(refuse, der) {
  try {
    requireDer(der);
  } catch (error) {
    refuse.malformed(false, error.message);
  }
  const outer = new Value(der).elements();
  refuse.malformed(outer.take().oid === SIGNED_DATA, "not signed data");
  const fields = outer.take(0xa0).inner[0].elements();
  outer.end();
  refuse.malformed(fields.take(0x02).integer === 1n, "signed data of another version");
  const algorithms = fields.take(0x31).inner;
  const inner = fields.take(0x30).elements();
  refuse.malformed(inner.take().oid === DATA && inner.next === null, "not detached");
  const certificates = fields.maybe(0xa0)?.inner ?? [];
  refuse.unused(!fields.maybe(0xa1)?.inner.length, "revocation lists");
  const signers = fields.take(0x31).inner;
  fields.end();
  refuse.unused(signers.length === 1, "other signers than one");
  refuse.malformed(certificates.length, "no certificates");
  return { algorithms, certificates, signer: signerOf(signers[0]) };
}

function requirePlain(refuse, signed, attributes) {
  const { signer, algorithms } = signed;
  refuse.malformed(signer.version === 1n, "a signer not named by issuer and serial number");
  const named = [...algorithms, signer.hash].map((one) => algorithmOf(one));
  refuse.malformed(named.length === 2 && named.every(({ oid, plain }) => oid === SHA256 && plain), "another hash");
  const { oid, plain } = algorithmOf(signer.algorithm);
  if (oid !== ECDSA_SHA256 || !plain) throw new Said(`${refuse.checkId}.key`);
  refuse.malformed(attributes.get(CONTENT_TYPE).oid === DATA, "a signature over another kind of content");
  if (!attributes.has(PROTECTION)) return;
  const guard = attributes.get(PROTECTION).elements();
  const alike = same(guard.take(0x30), signer.hash) && equal(guard.take(0xa1).content, signer.algorithm.content);
  refuse.malformed(alike, "other algorithms are protected than used");
}

function attributesOf(refuse, value, allowed) {
  const list = value.inner;
  refuse.malformed(isSorted(list.map((one) => one.whole)), "attributes out of order");
  const found = new Map();
  for (const one of list) {
    const fields = one.elements();
    const [oid, values] = [fields.take().oid, fields.take(0x31).inner];
    refuse.malformed(!found.has(oid) && values.length === 1, "an attribute that does not stand there once");
    refuse.unused(allowed.includes(oid), "an attribute that is not used");
    found.set(oid, values[0]);
  }
  return found;
}

/** The signer's chain; every certificate that the seal carries must be part of it. */
async function signatoryOf(found, refuse, signed) {
  refuse.malformed(signed.certificates.every((one) => one.tag === 0x30), "another kind of certificate");
  const loaded = signed.certificates.map((one) => new Certificate(one.whole));
  refuse.malformed(isSearchable(loaded), "more certificates than a seal may have");
  const named = loaded.filter((one) => isNamedBy(signed.signer.sid, one));
  refuse.malformed(named.length === 1, "the signer's certificate is not there exactly once");
  const [chain, rest] = [named, new Set(loaded)];
  rest.delete(named[0]);
  for (;;) {
    const next = [...rest].find((one) => isSameName(one.subject, chain.at(-1).issuer));
    if (!next) break;
    chain.push(next);
    rest.delete(next);
  }
  refuse.unused(!rest.size, "a certificate that is not of the signer's chain");
  const last = chain.at(-1);
  refuse.unused(chain.length < 2 || !isSameName(last.issuer, last.subject), "a root");
  return certificatesOf(found).signatory(refuse.checkId, chain.map((one) => one.der));
}

/** ESSCertIDv2 (RFC 5816): one, of the signer's certificate. */
async function requireBound(refuse, binding, leaf) {
  const fields = binding.elements();
  const list = fields.take(0x30).inner;
  refuse.malformed(list.length === 1 && fields.next === null, "a binding that is not plain");
  const identifier = identifierOf(list[0]);
  refuse.malformed(identifier.hash === SHA256, "bound by another hash");
  refuse.malformed(equal(identifier.digest, await sha256(leaf.der)), "bound to another certificate");
  refuse.malformed(isOf(identifier.issuerSerial, leaf), "bound to another issuer");
}

async function judge(found, checkId, about, who, refuse, signer) {
  const at = await timeOf(found, checkId, about, refuse, signer);
  const judged = at ?? Date.now();
  if (!RULES.suites.some((one) => covers(one, judged))) throw new Said(`${checkId}.suite`, { time: shown(judged) });
  if (at !== null || found.trust) await certificatesOf(found).judge(checkId, who, judged);
  found.sealers.set(about, { chain: who.chain, at });
  if (at === null) throw new Said(`${checkId}.time`);
  if (found.trust === null) throw new Said(`${checkId}.signer`, { signer: who.name });
  found.findings.say(`${checkId}.ok`, about, { signer: who.name });
}

async function timeOf(found, checkId, about, refuse, signer) {
  const attributes = signer.unsigned === null ? new Map() : attributesOf(refuse, signer.unsigned, [TOKEN]);
  if (!attributes.has(TOKEN)) return null;
  let token;
  try {
    token = await stamped(found.trust, attributes.get(TOKEN).whole, signer.signature);
  } catch (end) {
    if (!(end instanceof Said)) throw end;
    throw new Said(`${checkId}.token`, { reason: end.values.reason ?? "revoked" });
  }
  found.closed.set(about, token);
  if (isOwn(found, token)) {
    found.findings.say("time.own", about, { about, time: shown(token.at), authority: token.authority });
  }
  return token.at;
}

// Checks time tokens: RFC 3161 2.4.2, RFC 5816, RFC 5652 5. As `timestamps.py`.
import { Malformed, isFault, require } from "./report.js";
import { Certificate, OIDS, isSignedInDer, keyUsageOf, purposesOf } from "./x509.js";
import { STAMP, Value, algorithmOf, requireDer } from "./der.js";
import { digest, equal, isSorted, joined } from "./octets.js";
import { isSearchable, isStampIssuer, pathOf } from "./certificates.js";

const SIGNED_DATA = "1.2.840.113549.1.7.2";
const TST_INFO = "1.2.840.113549.1.9.16.1.4";
const HASHES = {
  "2.16.840.1.101.3.4.2.1": "SHA-256",
  "2.16.840.1.101.3.4.2.2": "SHA-384",
  "2.16.840.1.101.3.4.2.3": "SHA-512",
};
const ECDSA = { "SHA-256": "1.2.840.10045.4.3.2", "SHA-384": "1.2.840.10045.4.3.3", "SHA-512": "1.2.840.10045.4.3.4" };
const RSA = { "SHA-256": "1.2.840.113549.1.1.11", "SHA-384": "1.2.840.113549.1.1.12", "SHA-512": "1.2.840.113549.1.1.13" };
const PLAIN_RSA = "1.2.840.113549.1.1.1";
const CONTENT_TYPE = "1.2.840.113549.1.9.3";
const MESSAGE_DIGEST = "1.2.840.113549.1.9.4";
const BINDING = "1.2.840.113549.1.9.16.2.12";
const BINDING_V2 = "1.2.840.113549.1.9.16.2.47";

/** The octets are no valid time token over what they are shown with; the message says why. */
export class BadToken extends Error {
  name = "BadToken";
}

/**
 * Checks a time token, or an authority's answer, over octets; with roots, a path must lead to one of them.
 *
 * Gives time and accuracy (ms), policy, authority and the certificates that the token carries; throws `BadToken`.
 */
export async function checkToken(token, octets, roots = null) {
  try {
    return await checked(token, octets, roots);
  } catch (error) {
    if (error instanceof BadToken || isFault(error)) throw error;
    throw new BadToken(error instanceof Malformed ? error.message : "not a well-formed time token");
  }
}

async function checked(token, octets, roots) {
  requireDer(token, STAMP);
  const signed = signedDataOf(contentInfoOf(token));
  requireDer(signed.content, STAMP);
  const info = infoOf(signed.content);
  require(info.hash === "SHA-256" || info.hash === "SHA-512", "an imprint that is neither SHA-256 nor SHA-512");
  require(equal(info.imprint, await digest(info.hash, octets)), "the token is over other octets");
  const certificates = signed.certificates.map(loaded);
  require(isSearchable(certificates), "more certificates than a seal may have");
  const certificate = await verifiedSigner(signed, certificates);
  requireTimeStamping(certificate, info.at);
  let anchor = null;
  if (roots !== null) {
    const others = certificates.filter((one) => !equal(one.der, certificate.der));
    const path = await pathOf(certificate, others, roots, info.at, isStampIssuer);
    require(path !== null, "no path to a trusted root");
    anchor = path.at(-1);
  }
  const { at, accuracy, policy } = info;
  return { at, accuracy, policy, authority: certificate.subject.written, certificate, certificates, anchor };
}

/** Tells a bare token from an answer by the first element: an identifier, or the status. */
function contentInfoOf(token) {
  const whole = new Value(token).expect(0x30);
  if (whole.inner[0]?.tag === 0x06) return whole;
  const answer = whole.elements();
  const status = answer.take(0x30).elements();
  const granted = status.take(0x02).integer === 0n;
  status.maybe(0x30);
  require(granted && status.next === null, "the time was not granted");
  const found = answer.take(0x30);
  answer.end();
  return found;
}

/** The parts of SignedData, after the checks that need neither key nor octets. */
function signedDataOf(info) {
  const outer = info.elements();
  require(outer.take().oid === SIGNED_DATA, "not signed data");
  const explicit = outer.take(0xa0).inner;
  outer.end();
  require(explicit.length === 1, "not signed data");
  const fields = explicit[0].elements();
  require(fields.take(0x02).integer === 3n, "signed data of another version than 3");
  const algorithms = fields.take(0x31).inner;
  const inner = fields.take(0x30).elements();
  require(inner.take().oid === TST_INFO, "no time stamp inside");
  const content = inner.take(0xa0).inner[0].octets;
  const certificates = fields.maybe(0xa0)?.inner ?? [];
  const lists = fields.maybe(0xa1)?.inner ?? [];
  const signers = fields.take(0x31).inner;
  fields.end();
  require(signers.length === 1, "not exactly one signer");
  require(certificates.length, "no certificates");
  require(certificates.every((one) => one.tag === 0x30), "an obsolete kind of certificate");
  const signer = signerOf(signers[0]);
  require(!lists.length && !signer.unsigned?.inner.length, "something that nobody signed");
  return { algorithms, content, certificates, signer };
}

/** The parts of a SignerInfo. */
export function signerOf(value) {
  const fields = value.elements();
  const version = fields.take(0x02).integer;
  const sid = fields.take();
  const hash = fields.take(0x30);
  const attributes = fields.maybe(0xa0);
  const algorithm = fields.take(0x30);
  const signature = fields.take(0x04).content;
  const unsigned = fields.maybe(0xa1);
  fields.end();
  return { version, sid, hash, attributes, algorithm, signature, unsigned };
}

/** What is signed is the SET itself, not the implicit [0] in its place (RFC 5652 5.4), in the octets as received. */
export const signedOctets = (attributes) => joined(Uint8Array.of(0x31), attributes.whole.subarray(1));

function hashOf(value) {
  const { oid, plain } = algorithmOf(value);
  require(plain, "a hash with parameters");
  return HASHES[oid] ?? oid;
}

function infoOf(content) {
  const fields = new Value(content).elements();
  require(fields.take(0x02).integer === 1n, "a time stamp of another version than 1");
  const policy = fields.take().oid;
  const imprint = fields.take(0x30).elements();
  const [hash, hashed] = [hashOf(imprint.take(0x30)), imprint.take().octets];
  imprint.end();
  fields.take(0x02);
  const at = fields.take(0x18).time;
  const accuracy = accuracyOf(fields.maybe(0x30));
  for (const tag of [0x01, 0x02, 0xa0]) fields.maybe(tag);
  const extensions = fields.maybe(0xa1)?.inner ?? [];
  fields.end();
  const critical = extensions.some((one) => one.inner[1]?.tag === 0x01 && one.inner[1].boolean);
  require(!critical, "an unknown critical extension");
  return { policy, hash, imprint: hashed, at, accuracy };
}

function accuracyOf(value) {
  if (value === null) return 0;
  const fields = value.elements();
  const found = [0x02, 0x80, 0x81].map((tag) => Number(fields.maybe(tag)?.integer ?? 0n));
  fields.end();
  return found[0] * 1000 + found[1] + found[2] / 1000;
}

function loaded(value) {
  const certificate = new Certificate(value.whole);
  require(certificate.serial > 0n, "a certificate whose number is not positive");
  return certificate;
}

/** The certificate whose key made the signature, after every check that binds the two (RFC 5652 5.4). */
async function verifiedSigner(signed, certificates) {
  const { signer, content } = signed;
  require(signer.version === 1n, "a signer not named by issuer and serial number");
  const hash = hashOf(signer.hash);
  require(Object.values(HASHES).includes(hash), "a signature over an unknown or weak hash");
  const announced = signed.algorithms.map(hashOf);
  require(announced.length === 1 && announced[0] === hash, "other hashes are announced");
  const found = certificates.filter((one) => isNamedBy(signer.sid, one));
  require(found.length === 1, "the signer's certificate is not there exactly once");
  const [certificate] = found;
  require(signer.attributes?.inner.length, "no signed attributes");
  const attributes = attributesOf(signer.attributes);
  require(needed(attributes, CONTENT_TYPE).oid === TST_INFO, "the signature is over another kind of content");
  const over = needed(attributes, MESSAGE_DIGEST).octets;
  require(equal(over, await digest(hash, content)), "the content is not what was signed");
  await requireBinding(attributes, certificate);
  await requireSignature(certificate, signer, hash);
  return certificate;
}

/** Whether a signer's issuer and number are a certificate's. */
export function isNamedBy(sid, certificate) {
  const fields = sid.elements();
  const [issuer, number] = [fields.take(0x30), fields.take(0x02)];
  fields.end();
  return equal(issuer.whole, certificate.issuer.der) && number.integer === certificate.serial;
}

function attributesOf(value) {
  require(isSorted(value.inner.map((one) => one.whole)), "no signed attributes in DER order");
  const found = new Map();
  for (const one of value.inner) {
    const fields = one.elements();
    const [oid, values] = [fields.take().oid, fields.take(0x31).inner];
    require(!found.has(oid) && values.length === 1, "a signed attribute that does not stand there once");
    found.set(oid, values[0]);
  }
  return found;
}

function needed(attributes, oid) {
  require(attributes.has(oid), "a signed attribute is missing");
  return attributes.get(oid);
}

/** ESSCertIDv2 (RFC 5816); the older ESSCertID by SHA-1 (RFC 2634 5.4) may stand beside it, and must fit then. */
async function requireBinding(attributes, certificate) {
  const bindings = [BINDING_V2, BINDING].filter((oid) => attributes.has(oid));
  require(bindings[0] === BINDING_V2, "the signature is not bound to a certificate by SHA-2");
  for (const oid of bindings) {
    const identifier = identifierOf(attributes.get(oid).elements().take(0x30).inner[0]);
    const hash = oid === BINDING ? "SHA-1" : HASHES[identifier.hash];
    require(hash && equal(identifier.digest, await digest(hash, certificate.der)), "bound to another certificate");
    require(isOf(identifier.issuerSerial, certificate), "bound to another issuer or serial number");
  }
}

/** The parts of an ESSCertID or ESSCertIDv2; without an algorithm it is SHA-256. */
export function identifierOf(value) {
  const fields = value.elements();
  const algorithm = fields.maybe(0x30);
  const hash = algorithm === null ? "2.16.840.1.101.3.4.2.1" : algorithmOf(algorithm).oid;
  const found = fields.take().octets;
  const issuerSerial = fields.maybe(0x30);
  fields.end();
  return { hash, digest: found, issuerSerial };
}

/** Whether an IssuerSerial is a certificate's; a missing one says nothing. */
export function isOf(issuerSerial, certificate) {
  if (issuerSerial === null) return true;
  const fields = issuerSerial.elements();
  const names = fields.take(0x30).inner.filter((one) => one.tag === 0xa4).map((one) => one.inner[0].whole);
  const number = fields.take(0x02).integer;
  return names.length === 1 && equal(names[0], certificate.issuer.der) && number === certificate.serial;
}

async function requireSignature(certificate, signer, hash) {
  const { oid, plain } = algorithmOf(signer.algorithm);
  require(plain, "a signature algorithm with parameters");
  const key = certificate.key;
  const fits = key.kind === "RSA" ? [PLAIN_RSA, RSA[hash]].includes(oid) : oid === ECDSA[hash];
  require(fits, "a signature algorithm that is unknown here or does not fit its key");
  const right = await isSignedInDer(key, hash, signer.signature, signedOctets(signer.attributes));
  require(right, "the signature is wrong");
}

/** RFC 3161 2.3: a key for time stamps alone, said critically; and valid at the token's time. */
function requireTimeStamping(certificate, at) {
  const purposes = purposesOf(certificate);
  require(purposes, "the certificate is not for time stamps");
  require(purposes.critical, "the certificate's purpose is not critical");
  const alone = purposes.list.length === 1 && purposes.list[0] === OIDS.timeStamping;
  require(alone, "the certificate is not for time stamps alone");
  require(certificate.begin <= at && at <= certificate.end, "the certificate was not valid at the token's time");
  const usage = keyUsageOf(certificate);
  require(usage === null || (usage.signs && !usage.issues), "the certificate's key is not for signatures");
}


// Certificates and revocation lists (RFC 5280), strictly, and signatures by their keys through WebCrypto.
import { Malformed, require } from "./report.js";
import { Value, algorithmOf, requireDer, STAMP } from "./der.js";
import { equal, hex, latin1, strictBase64, text } from "./octets.js";

const CURVES = { "1.2.840.10045.3.1.7": ["P-256", 32], "1.3.132.0.34": ["P-384", 48], "1.3.132.0.35": ["P-521", 66] };
export const EC_KEY = "1.2.840.10045.2.1";
export const RSA_KEY = "1.2.840.113549.1.1.1";
export const SIGNATURES = {
  "1.2.840.10045.4.3.2": ["EC", "SHA-256"],
  "1.2.840.10045.4.3.3": ["EC", "SHA-384"],
  "1.2.840.10045.4.3.4": ["EC", "SHA-512"],
  "1.2.840.113549.1.1.11": ["RSA", "SHA-256"],
  "1.2.840.113549.1.1.12": ["RSA", "SHA-384"],
  "1.2.840.113549.1.1.13": ["RSA", "SHA-512"],
};
export const OIDS = {
  basicConstraints: "2.5.29.19",
  keyUsage: "2.5.29.15",
  extendedKeyUsage: "2.5.29.37",
  alternativeNames: "2.5.29.17",
  timeStamping: "1.3.6.1.5.5.7.3.8",
  anyPurpose: "2.5.29.37.0",
};
const LARGEST_LIST = 8 << 20;
const SHORT = {
  "2.5.4.3": "CN", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.6": "C", "2.5.4.9": "STREET",
  "0.9.2342.19200300.100.1.25": "DC", "0.9.2342.19200300.100.1.1": "UID",
};

const ORGANISATION = ["2.5.4.10", "2.5.4.97"]; // its name, its identifier

/** A public key: its kind and how WebCrypto takes it. */
class Key {
  #imported = new Map();

  constructor(spki) {
    this.spki = spki.whole;
    const [algorithm, bits] = spki.elements().values;
    const { oid, parameters } = algorithmOf(algorithm);
    require(oid === EC_KEY || oid === RSA_KEY, "a key of a kind that is unknown here");
    this.kind = oid === EC_KEY ? "EC" : "RSA";
    if (this.kind === "EC") {
      const curve = CURVES[parameters?.oid];
      require(curve, "a curve that is unknown here");
      [this.curve, this.width] = curve;
    } else this.bits = bitsOf(new Value(bits.bits).elements().take().integer);
  }

  imported(hash) {
    if (!this.#imported.has(hash)) {
      const algorithm = this.kind === "EC" ? { name: "ECDSA", namedCurve: this.curve } : { name: "RSASSA-PKCS1-v1_5", hash };
      this.#imported.set(hash, crypto.subtle.importKey("spki", this.spki, algorithm, false, ["verify"]));
    }
    return this.#imported.get(hash);
  }

  /** Throws where it is no key at all, as a point beside the curve. */
  async check() {
    await this.imported("SHA-256");
  }
}

const bitsOf = (number) => number.toString(2).length;

/** Whether a signature is a key's: raw r and s on a curve, PKCS #1 v1.5 of RSA. */
export async function isSignedBy(key, hash, signature, message) {
  const algorithm = key.kind === "EC" ? { name: "ECDSA", hash } : "RSASSA-PKCS1-v1_5";
  return crypto.subtle.verify(algorithm, await key.imported(hash), signature, message);
}

/** The same for an ECDSA signature in DER, which has one form. */
export async function isSignedInDer(key, hash, signature, message) {
  const raw = key.kind === "EC" ? rawOf(signature, key.width) : signature;
  return raw !== null && isSignedBy(key, hash, raw, message);
}

function rawOf(der, width) {
  try {
    requireDer(der, STAMP);
    const elements = new Value(der).elements();
    const numbers = [elements.take(0x02).integer, elements.take(0x02).integer];
    elements.end();
    if (numbers.some((one) => one <= 0n || one.toString(16).length > width * 2)) return null;
    const digits = numbers.map((one) => one.toString(16).padStart(width * 2, "0")).join("");
    return Uint8Array.from(digits.match(/../g), (one) => parseInt(one, 16));
  } catch (error) {
    if (error instanceof Malformed) return null;
    throw error;
  }
}

/** A certificate. */
export class Certificate {
  #extensions = null;

  constructor(der) {
    this.der = der;
    requireDer(der, STAMP);
    const outer = new Value(der).elements();
    this.tbs = outer.take(0x30);
    this.algorithm = outer.take(0x30);
    this.signature = outer.take(0x03).bits;
    outer.end();
    const tbs = this.tbs.elements();
    const version = tbs.maybe(0xa0);
    this.version = version === null ? 1n : version.inner[0].integer + 1n;
    require([1n, 2n, 3n].includes(this.version), "a certificate of another version");
    this.number = tbs.take(0x02);
    this.serial = this.number.integer;
    this.innerAlgorithm = tbs.take(0x30);
    this.issuer = nameOf(tbs.take(0x30));
    const validity = tbs.take(0x30).elements();
    [this.begin, this.end] = [validity.take().time, validity.take().time];
    validity.end();
    this.subject = nameOf(tbs.take(0x30));
    this.spki = tbs.take(0x30);
    this.spki.elements();
    for (const tag of [0x81, 0x82]) tbs.maybe(tag);
    this.given = (tbs.maybe(0xa3)?.inner[0].elements().values ?? []).map(extensionOf);
    tbs.end();
  }

  /** Its key; throws for a kind that is unknown here. */
  get key() {
    return new Key(this.spki);
  }

  /** Extensions by identifier; throws where one stands there twice. */
  get extensions() {
    this.#extensions ??= new Map(this.given);
    require(this.#extensions.size === this.given.length, "an extension twice");
    return this.#extensions;
  }

  /** Who it is for, for people: the common name, or all of the subject. */
  get name() {
    return this.subject.common ?? this.subject.written;
  }

  /** Whether the algorithm stands in what is signed too. */
  get hasOneAlgorithm() {
    return equal(this.algorithm.whole, this.innerAlgorithm.whole);
  }

  issuedBy(issuer) {
    return equal(this.issuer.der, issuer.subject.der);
  }

  /** Whether an issuer's key signed it. */
  async isSignedBy(issuer) {
    if (!this.hasOneAlgorithm) return false;
    const [kind, hash] = SIGNATURES[algorithmOf(this.algorithm).oid] ?? [];
    const key = issuer.key;
    return kind === key.kind && isSignedInDer(key, hash, this.signature, this.tbs.whole);
  }
}

/** A name; what it says is read only when somebody asks, as its octets are all that paths need. */
function nameOf(value) {
  const sets = value.elements().values.map((set) => set.elements(0x31).values.map(attributeOf));
  const read = () => sets.map((set) => set.map(([oid, said]) => [oid, textOf(said)]));
  const rfc4514 = (one) => one.map(([oid, said]) => `${SHORT[oid] ?? oid}=${escaped(said)}`).join("+");
  return {
    der: value.whole,
    count: sets.length,
    get common() {
      return read().flat().find(([oid]) => oid === "2.5.4.3")?.[1] ?? null;
    },
    /** The one name of a kind, or empty; null where there are two. */
    named(kind) {
      const found = read().flat().filter(([oid]) => oid === kind);
      return found.length > 1 ? null : (found[0]?.[1] ?? "").normalize("NFC");
    },
    get organisations() {
      return read().flat().filter(([oid]) => ORGANISATION.includes(oid)).map(([, said]) => said);
    },
    get written() {
      return read().toReversed().map(rfc4514).join(",");
    },
  };
}

/** Whether two names say the same, in whatever way their texts are encoded; throws where one is no text. */
export const isSameName = (one, other) => one.written === other.written;

function attributeOf(value) {
  const elements = value.elements();
  const attribute = [elements.take().oid, elements.take()];
  elements.end();
  return attribute;
}

function textOf({ tag, content }) {
  if (tag === 0x1e) return new TextDecoder("utf-16be", { fatal: true }).decode(content);
  return tag === 0x0c ? text(content) : latin1(content);
}

function escaped(said) {
  const marked = said.replace(/[\\",+;<>]/g, "\\$&").replaceAll("\0", "\\00");
  return marked.replace(/^[# ]/, "\\$&").replace(/ $/, "\\ ");
}

function extensionOf(value) {
  const elements = value.elements();
  const oid = elements.take().oid;
  const critical = elements.maybe(0x01)?.boolean ?? false;
  const octets = elements.take(0x04).content;
  elements.end();
  return [oid, { critical, octets }];
}

/** Key usage of a certificate, or null. */
export function keyUsageOf(certificate) {
  const found = certificate.extensions.get(OIDS.keyUsage);
  if (!found) return null;
  const content = new Value(found.octets).expect(0x03).content;
  const bit = (number) => ((content[1 + (number >> 3)] ?? 0) & (0x80 >> (number & 7))) !== 0;
  return { signs: bit(0) || bit(1), issues: bit(5) };
}

/** Basic constraints of a certificate, or null. */
export function basicConstraintsOf(certificate) {
  const found = certificate.extensions.get(OIDS.basicConstraints);
  if (!found) return null;
  const elements = new Value(found.octets).elements();
  const authority = elements.maybe(0x01)?.boolean ?? false;
  const most = elements.maybe(0x02);
  elements.end();
  return { authority, most: most === null ? Infinity : Number(most.integer) };
}

/** Purposes of a certificate's key with whether they are critical, or null. */
export function purposesOf(certificate) {
  const found = certificate.extensions.get(OIDS.extendedKeyUsage);
  return found ? { critical: found.critical, list: new Value(found.octets).elements().values.map((one) => one.oid) } : null;
}

/** Whether a certificate is for a host: a name or an address of one stands in it. */
export function isForHost(certificate) {
  const found = certificate.extensions.get(OIDS.alternativeNames);
  return Boolean(found) && new Value(found.octets).elements().values.some((one) => [0x82, 0x87].includes(one.tag));
}

/** A list of revoked certificates: who gave it, when, until when, and when each number was revoked. */
export class RevocationList {
  constructor(der) {
    requireDer(der, STAMP, LARGEST_LIST);
    const outer = new Value(der).elements();
    this.tbs = outer.take(0x30);
    this.algorithm = outer.take(0x30);
    this.signature = outer.take(0x03).bits;
    outer.end();
    const tbs = this.tbs.elements();
    tbs.maybe(0x02);
    require(equal(tbs.take(0x30).whole, this.algorithm.whole), "a list that names two algorithms");
    this.issuer = nameOf(tbs.take(0x30));
    this.begin = tbs.take().time;
    this.due = [0x17, 0x18].includes(tbs.next?.tag) ? tbs.take().time : null;
    this.revoked = new Map();
    for (const one of tbs.maybe(0x30)?.inner ?? []) {
      const [number, at] = one.elements().values;
      if (!this.revoked.has(hex(number.content))) this.revoked.set(hex(number.content), at.time);
    }
    const extensions = (tbs.maybe(0xa0)?.inner[0]?.elements().values ?? []).map(extensionOf);
    this.isPartial = extensions.some(([, { critical }]) => critical);
    tbs.end();
  }

  /** When a certificate was revoked, or null. */
  of(certificate) {
    return this.revoked.get(hex(certificate.number.content)) ?? null;
  }

  async isSignedBy(key) {
    const [kind, hash] = SIGNATURES[algorithmOf(this.algorithm).oid] ?? [];
    return kind === key.kind && isSignedInDer(key, hash, this.signature, this.tbs.whole);
  }
}

/** The certificates of a PEM file (RFC 7468, with the headers of old ones); other kinds of blocks are passed over. */
export function pemCertificates(written) {
  const blocks = written.replaceAll("\r\n", "\n").matchAll(/(?<!-)-----BEGIN ([^\n-]+)-----([\s\S]*?)-----END \1-----/g);
  const found = [...blocks].map(([, kind, body]) => [kind, strictBase64(bodyOf(body).replace(/\s+/g, ""))]);
  const certificates = found.filter(([kind]) => kind === "CERTIFICATE" || kind === "X509 CERTIFICATE");
  require(certificates.length, "no certificates");
  return certificates.map(([, octets]) => new Certificate(octets));
}

function bodyOf(body) {
  const [head, ...rest] = body.split("\n\n");
  if (!rest.length) return body;
  require(head.trim().split("\n").every((line) => line.includes(":")), "headers that are none");
  return rest.join("\n\n");
}

// Octets: comparing, joining, hashing, texts and base64 in the one way of writing each (RFC 4648; evidence format, 1).
import { Malformed, require } from "./report.js";

const DECODER = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const ENCODER = new TextEncoder();

export const EMPTY = new Uint8Array();
export const utf8 = (text) => ENCODER.encode(text);

/** UTF-8, strictly; a byte order mark is a character like others. */
export function text(octets) {
  try {
    return DECODER.decode(octets);
  } catch {
    throw new Malformed("not UTF-8");
  }
}

/** One character for each octet. */
export function latin1(octets) {
  let found = "";
  for (let at = 0; at < octets.length; at += 8192) found += String.fromCharCode(...octets.subarray(at, at + 8192));
  return found;
}

export function ascii(octets) {
  require(octets.every((one) => one < 0x80), "not ASCII");
  return latin1(octets);
}

export function equal(one, other) {
  return one.length === other.length && one.every((octet, at) => octet === other[at]);
}

/** -1, 0 or 1, as octets are sorted. */
export function compare(one, other) {
  const shared = Math.min(one.length, other.length);
  for (let at = 0; at < shared; at += 1) if (one[at] !== other[at]) return one[at] < other[at] ? -1 : 1;
  return Math.sign(one.length - other.length);
}

export const isSorted = (list) => list.every((one, at) => at === 0 || compare(list[at - 1], one) <= 0);

export function joined(...parts) {
  const found = new Uint8Array(parts.reduce((sum, one) => sum + one.length, 0));
  let at = 0;
  for (const part of parts) {
    found.set(part, at);
    at += part.length;
  }
  return found;
}

/** Big-endian, in 8 octets. */
export function uint64(number) {
  const found = new Uint8Array(8);
  new DataView(found.buffer).setBigUint64(0, BigInt(number));
  return found;
}

export async function digest(name, octets) {
  return new Uint8Array(await crypto.subtle.digest(name, octets));
}

export const sha256 = (octets) => digest("SHA-256", octets);

export const hex = (octets) => Array.from(octets, (one) => one.toString(16).padStart(2, "0")).join("");

export const base64 = (octets) => btoa(latin1(octets));

export const base64url = (octets) => base64(octets).replace(/=+$/, "").replaceAll("+", "-").replaceAll("/", "_");

/** The octets that base64 stands for, in its one way of writing them: no other alphabet, padding or stray bits. */
export function strictBase64(written) {
  require(typeof written === "string" && /^[A-Za-z0-9+/]*={0,2}$/.test(written), "not base64");
  let raw;
  try {
    raw = atob(written);
  } catch {
    throw new Malformed("not base64");
  }
  require(btoa(raw) === written, "base64 that is not canonical");
  return Uint8Array.from(raw, (one) => one.charCodeAt(0));
}

/** The same for base64url without padding. */
export function strictBase64url(written) {
  require(typeof written === "string" && /^[A-Za-z0-9_-]*$/.test(written), "not base64url");
  const plain = written.replaceAll("-", "+").replaceAll("_", "/");
  return strictBase64(plain + "=".repeat(-plain.length & 3));
}

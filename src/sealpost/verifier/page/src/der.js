// DER (X.690, clauses 8 to 11): strict shape checks for the seals of bundle and PDF (as `der.py`), and a plain reader.
import { Malformed, require } from "./report.js";
import { compare, equal, latin1 } from "./octets.js";

const SEQUENCE = 0x10;
const SET = 0x11;
const DEPTH = 32;
const LARGEST = 256 << 10; // octets; a seal with a chain and a time token has a tenth
const TIMES = { 0x17: 13, 0x18: 15 };

/** One DER value and nothing after it; `rules` are those of seals, or of time tokens (`STAMP`). */
export function requireDer(octets, rules = SEAL, most = LARGEST) {
  require(octets.length <= most, "longer than it may be");
  require(endOf(octets, 0, octets.length, 0, rules) === octets.length, "octets follow");
}

/** Octets of the DER value at the beginning. */
export function lengthOf(octets) {
  require(octets.length >= 2, "nested too deep or cut short");
  require(extentOf(octets, 1, octets.length)[1] <= LARGEST, "longer than it may be");
  return endOf(octets, 0, octets.length, 0, SEAL);
}

const SEAL = { zero: false, sets: true, canonical: isCanonicalInSeal };
/** What a time token may be, as real authorities write it: fractions of seconds, and no order of sets outside of attributes. */
export const STAMP = { zero: true, sets: false, canonical: isCanonicalInToken };

function endOf(octets, at, limit, depth, rules) {
  require(depth < DEPTH && at + 2 <= limit, "nested too deep or cut short");
  const tag = octets[at];
  require((tag & 0x1f) !== 0x1f && (tag !== 0 || rules.zero), "a tag that is not expected");
  const [start, end] = extentOf(octets, at + 1, limit);
  const constructed = (tag & 0x20) !== 0;
  if (tag < 0x40) {
    require(constructed === [SEQUENCE, SET].includes(tag & 0x1f), "a constructed string");
    require(constructed || rules.canonical(tag, octets.subarray(start, end)), "a value that is not in its one form");
  }
  let before = null;
  for (let inner = start; constructed && inner < end; ) {
    const after = endOf(octets, inner, end, depth + 1, rules);
    const element = octets.subarray(inner, after);
    const sorted = !rules.sets || tag !== (0x20 | SET) || before === null || compare(before, element) <= 0;
    require(sorted, "a set out of order");
    [before, inner] = [element, after];
  }
  return end;
}

function extentOf(octets, at, limit) {
  const first = octets[at];
  let [start, length] = [at + 1, first];
  if (first >= 0x80) {
    start += first & 0x7f;
    require(start <= octets.length && (first & 0x7f) <= 6, "a length beyond the end");
    length = octets.subarray(at + 1, start).reduce((sum, one) => sum * 256 + one, 0);
    const shortest = Math.max(1, Math.ceil(length.toString(2).length / 8));
    require(length >= 0x80 && start - at - 1 === shortest, "a length that is not in its shortest form");
  }
  require(start + length <= limit, "a length beyond the end");
  return [start, start + length];
}

function isPlain(tag, content) {
  if (tag === 0x01) return content.length === 1 && [0x00, 0xff].includes(content[0]);
  if (tag === 0x02 || tag === 0x0a) {
    const padded = content.length > 1 && [0x00, 0xff].includes(content[0]) && content[0] >> 7 === content[1] >> 7;
    return content.length > 0 && !padded;
  }
  return tag === 0x05 ? content.length === 0 : true;
}

function isCanonicalInSeal(tag, content) {
  if (tag === 0x03) {
    const unused = content.length ? content[0] : 8;
    const clean = !unused || !(content.at(-1) & ((1 << unused) - 1));
    return unused < 8 && (content.length > 1 || unused === 0) && clean;
  }
  if (tag in TIMES) return content.at(-1) === 0x5a && content.length >= TIMES[tag];
  return isPlain(tag, content);
}

function isCanonicalInToken(tag, content) {
  if (tag === 0x18) return /^[0-9]{14}(?:\.[0-9]*[1-9])?Z$/.test(latin1(content));
  return isPlain(tag, content);
}

/** One value of DER octets, and what stands in it. */
export class Value {
  #inner = null;

  constructor(octets, at = 0, limit = octets.length) {
    require(at + 2 <= limit, "cut short");
    this.tag = octets[at];
    require((this.tag & 0x1f) !== 0x1f, "a tag that is not expected");
    const [start, end] = extentOf(octets, at + 1, limit);
    this.whole = octets.subarray(at, end);
    this.content = octets.subarray(start, end);
  }

  /** The values in it. */
  get inner() {
    if (this.#inner === null) {
      this.#inner = [];
      for (let at = 0; at < this.content.length; at += this.#inner.at(-1).whole.length) {
        this.#inner.push(new Value(this.content, at));
      }
    }
    return this.#inner;
  }

  expect(tag) {
    require(this.tag === tag, "a tag that is not expected");
    return this;
  }

  /** Takes its elements one after the other. */
  elements(tag = 0x30) {
    return new Elements(this.expect(tag).inner);
  }

  get oid() {
    this.expect(0x06);
    const arcs = [];
    let arc = 0n;
    for (const [at, one] of this.content.entries()) {
      require(arc !== 0n || one !== 0x80, "an identifier that is not in its one form");
      arc = (arc << 7n) | BigInt(one & 0x7f);
      if (one & 0x80) {
        require(at < this.content.length - 1, "an identifier that is cut short");
        continue;
      }
      if (!arcs.length) arcs.push(arc < 80n ? arc / 40n : 2n, arc < 80n ? arc % 40n : arc - 80n);
      else arcs.push(arc);
      arc = 0n;
    }
    require(arcs.length, "an identifier without content");
    return arcs.join(".");
  }

  /** A signed integer, as BigInt. */
  get integer() {
    require([0x02, 0x80, 0x81].includes(this.tag) && this.content.length, "no integer");
    const found = BigInt(`0x${Array.from(this.content, (one) => one.toString(16).padStart(2, "0")).join("")}`);
    return BigInt.asIntN(this.content.length * 8, found);
  }

  get boolean() {
    const [octet] = this.expect(0x01).content;
    require(this.content.length === 1 && [0x00, 0xff].includes(octet), "no boolean");
    return octet === 0xff;
  }

  get octets() {
    return this.expect(0x04).content;
  }

  /** Of a bit string in whole octets. */
  get bits() {
    require(this.expect(0x03).content[0] === 0, "not whole octets");
    return this.content.subarray(1);
  }

  /** Milliseconds of a UTCTime or GeneralizedTime in UTC; fractions of seconds only where they can be. */
  get time() {
    const written = latin1(this.content);
    const short = this.tag === 0x17;
    require(short || this.tag === 0x18, "no time");
    const form = short ? /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)()Z$/ : /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\.\d+)?Z$/;
    const found = form.exec(written);
    require(found, "a time in another form");
    const year = short ? `${Number(found[1]) < 50 ? "20" : "19"}${found[1]}` : found[1];
    const iso = `${year}-${found[2]}-${found[3]}T${found[4]}:${found[5]}:${found[6]}.000Z`;
    const at = Date.parse(iso);
    require(!Number.isNaN(at) && new Date(at).toISOString() === iso && year !== "0000", "a time that there is not");
    return at + Math.floor(Number(`0${found[7] || ".0"}`) * 1e6) / 1e3;
  }
}

/** Elements of a sequence, taken in their order. */
export class Elements {
  constructor(values) {
    this.values = values;
    this.at = 0;
  }

  get next() {
    return this.values[this.at] ?? null;
  }

  take(tag = null) {
    const found = this.next;
    if (found === null) throw new Malformed("an element is missing");
    this.at += 1;
    return tag === null ? found : found.expect(tag);
  }

  /** The next element where it has this tag, or null. */
  maybe(tag) {
    return this.next?.tag === tag ? this.take() : null;
  }

  end() {
    require(this.next === null, "an element too many");
  }
}

/** The identifier of an algorithm, and whether parameters other than NULL follow. */
export function algorithmOf(value) {
  const elements = value.elements(value.tag === 0xa1 ? 0xa1 : 0x30);
  const oid = elements.take().oid;
  const parameters = elements.next === null ? null : elements.take();
  elements.end();
  return { oid, parameters, plain: parameters === null || parameters.tag === 0x05 };
}

export const same = (one, other) => equal(one.whole, other.whole);

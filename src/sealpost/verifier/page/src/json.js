// JSON as it is read here: no name twice, nothing after it; and its canonical form (RFC 8259, RFC 8785).
//
// Objects have no prototype, so that no member's name can mean anything else. A number with a point or an exponent is a
// `Float`, which no rule accepts.
import { Malformed, require } from "./report.js";
import { utf8 } from "./octets.js";

const DEPTH = 900; // the command's reader gives up at about the same depth
const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
const CHUNK = /[^"\\\x00-\x1f]*/y;
const ESCAPES = { '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };
const WORDS = { true: true, false: false, null: null };

export class Float {}

class Reader {
  at = 0;

  constructor(source, strict) {
    this.source = source;
    this.strict = strict;
  }

  skip() {
    while (" \t\n\r".includes(this.source[this.at] ?? "x")) this.at += 1;
  }

  take(mark) {
    this.skip();
    const found = this.source[this.at] === mark;
    if (found) this.at += 1;
    return found;
  }

  value(depth) {
    require(depth < DEPTH, "nested too deep");
    if (this.take("{")) return this.object(depth);
    if (this.take("[")) return this.array(depth);
    if (this.take('"')) return this.string();
    for (const [word, value] of Object.entries(WORDS)) {
      if (this.source.startsWith(word, this.at)) {
        this.at += word.length;
        return value;
      }
    }
    return this.number();
  }

  object(depth) {
    const found = Object.create(null);
    if (this.take("}")) return found;
    do {
      require(this.take('"'), "not JSON");
      const name = this.string();
      require(!(name in found), "a member twice");
      require(this.take(":"), "not JSON");
      found[name] = this.value(depth + 1);
    } while (this.take(","));
    require(this.take("}"), "not JSON");
    return found;
  }

  array(depth) {
    const found = [];
    if (this.take("]")) return found;
    do found.push(this.value(depth + 1));
    while (this.take(","));
    require(this.take("]"), "not JSON");
    return found;
  }

  string() {
    let found = "";
    for (;;) {
      CHUNK.lastIndex = this.at;
      const [chunk] = CHUNK.exec(this.source);
      found += chunk;
      this.at += chunk.length + 1;
      const mark = this.source[this.at - 1];
      if (mark === '"') return found;
      require(mark === "\\", "not JSON");
      found += this.escaped();
    }
  }

  escaped() {
    const mark = this.source[this.at];
    this.at += 1;
    if (mark !== "u") {
      require(mark in ESCAPES, "not JSON");
      return ESCAPES[mark];
    }
    const digits = this.source.slice(this.at, this.at + 4);
    require(/^[0-9A-Fa-f]{4}$/.test(digits), "not JSON");
    this.at += 4;
    return String.fromCharCode(parseInt(digits, 16));
  }

  number() {
    NUMBER.lastIndex = this.at;
    const found = NUMBER.exec(this.source);
    require(found, "not JSON");
    this.at += found[0].length;
    if (found[1] !== undefined || found[2] !== undefined) {
      require(!this.strict, "a number that is no integer");
      return new Float();
    }
    const number = Number(found[0]) + 0; // never -0
    require(!this.strict || (found[0].length <= 17 && Number.isSafeInteger(number)), "an integer beyond 2^53 - 1");
    return number;
  }
}

/** What a text says; `strict` refuses floats and integers beyond 2^53 - 1, as records do. */
export function parse(source, strict) {
  const reader = new Reader(source, strict);
  const value = reader.value(0);
  reader.skip();
  require(reader.at === source.length, "not JSON");
  return value;
}

export const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Float);

/** The canonical octets of a value (RFC 8785). */
export const canonical = (value) => utf8(written(value));

function written(value) {
  if (typeof value === "string") {
    if (/[\ud800-\udfff]/u.test(value)) throw new Malformed("a lone surrogate");
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map(written).join(",")}]`;
  if (!isObject(value)) return String(value);
  const members = Object.keys(value).toSorted(); // by UTF-16 units, as the standard asks
  return `{${members.map((name) => `${written(name)}:${written(value[name])}`).join(",")}}`;
}

/** Whether two values are the same; as in the command's language, true is 1 and false is 0. */
export function same(one, other) {
  if (typeof one === "boolean") one = Number(one);
  if (typeof other === "boolean") other = Number(other);
  if (Array.isArray(one) || Array.isArray(other)) {
    return Array.isArray(one) && Array.isArray(other) && one.length === other.length && one.every((item, at) => same(item, other[at]));
  }
  if (!isObject(one) || !isObject(other)) return one === other;
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => name in other && same(one[name], other[name]));
}

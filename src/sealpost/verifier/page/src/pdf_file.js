// A small strict reader of PDF files: objects, cross-references, Flate, embedded files, one signature. As `pdf_file.py`.
//
// It reads what typst and an incremental update write (ISO 32000-1, clauses 7.2 to 7.7, 7.11.4, 12.8), and nothing else.
// What it cannot read is `Unreadable`, which never becomes a PASS. Strings are octets, names are `Name`. All work is paid
// for out of a budget that grows with the file's length alone: no number that it states is looped over before it is checked.
import { either } from "./values.js";
import { inflatedWithTail } from "./zip.js";
import { latin1 } from "./octets.js";

const SKIPPED = /[\x00\t\n\x0c\r ]+|%[^\r\n]*/y;
const NAME = /[^\x00\t\n\x0c\r ()<>[\]{}/%]{0,500}(?![^\x00\t\n\x0c\r ()<>[\]{}/%])/y;
const UNESCAPED = /[^()\\]{1,10000}/y;
const OCTAL = /[0-7]{1,3}/y;
const REFERENCE = /(\d{1,10})[\x00\t\n\x0c\r ]+(\d{1,5})[\x00\t\n\x0c\r ]+R(?![A-Za-z0-9])/y;
const NUMBER = /[+-]?(?:\d{1,15}(?:\.\d{0,15})?|\.\d{1,15})(?![\d.])/y;
const OBJECT = /(\d{1,10})[\x00\t\n\x0c\r ]+(\d{1,5})[\x00\t\n\x0c\r ]+obj/y;
const SECTION = /[\x00\t\n\x0c\r ]*(\d{1,10}) (\d{1,10})[ ]*[\r\n]+/y;
const ESCAPES = { n: "\n", r: "\r", t: "\t", b: "\b", f: "\f" };
const WORDS = { true: true, false: false, null: null };
const DEPTH = 60;
const UPDATES = 8;
const NESTED = 4;
const TREE = 8;
const PREDICTED = 2 << 20; // octets of the largest cross-reference
const STRING = 64 << 10; // octets of the longest string that is not hexadecimal

/** A file that this reader does not understand; the sentence says where. */
export class Unreadable extends Error {
  name = "Unreadable";
}

function require(truth, why) {
  if (!truth) throw new Unreadable(why);
}

const TOO_MUCH = "more in it than a file of this length may have";

class Name {
  constructor(text) {
    this.text = text;
  }
}

class Reference {
  constructor(number) {
    this.number = number;
  }
}

/** A number with a point. */
class Real {
  constructor(number) {
    this.number = number;
  }
}

class Stream {
  constructor(entries, packed) {
    this.entries = entries;
    this.packed = packed;
  }
}

export const isName = (value, text) => value instanceof Name && value.text === text;

function matched(pattern, source, at) {
  pattern.lastIndex = at;
  return pattern.exec(source);
}

const octetsOf = (raw) => Uint8Array.from(raw, (one) => one.charCodeAt(0));

/** What reading a file of so many octets may cost; see `pdf_file.py`. */
class Budget {
  constructor(size) {
    this.values = 20_000 + Math.floor(size / 8);
    this.places = 1_000 + Math.floor(size / 8);
    this.octets = Math.min((2 << 20) + 64 * size, 96 << 20);
  }

  spend({ values = 0, places = 0, octets = 0 }) {
    this.values -= values;
    this.places -= places;
    this.octets -= octets;
    require(Math.min(this.values, this.places, this.octets) >= 0, TOO_MUCH);
  }
}

/** Reads objects from a place on; the source has one character for each octet. */
class Reader {
  constructor(budget, source, at = 0) {
    this.budget = budget;
    this.source = source;
    this.at = at;
  }

  /** Past white space and comments. */
  skip() {
    for (let found; (found = matched(SKIPPED, this.source, this.at)); ) this.at += found[0].length;
  }

  /** Whether this word stands here; if so, past it. */
  take(word) {
    this.skip();
    const found = this.source.startsWith(word, this.at);
    if (found) this.at += word.length;
    return found;
  }

  /** The next object that is not a stream. */
  value(depth = 0) {
    require(depth < DEPTH, "nested too deep");
    this.budget.spend({ values: 1 });
    this.skip();
    const first = this.source[this.at];
    if (this.take("<<")) return this.dictionary(depth);
    if (first === "<") return this.hexadecimal();
    if (first === "(") return this.string();
    if (first === "/") return this.named();
    if (!this.take("[")) return this.word();
    const found = [];
    while (!this.take("]")) found.push(this.value(depth + 1));
    return found;
  }

  dictionary(depth) {
    const found = new Map();
    while (!this.take(">>")) {
      this.skip();
      require(this.source[this.at] === "/", "a dictionary without names");
      const name = this.named().text;
      require(!found.has(name), "an entry twice");
      found.set(name, this.value(depth + 1));
    }
    return found;
  }

  named() {
    const found = matched(NAME, this.source, this.at + 1);
    require(found, "a name that is too long");
    const [raw] = found;
    this.at += 1 + raw.length;
    return new Name(raw.replace(/#([0-9A-Fa-f]{2})/g, (_, digits) => String.fromCharCode(parseInt(digits, 16))));
  }

  hexadecimal() {
    const end = this.source.indexOf(">", this.at);
    require(end > 0, "a string without end");
    const digits = this.source.slice(this.at + 1, end).replace(/[\x00\t\n\x0c\r ]/g, "");
    this.at = end + 1;
    require(/^[0-9A-Fa-f]*$/.test(digits), "a string that is not hexadecimal");
    return fromHex(digits.length % 2 ? `${digits}0` : digits);
  }

  string() {
    let [depth, found] = [1, ""];
    const begin = this.at;
    this.at += 1;
    while (depth) {
      require(this.at - begin <= STRING, "a string that is too long");
      const plain = matched(UNESCAPED, this.source, this.at)?.[0] ?? "";
      found += plain;
      this.at += plain.length;
      const one = this.source[this.at];
      require(one !== undefined, "a string without end");
      this.at += 1;
      if (one === "\\") {
        found += this.escaped();
        continue;
      }
      depth += (one === "(") - (one === ")");
      if (depth) found += one;
    }
    return octetsOf(found);
  }

  escaped() {
    const octal = matched(OCTAL, this.source, this.at);
    if (octal) {
      this.at += octal[0].length;
      return String.fromCharCode(parseInt(octal[0], 8) & 0xff);
    }
    const one = this.source[this.at] ?? "";
    this.at += 1;
    if (one === "\r" && this.source[this.at] === "\n") this.at += 1;
    return one === "\r" || one === "\n" ? "" : (ESCAPES[one] ?? one);
  }

  word() {
    const reference = matched(REFERENCE, this.source, this.at);
    if (reference) {
      this.at += reference[0].length;
      require(reference[2] === "0", "an object of a later generation");
      return new Reference(Number(reference[1]));
    }
    const number = matched(NUMBER, this.source, this.at);
    if (number) {
      this.at += number[0].length;
      return number[0].includes(".") ? new Real(Number(number[0])) : Number(number[0]);
    }
    for (const [word, value] of Object.entries(WORDS)) if (this.take(word)) return value;
    throw new Unreadable("neither value nor object");
  }
}

/** Octets of hexadecimal digits. */
export function fromHex(digits) {
  const found = new Uint8Array(digits.length / 2);
  for (let at = 0; at < found.length; at += 1) found[at] = parseInt(digits.slice(2 * at, 2 * at + 2), 16);
  return found;
}

/** A file's objects, by its cross-reference sections, the newest first. */
export class Pdf {
  #places = new Map();
  #known = new Map();
  #heads = new Map();
  #nested = 0;
  trailer = null;

  /** Reads the cross-references of a file; throws `Unreadable`. */
  static async of(octets) {
    const pdf = new Pdf();
    pdf.octets = octets;
    pdf.budget = new Budget(octets.length);
    pdf.source = latin1(octets);
    await pdf.#begin();
    return pdf;
  }

  async #begin() {
    require(this.source.startsWith("%PDF-1."), "not a PDF 1.x");
    const ends = /startxref[\r\n]+(\d{1,10})[\r\n]+%%EOF[\r\n]{0,2}$/.exec(this.source.slice(-64));
    require(ends, "no end");
    let at = Number(ends[1]);
    for (let update = 0; update < UPDATES && at !== null; update += 1) {
      const trailer = await this.#section(at);
      this.trailer = this.trailer?.size ? this.trailer : trailer;
      at = trailer.get("Prev") ?? null;
    }
    require(at === null && !this.trailer.has("Encrypt"), "too many updates, or encrypted");
  }

  async #section(at) {
    require(Number.isInteger(at) && 0 < at && at < this.source.length, "a cross-reference outside of the file");
    const reader = new Reader(this.budget, this.source, at);
    if (reader.take("xref")) return this.#table(reader);
    const stream = await this.#indirect(at, null);
    require(stream instanceof Stream && isName(stream.entries.get("Type"), "XRef"), "no cross-reference");
    const { entries } = stream;
    const octets = await this.#unpacked(stream);
    const widths = listOf(entries.get("W")).map(whole);
    const width = sumOf(widths);
    require(widths.length === 3 && 0 < width && width < 32, "fields of another width");
    const index = listOf(entries.has("Index") ? entries.get("Index") : [0, entries.get("Size")]).map(whole);
    const counts = index.filter((_, place) => place % 2);
    const fits = index.length % 2 === 0 && sumOf(counts) * width === octets.length;
    require(fits, "a cross-reference of another length");
    let row = 0;
    for (const [pair, count] of counts.entries()) {
      this.budget.spend({ places: count });
      for (let number = index[2 * pair]; number < index[2 * pair] + count; number += 1, row += width) {
        this.#keep(number, ...fieldsOf(octets, row, widths));
      }
    }
    return entries;
  }

  async #table(reader) {
    for (let found; (found = matched(SECTION, this.source, reader.at)); ) {
      this.budget.spend({ values: 1, octets: found[0].length });
      reader.at += found[0].length;
      const first = Number(found[1]);
      const fits = 20 * Number(found[2]) <= this.source.length - reader.at;
      require(fits, "a cross-reference of another length");
      this.budget.spend({ places: Number(found[2]) });
      for (let number = first; number < first + Number(found[2]); number += 1) {
        const row = this.source.slice(reader.at, reader.at + 20);
        require(/^\d{10} \d{5} [nf][ \r][\r\n]$/.test(row), "a line of another form");
        this.#keep(number, row[17] === "n" ? 1 : 0, Number(row.slice(0, 10)), Number(row.slice(11, 16)));
        reader.at += 20;
      }
    }
    require(reader.take("trailer"), "no trailer");
    const trailer = await this.entries(reader.value());
    require(trailer.size && !trailer.has("XRefStm"), "a trailer of another form");
    return trailer;
  }

  #keep(number, kind, first, second) {
    require([0, 1, 2].includes(kind) && (kind !== 1 || second === 0), "an object of another kind or generation");
    if (!this.#places.has(number)) this.#places.set(number, [null, { at: first }, { holder: first, index: second }][kind]);
  }

  async #indirect(at, number) {
    const found = matched(OBJECT, this.source, at);
    require(found && (number === null || Number(found[1]) === number), "no object where one is due");
    const reader = new Reader(this.budget, this.source, at + found[0].length);
    let value = reader.value();
    if (value instanceof Map && reader.take("stream")) {
      reader.at += this.source.startsWith("\r\n", reader.at) ? 2 : 1;
      const length = whole(await this.get(value.get("Length")));
      const packed = this.octets.subarray(reader.at, reader.at + length);
      reader.at += length;
      require(packed.length === length && reader.take("endstream"), "a stream of another length");
      value = new Stream(value, packed);
      this.budget.spend({ values: 1 });
    }
    require(reader.take("endobj"), "an object without end");
    this.budget.spend({ octets: reader.at - at });
    return value;
  }

  /** A value, or the object that a reference is of. */
  async get(value) {
    if (!(value instanceof Reference)) return value ?? null;
    const { number } = value;
    if (!this.#known.has(number)) {
      const place = this.#places.get(number) ?? null;
      this.#known.set(number, null); // an object that leads to itself is none
      this.#nested += 1;
      require(this.#nested <= NESTED, "nested too deep");
      if (place?.holder !== undefined) this.#known.set(number, await this.#packed(number, place.holder, place.index));
      else if (place !== null) this.#known.set(number, await this.#indirect(place.at, number));
      this.#nested -= 1;
    }
    return this.#known.get(number);
  }

  async #packed(number, holder, index) {
    const [source, heads] = await this.#opened(holder);
    require(2 * index < heads.length && heads[2 * index] === number, "an object stream without the object");
    const reader = new Reader(this.budget, source, heads[2 * index + 1]);
    const value = reader.value();
    this.budget.spend({ octets: Math.max(0, reader.at - heads[2 * index + 1]) });
    return value;
  }

  /** An object stream unpacked, and number and place of each of its objects; once. */
  async #opened(holder) {
    if (!this.#heads.has(holder)) {
      const stream = await this.get(new Reference(holder));
      require(stream instanceof Stream && isName(stream.entries.get("Type"), "ObjStm"), "no object stream");
      const source = latin1(await this.#unpacked(stream));
      const first = whole(stream.entries.get("First"));
      const count = whole(stream.entries.get("N"));
      require(4 * count <= source.length, "an object stream of another length");
      const reader = new Reader(this.budget, source);
      const heads = Array.from({ length: 2 * count }, () => whole(reader.value()));
      this.#heads.set(holder, [source, heads.map((one, at) => (at % 2 ? first + one : one))]);
    }
    return this.#heads.get(holder);
  }

  /** The dictionary that a value or reference is; empty for null. */
  async entries(value) {
    const found = await this.get(value);
    require(found === null || found instanceof Map, "no dictionary where one is due");
    return found ?? new Map();
  }

  /** The array that a value or reference is; empty for null. */
  async array(value) {
    const found = await this.get(value);
    require(found === null || Array.isArray(found), "no array where one is due");
    return found ?? [];
  }

  /** What a stream unpacks to. */
  async unpacked(value) {
    const found = await this.get(value);
    require(found instanceof Stream, "no stream where one is due");
    return this.#unpacked(found);
  }

  /** The values of a name tree, one by one. */
  async *leaves(tree, depth = TREE) {
    require(depth > 0, "nested too deep");
    const names = await this.array(tree.get("Names"));
    for (let at = 1; at < names.length; at += 2) {
      this.budget.spend({ values: 1 });
      yield names[at];
    }
    for (const kid of await this.array(tree.get("Kids"))) {
      this.budget.spend({ values: 1 });
      yield* this.leaves(await this.entries(kid), depth - 1);
    }
  }

  async #unpacked(stream) {
    let filters = stream.entries.get("Filter") ?? null;
    if (Array.isArray(filters) && filters.length === 1) [filters] = filters;
    if (filters === null) {
      this.budget.spend({ octets: stream.packed.length });
      return stream.packed;
    }
    require(isName(filters, "FlateDecode"), "an unknown filter");
    const octets = await inflated(stream.packed, this.budget.octets);
    this.budget.spend({ octets: octets.length });
    let parameters = either(stream.entries.get("DecodeParms"), new Map());
    if (Array.isArray(parameters)) parameters = either(parameters[0], new Map());
    require(parameters instanceof Map, "no dictionary where one is due");
    const predictor = numberOf(parameters.has("Predictor") ? parameters.get("Predictor") : 1);
    return predictor === 1 ? octets : unpredicted(octets, predictor, parameters);
  }
}

async function inflated(packed, most) {
  try {
    return await inflatedWithTail("deflate", packed, most, new Unreadable(TOO_MUCH));
  } catch (error) {
    throw error instanceof Unreadable ? error : new Unreadable("a damaged stream");
  }
}

const sumOf = (numbers) => numbers.reduce((sum, one) => sum + one, 0);

function listOf(value) {
  require(Array.isArray(value), "no array where one is due");
  return value;
}

function whole(value) {
  require(Number.isInteger(value) && value >= 0, "no whole number where one is due");
  return value;
}

function fieldsOf(octets, at, widths) {
  return widths.map((width, field) => {
    const part = octets.subarray(at, at + width);
    at += width;
    return width === 0 && field === 0 ? 1 : part.reduce((sum, one) => sum * 256 + one, 0);
  });
}

/** A number whatever way it is written. */
const numberOf = (value) => (value instanceof Real ? value.number : typeof value === "boolean" ? Number(value) : value);

/** PNG's predictors *none* and *up*, which is what cross-references are packed with. */
function unpredicted(octets, predictor, parameters) {
  const given = (name, value) => (parameters.has(name) ? parameters.get(name) : value);
  const columns = whole(given("Columns", 1));
  const plain = numberOf(given("Colors", 1)) === 1 && numberOf(given("BitsPerComponent", 8)) === 8;
  const known = Number.isInteger(predictor) && 10 <= predictor && predictor < 16;
  const fits = 0 < columns && columns < octets.length && octets.length <= PREDICTED && octets.length % (columns + 1) === 0;
  require(plain && known && fits, "an unknown predictor");
  const found = new Uint8Array((octets.length / (columns + 1)) * columns);
  for (let [at, to] = [0, 0]; at < octets.length; at += 1) {
    const kind = octets[at];
    require(kind === 0 || kind === 2, "an unknown predictor");
    for (const end = at + columns; at < end; to += 1) {
      at += 1;
      found[to] = octets[at] + (kind === 2 && to >= columns ? found[to - columns] : 0);
    }
  }
  return found;
}

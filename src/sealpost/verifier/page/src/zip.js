// Reads a bundle's zip strictly, as `members.py`: one way to be packed, so that every reader sees the same members.
//
// Members follow one another from the first octet, the central directory says the same as the headers before each member,
// the end record is the end of the file; no zip64, encryption, comment, extra field or gap (APPNOTE 6.3.9, 4.3).
import { Unusable } from "./report.js";
import { LIMITS, MEMBERS } from "./tables.js";
import { ascii, equal, joined, latin1, sha256, text, utf8 } from "./octets.js";

const LOCAL = 30;
const CENTRAL = 46;
const END = 22;
const DEFERRED = 0x0008;
const UTF8 = 0x0800;
const PIECE = 8192;
const MADE_BY = new Set([20, 0x0314, 0x032d]);
const ATTRIBUTES = new Set([0, 0o644 << 16, 0o600 << 16, 0o100644 * 65536, 0o100600 * 65536]);
const UNSAFE = /[\x00-\x1f\x7f\\:]|(?:^|\/)\.{0,2}(?:\/|$)/;

/** The file is not packed in the one allowed way; the sentence says how it differs. */
export class BadZip extends Error {
  name = "BadZip";

  constructor(why, member = "") {
    super(why);
    this.values = { member };
  }
}

function require(truth, why, member = "") {
  if (!truth) throw new BadZip(why, member);
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, number) => {
  for (let bit = 0; bit < 8; bit += 1) number = number & 1 ? (number >>> 1) ^ 0xedb88320 : number >>> 1;
  return number;
});

function crc32(octets) {
  let crc = ~0;
  for (let at = 0; at < octets.length; at += 1) crc = CRC_TABLE[(crc ^ octets[at]) & 0xff] ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** Little-endian fields at a place: widths in octets, 2 or 4. */
function fields(octets, at, widths) {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  return [...widths].map((width) => {
    const begin = at;
    at += Number(width);
    return width === "2" ? view.getUint16(begin, true) : view.getUint32(begin, true);
  });
}

/** Unpacks a stream of one of the browser's formats; what it unpacks to is counted, never believed. */
export async function inflated(format, packed, most, tooLarge) {
  const reader = inPieces(packed).pipeThrough(new DecompressionStream(format)).getReader();
  const pieces = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return joined(...pieces);
    size += value.length;
    if (size > most) {
      reader.cancel().catch(() => {});
      throw tooLarge;
    }
    pieces.push(value);
  }
}

/** Octets as a stream; a browser unpacks all of a piece before it is asked for more, so that pieces are small. */
function inPieces(octets) {
  let at = 0;
  const pull = (stream) => {
    if (at < octets.length) stream.enqueue(octets.slice(at, at + PIECE));
    else stream.close();
    at += PIECE;
  };
  return new ReadableStream({ pull }, { highWaterMark: 0 });
}

/** The same of a stream that an end of line may follow, as PDF files have them: at most two octets. */
export async function inflatedWithTail(format, packed, most, tooLarge) {
  for (let tail = 0; ; tail += 1) {
    try {
      return await inflated(format, packed.subarray(0, packed.length - tail), most, tooLarge);
    } catch (error) {
      if (error === tooLarge || tail === 2 || ![0x0a, 0x0d].includes(packed[packed.length - tail - 1])) throw error;
    }
  }
}

/** Texts that differ only in case have the same one. */
const foldedPart = (text) => text.toLowerCase().toUpperCase().toLowerCase();
const folded = (name) => name.split("\u0131").map(foldedPart).join("\u0131"); // the i without a dot has no other case

/** The members of a zip file, in their order. */
export class Members {
  #file;
  #entries = new Map();
  #whole = new Map();
  #digests = new Map();

  constructor(file) {
    this.#file = file;
    const kind = utf8(MEMBERS.mimetype);
    const begins = latin1(file.subarray(0, 4)) === "PK\x03\x04" && latin1(file.subarray(30, 38)) === "mimetype";
    if (!begins || !equal(file.subarray(38, 38 + kind.length), kind)) throw new Unusable("no evidence bundle (.asice)");
    this.#read();
    this.names = [...this.#entries.keys()];
  }

  has(name) {
    return this.#entries.has(name);
  }

  /** Octets of a member, unpacked. */
  size(name) {
    return this.#entries.get(name).size;
  }

  /** A small member whole. */
  async read(name) {
    require(this.#entries.get(name).size <= LIMITS.smallOctets, "{member} is too large", name);
    return this.octets(name);
  }

  /** The fingerprint of a member of any size. */
  async sha256(name) {
    if (!this.#digests.has(name)) this.#digests.set(name, await sha256(await this.octets(name)));
    return this.#digests.get(name);
  }

  /** A member whole, of any size; a damaged one is refused each time it is asked for. */
  async octets(name) {
    const entry = this.#entries.get(name);
    if (!this.#whole.has(name)) {
      const octets = await this.#unpacked(entry);
      require(octets.length === entry.size && crc32(octets) === entry.crc, "{member} is damaged", name);
      this.#whole.set(name, octets);
    }
    return this.#whole.get(name);
  }

  async #unpacked(entry) {
    const packed = this.#file.subarray(entry.begin, entry.begin + entry.packed);
    if (entry.method === 0) return packed;
    try {
      return await inflated("deflate-raw", packed, entry.size, new BadZip("{member} is larger than it says", entry.name));
    } catch (error) {
      throw error instanceof BadZip ? error : new BadZip("{member} is damaged", entry.name);
    }
  }

  #read() {
    const [count, directory, begin] = this.#end();
    const seen = new Set();
    let [position, at, total] = [0, 0, 0];
    for (let number = 0; number < count; number += 1) {
      const [entry, next, after] = this.#entry(directory, position, at);
      [position, at] = [next, after];
      require(number || entry.name === "mimetype", "mimetype is not the first member");
      const name = folded(entry.name);
      require(!seen.has(name), "{member} stands there twice", entry.name);
      seen.add(name);
      total += entry.size;
      require(total <= LIMITS.totalOctets, "larger than a bundle may be");
      this.#entries.set(entry.name, entry);
    }
    require(position === directory.length, "octets in the directory that belong to no member");
    require(at === begin, "octets between the last member and the directory");
  }

  /** Number of members, the central directory and where it begins; all of the file is accounted for. */
  #end() {
    const length = this.#file.length;
    require(length >= END, "cut short");
    const at = length - END;
    const [disk, first, here, count, size, begin, comment] = fields(this.#file, at + 4, "2222442");
    const mark = latin1(this.#file.subarray(at, at + 4));
    require(mark === "PK\x05\x06" && comment === 0, "octets after the end, or a comment");
    require(disk === 0 && first === 0 && here === count, "a part of several files");
    require(0 < count && count <= LIMITS.members, "too many members");
    require(begin + size + END === length, "octets around the directory");
    return [count, this.#file.subarray(begin, begin + size), begin];
  }

  /** The member at a place of the directory, held against its own header; both places behind it. */
  #entry(directory, position, at) {
    require(position + CENTRAL <= directory.length, "a damaged directory");
    const head = fields(directory, position + 4, "222222444222");
    const [made, needed, flags, method, clock, day, crc, packed, size, nameSize, extra, note] = head;
    const [disk, inner, outer, begin] = fields(directory, position + 34, "2244");
    const end = position + CENTRAL + nameSize;
    const mark = latin1(directory.subarray(position, position + 4));
    require(mark === "PK\x01\x02" && end <= directory.length, "a damaged directory");
    require(!extra && !note && !disk && !inner, "an extra field, a comment or a part elsewhere");
    require(MADE_BY.has(made) && ATTRIBUTES.has(outer) && [10, 20, 45].includes(needed), "an unusual kind of member");
    require((flags & ~(DEFERRED | UTF8)) === 0, "an encrypted or unusual member");
    require(begin === at, "octets between members, or members out of order");
    const raw = directory.subarray(position + CENTRAL, end);
    const name = nameOf(raw, flags);
    require((method === 0 && packed === size) || method === 8, "{member}: an unknown way of packing", name);
    require(name !== "mimetype" || (method === 0 && !flags), "mimetype is not stored plainly");
    require(size <= LIMITS.memberOctets, "{member} is too large", name);
    // What is read whole, and not only hashed, takes many times its size in memory.
    const ratio = /^(?:content|mail)\//.test(name) ? LIMITS.ratio : LIMITS.smallRatio;
    require(size <= ratio * packed + 1024, "{member} unpacks to too much", name);
    const deferred = flags & DEFERRED;
    const said = deferred ? [0, 0, 0] : [crc, packed, size];
    const expected = [needed, flags, method, clock, day, ...said, nameSize, 0];
    require(this.#has(at, "PK\x03\x04", expected, "2222244422", raw), "{member}: header and directory differ", name);
    let after = at + LOCAL + nameSize + packed;
    if (deferred) {
      const same = this.#has(after, "PK\x07\x08", [crc, packed, size], "444", new Uint8Array());
      require(same, "{member}: what follows it differs from the directory", name);
      after += 16;
    }
    return [{ name, method, crc, packed, size, begin: at + LOCAL + nameSize }, end, after];
  }

  /** Whether a header of these fields, and then these octets, stands at a place. */
  #has(at, mark, expected, widths, raw) {
    const length = 4 + [...widths].reduce((sum, one) => sum + Number(one), 0);
    if (at + length + raw.length > this.#file.length) return false;
    if (latin1(this.#file.subarray(at, at + 4)) !== mark) return false;
    const found = fields(this.#file, at + 4, widths);
    const tail = this.#file.subarray(at + length, at + length + raw.length);
    return found.every((one, number) => one === expected[number]) && equal(tail, raw);
  }
}

function nameOf(raw, flags) {
  require(0 < raw.length && raw.length <= LIMITS.nameOctets, "a name of impossible length");
  let name;
  try {
    name = flags & UTF8 ? text(raw) : ascii(raw);
  } catch {
    throw new BadZip("a name that is not text");
  }
  require(!UNSAFE.test(name), "a name that is no plain path");
  return name;
}

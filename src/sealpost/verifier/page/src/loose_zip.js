// Reads a zip that people made of a trust folder, with whatever their system packs into it (APPNOTE 6.3.9, 4.3).
//
// Nothing of it is evidence, so it need not be packed in one way, as bundles must (`zip.js`); but it is bounded.
import { LIMITS } from "./tables.js";
import { Unusable } from "./report.js";
import { inflated } from "./zip.js";

const END = 0x06054b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
const COMMENT = 0xffff;

const viewOf = (octets) => new DataView(octets.buffer, octets.byteOffset, octets.byteLength);

export const isZip = (octets) => octets.length > 22 && viewOf(octets).getUint32(0, true) === LOCAL;

/** Its files: name → a function that unpacks one, up to so many octets. */
export function unzipped(octets, most) {
  try {
    return entriesOf(octets, viewOf(octets), most);
  } catch (error) {
    throw error instanceof Unusable ? error : new Unusable("not a readable zip");
  }
}

function entriesOf(octets, view, most) {
  require(octets.length <= LIMITS.trustOctets, "its files are too large");
  const end = endOf(view);
  const count = view.getUint16(end + 10, true);
  require(count <= most, "too many files");
  const found = new Map();
  let at = view.getUint32(end + 16, true);
  for (let number = 0; number < count; number += 1) {
    require(view.getUint32(at, true) === CENTRAL, "not a readable zip");
    const [nameSize, extra, note] = [28, 30, 32].map((place) => view.getUint16(at + place, true));
    const name = new TextDecoder().decode(octets.subarray(at + 46, at + 46 + nameSize));
    require(!found.has(name), "a file twice");
    if (!name.endsWith("/")) found.set(name, unpacker(octets, view, at));
    at += 46 + nameSize + extra + note;
  }
  return found;
}

function endOf(view) {
  for (let at = view.byteLength - 22; at >= Math.max(0, view.byteLength - 22 - COMMENT); at -= 1) {
    if (view.getUint32(at, true) === END) return at;
  }
  throw new Unusable("not a readable zip");
}

function unpacker(octets, view, at) {
  const [method, packed, begin] = [view.getUint16(at + 10, true), view.getUint32(at + 20, true), view.getUint32(at + 42, true)];
  return async (most) => {
    try {
      require(view.getUint32(begin, true) === LOCAL, "not a readable zip");
      require(method === 0 || method === 8, "packed in an unknown way");
      const from = begin + 30 + view.getUint16(begin + 26, true) + view.getUint16(begin + 28, true);
      const inner = octets.subarray(from, from + packed);
      return method ? await inflated("deflate-raw", inner, most, new Unusable("its files are too large")) : inner;
    } catch (error) {
      throw error instanceof Unusable ? error : new Unusable("not a readable zip");
    }
  };
}

function require(truth, why) {
  if (!truth) throw new Unusable(why);
}

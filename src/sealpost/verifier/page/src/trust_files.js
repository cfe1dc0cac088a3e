// Where a trust folder's files are: as they are named, one level deeper, or in a zip of either; never in a bundle.
//
// As `trust_files.py`, for what a browser tells: paths below what somebody chose. Everything is bounded before it is read.
import { LIMITS, MEMBERS } from "./tables.js";
import { Unusable } from "./report.js";
import { isZip, unzipped } from "./loose_zip.js";

const INNER = /^([^/]+\/)roots\.pem$/;
const BUNDLES = new RegExp(`^((?:[^/]+/)*)(?:mimetype|${MEMBERS.manifest.replace(".", "\\.")})$`);
export const KNOWN = /^(?:roots\.pem|tsa-roots\.pem|policy|revoked\/[^/]+\.crl|certificates\/[^/]+\.pem)$/;

/** The files are an evidence bundle's own, which vouch for nothing. */
export class Bundled extends Unusable {
  name = "Bundled";
}

/** The files of a trust folder, by their names in it, out of what was chosen, by its paths. */
export async function chosenFiles(given) {
  const names = Object.keys(given);
  if (names.length > LIMITS.trustFiles) throw new Unusable("too many files");
  if (names.length === 1 && !KNOWN.test(names[0]) && isZip(given[names[0]])) return zippedFiles(given[names[0]]);
  const prefix = prefixOf(names);
  return known(names, prefix, (name) => given[name]);
}

async function zippedFiles(octets) {
  const entries = unzipped(octets, LIMITS.trustFiles);
  const prefix = prefixOf([...entries.keys()]);
  return known([...entries.keys()], prefix, (name, left) => entries.get(name)(Math.min(left, LIMITS.trustOctets)));
}

async function known(names, prefix, read) {
  const found = {};
  let left = LIMITS.trustTotalOctets;
  for (const name of names.toSorted()) {
    const inner = name.startsWith(prefix) ? name.slice(prefix.length) : "";
    if (!KNOWN.test(inner)) continue;
    found[inner] = await read(name, left);
    left -= found[inner].length;
    if (found[inner].length > LIMITS.trustOctets || left < 0) throw new Unusable("its files are too large");
  }
  return found;
}

/** What stands before the names of a trust folder's files: nothing, or the one folder around them. */
function prefixOf(names) {
  const bundles = new Set(names.map((name) => BUNDLES.exec(name)?.[1]).filter((one) => one !== undefined));
  const around = new Set(names.map((name) => INNER.exec(name)?.[1]).filter(Boolean));
  if (names.includes("roots.pem")) around.clear();
  const prefix = names.includes("roots.pem") ? "" : around.size === 1 ? [...around][0] : null;
  if ((bundles.size && prefix === null) || bundles.has("") || bundles.has(prefix)) throw new Bundled("a bundle's own files");
  return prefix ?? "";
}

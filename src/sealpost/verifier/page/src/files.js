// The files that somebody chose or dropped: of one folder, with their names in it.
import { KNOWN } from "./trust_files.js";
import { LIMITS } from "./tables.js";
import { Unfit } from "./trust.js";
import { Unusable } from "./report.js";

const LIST = /^revoked\/[^/]*\.crl$/;

/** What was chosen in a file or folder field: `{path, file, alone}`, the path without the folder's own name. */
export function chosen(input) {
  return [...input.files].map((file) => {
    const path = inFolder(file.webkitRelativePath);
    return { path: path || file.name, file, alone: !path };
  });
}

/** Without the chosen folder's own name; the folder `revoked` may be chosen by itself. */
const inFolder = (path) => (LIST.test(path) ? path : path.split("/").slice(1).join("/"));

/** What was dropped, folders with all that is in them. */
export async function dropped(transfer) {
  // The entries are gone once the event is over: take all of them before anything is awaited.
  const entries = [...transfer.items].map((one) => one.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].map((file) => ({ path: file.name, file, alone: true }));
  const found = [];
  for (const entry of entries) found.push(...(await walked(entry)));
  return found;
}

async function walked(entry, alone = true) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return [{ path: alone ? file.name : inFolder(entry.fullPath.slice(1)), file, alone }];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return found;
    for (const one of some) found.push(...(await walked(one, false)));
  }
}

/** The trust folder's files as the verifier wants them, whether a whole folder or single files were chosen. */
export async function trustFiles(given) {
  const found = Object.create(null);
  let left = LIMITS.trustTotalOctets;
  for (const { path, file, alone } of given) {
    const name = alone ? placed(path) : path;
    const isWanted = KNOWN.test(inner(name)) || KNOWN.test(name) || (given.length === 1 && alone);
    if (isWanted && (file.size > LIMITS.trustOctets || file.size > left)) {
      return new Unfit("trust.malformed", { reason: "{path} is too large", path });
    }
    // Of all others the names are enough: they tell whether it is an unpacked bundle.
    found[name] = isWanted ? await octetsOf(file) : new Uint8Array();
    left -= found[name].length;
  }
  return found;
}

/** A file that was chosen by itself has lost the name of its folder; all others count only where they belong. */
function placed(path) {
  if (path.endsWith(".crl")) return `revoked/${path}`;
  return /^(?:record-seal|pdf-seal)-[0-9]+\.pem$/.test(path) ? `certificates/${path}` : path;
}

const inner = (path) => path.split("/").slice(1).join("/");

/** What a file holds; it may be gone, or may not be read, by now. */
export async function octetsOf(file) {
  try {
    return new Uint8Array(await file.arrayBuffer());
  } catch {
    throw new Unusable("{path} cannot be read", { path: file.name });
  }
}

// The files that somebody chose or dropped: of one folder, with their names in it.

const LARGEST = 8 << 20;
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
  const found = {};
  for (const { path, file, alone } of given.toSorted((one, other) => (one.path < other.path ? -1 : 1))) {
    // A list that was chosen by itself has lost the name of its folder; all others count only directly below `revoked`.
    const name = alone && path.endsWith(".crl") ? `revoked/${path}` : path;
    const known = ["roots.pem", "tsa-roots.pem", "policy"].includes(name) || LIST.test(name);
    if (known && file.size > LARGEST) throw new Error(`${path} is too large`);
    if (known) found[name] = await octetsOf(file);
  }
  return found;
}

export async function octetsOf(file) {
  return new Uint8Array(await file.arrayBuffer());
}

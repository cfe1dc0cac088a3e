// The files that somebody chose or dropped: of one folder, with their names in it.

const LARGEST = 8 << 20;

/** What was chosen in a file or folder field: `{path, file}`, the path without the folder's own name. */
export function chosen(input) {
  return [...input.files].map((file) => ({ path: inFolder(file.webkitRelativePath) || file.name, file }));
}

const inFolder = (path) => path.split("/").slice(1).join("/");

/** What was dropped, folders with all that is in them. */
export async function dropped(transfer) {
  // The entries are gone once the event is over: take all of them before anything is awaited.
  const entries = [...transfer.items].map((one) => one.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].map((file) => ({ path: file.name, file }));
  const found = [];
  for (const entry of entries) found.push(...(await walked(entry, "")));
  return found;
}

async function walked(entry, folder) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return [{ path: folder + file.name, file }];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return found;
    const inner = entry.fullPath.split("/").slice(2).map((one) => `${one}/`).join("");
    for (const one of some) found.push(...(await walked(one, inner)));
  }
}

/** The trust folder's files as the verifier wants them, whether a whole folder or single files were chosen. */
export async function trustFiles(given) {
  const found = {};
  for (const { path, file } of given.toSorted((one, other) => (one.path < other.path ? -1 : 1))) {
    const base = path.split("/").at(-1);
    const name = base.endsWith(".crl") ? `revoked/${base}` : path;
    const known = ["roots.pem", "tsa-roots.pem", "policy"].includes(name) || name.startsWith("revoked/");
    if (known && file.size > LARGEST) throw new Error(`${path} is too large`);
    if (known) found[name] = await octetsOf(file);
  }
  return found;
}

export async function octetsOf(file) {
  return new Uint8Array(await file.arrayBuffer());
}

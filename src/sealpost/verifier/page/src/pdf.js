// The certificate: one seal over the whole file, and the records in it byte for byte those of the bundle (PAdES B-T).
//
// As `pdf.py`. Its prose is not checked: no program can say that a text means what records say.
import { Said, isFault } from "./report.js";
import { MEMBERS } from "./tables.js";
import { Pdf, Unreadable, fromHex, isName } from "./pdf_file.js";
import { check as checkSeal } from "./cms.js";
import { equal, joined, latin1, sha256 } from "./octets.js";
import { either } from "./values.js";
import { lengthOf } from "./der.js";
import { sorted } from "./logged.js";

const CERTIFICATE = MEMBERS.certificate;
const RANGE =
  /\/ByteRange[\t-\r ]*\[[\t-\r ]*(\d{1,10})[\t-\r ]+(\d{1,10})[\t-\r ]+(\d{1,10})[\t-\r ]+(\d{1,10})[\t-\r ]*\]/g;

/** Says pdf. */
export function check(found) {
  const { findings, members } = found;
  return findings.about("pdf", CERTIFICATE, {}, async () => {
    if (!members.has(CERTIFICATE)) throw new Said("pdf.missing");
    const octets = await members.read(CERTIFICATE);
    const [contents, digest] = await sealedIn(octets);
    await checkEmbedded(found, octets, contents, digest);
    await checkSeal(found, "pdf", CERTIFICATE, contents, digest);
  });
}

function require(truth, reason) {
  if (!truth) throw new Said("pdf.reader", { reason });
}

/** The seal's DER and the digest of all octets around it; found without reading a single object. */
async function sealedIn(octets) {
  const source = latin1(octets);
  const found = [...source.matchAll(RANGE)];
  const ranges = source.split("/ByteRange").length - 1;
  require(found.length === 1 && ranges === 1, "not exactly one range of octets");
  const [begin, first, second, rest] = found[0].slice(1).map(Number);
  require(begin === 0 && first < second && second + rest === octets.length, "octets outside of the seal");
  const gap = /^<([0-9a-fA-F]*)>$/.exec(source.slice(first, second));
  require(gap && gap[1].length % 2 === 0, "something else than a seal in the gap");
  const padded = fromHex(gap[1]);
  let length;
  try {
    length = lengthOf(padded);
  } catch (error) {
    require(false, error.message);
  }
  require(padded.subarray(length).every((one) => one === 0), "octets behind the seal");
  const whole = joined(octets.subarray(0, first), octets.subarray(second));
  return [padded.subarray(0, length), await sha256(whole)];
}

/** Says where the files in the PDF are others than in the bundle; what cannot be read is said at the end. */
async function checkEmbedded(found, octets, contents, digest) {
  let embedded;
  try {
    const pdf = await Pdf.of(octets);
    const root = await pdf.entries(pdf.trailer.get("Root"));
    await requireOneSignature(pdf, root, contents);
    embedded = await embeddedIn(pdf, root);
  } catch (error) {
    if (error instanceof Said || isFault(error)) throw error;
    // The seal is looked at before anything is said of the rest: a broken one is worse than an unreadable file.
    await checkSeal(found.silent(), "pdf", CERTIFICATE, contents, digest);
    throw new Said("pdf.unreadable", { reason: error.message });
  }
  for (const name of sorted(embedded.keys())) {
    const same = found.members.has(name) && equal(await found.members.read(name), embedded.get(name));
    if (!same) throw new Said("pdf.embedded", { member: name });
  }
  for (const kind of ["record", "seal", "salt", "proof"]) {
    for (const [name] of found.named(kind)) if (!embedded.has(name)) throw new Said("pdf.lacks", { member: name });
  }
}

/** The one field of the form is the seal whose octets were found; nothing else is signed or hidden in a form. */
async function requireOneSignature(pdf, root, contents) {
  const form = await pdf.entries(root.get("AcroForm"));
  const fields = [];
  for (const one of await pdf.array(form.get("Fields"))) fields.push(await pdf.entries(one));
  const alone = fields.length === 1 && isName(fields[0].get("FT"), "Sig") && !fields[0].has("Kids") && !form.has("XFA");
  require(alone, "another form than one seal");
  const signature = await pdf.entries(fields[0].get("V"));
  const inner = signature.get("Contents");
  const kind = isName(signature.get("SubFilter"), "ETSI.CAdES.detached") && inner instanceof Uint8Array;
  require(kind, "another kind of signature");
  require(equal(inner.subarray(0, contents.length), contents) && !root.has("Perms"), "a seal that is not the form's");
}

/** Embedded files by name, of the name tree. */
async function embeddedIn(pdf, root) {
  const names = await pdf.entries(root.get("Names"));
  const found = new Map();
  for await (const value of pdf.leaves(await pdf.entries(names.get("EmbeddedFiles")))) {
    const file = await pdf.entries(value);
    const name = textOf(await pdf.get(either(file.get("UF"), file.get("F"))));
    const inner = await pdf.entries(file.get("EF"));
    const octets = await pdf.unpacked(either(inner.get("F"), inner.get("UF")));
    if (found.has(name)) throw new Said("pdf.embedded", { member: name });
    found.set(name, octets);
  }
  return found;
}

function textOf(value) {
  if (!(value instanceof Uint8Array)) throw new Unreadable("a file without a name");
  const wide = value[0] === 0xfe && value[1] === 0xff;
  return wide ? new TextDecoder("utf-16be", { fatal: true, ignoreBOM: true }).decode(value.subarray(2)) : latin1(value);
}

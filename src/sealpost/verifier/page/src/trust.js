// The trust folder that users keep: roots, revocation lists, log and witness keys. As `trust.py`.
//
// From files that the user chose, or from a bundle's own `trust/`, whose keys are never anchors.
import { Unusable, isFault } from "./report.js";
import { Bundled, chosenFiles } from "./trust_files.js";
import { RevocationList, pemCertificates } from "./x509.js";
import { hex, latin1, sha256, text, utf8 } from "./octets.js";
import { reason } from "./tables.js";
import { readPolicy } from "./policy.js";

const SEALING = /^certificates\/(?:record-seal|pdf-seal)-[1-9][0-9]{0,4}\.pem$/;

/** What was given as a trust folder and counts as none: that is no fault of the evidence. */
export class Unfit {
  constructor(why, values = {}) {
    this.why = why;
    this.values = values;
  }
}

/** The trust folder that somebody chose, its files by their names, or why it is none. */
export async function chooseTrust(files) {
  if (files === null || files instanceof Unfit) return files;
  try {
    return await trustOf(await chosenFiles(files));
  } catch (error) {
    if (error instanceof Bundled) return new Unfit("trust.bundled");
    if (error instanceof Unusable) return new Unfit("trust.malformed", error.values);
    throw error;
  }
}

/** The trust that files are, by the name in the folder, for example `roots.pem`. */
export async function trustOf(files) {
  if (!("roots.pem" in files) || !("policy" in files)) {
    throw new Unusable("no trust folder: roots.pem or policy is missing");
  }
  const names = Object.keys(files);
  const lists = names.filter((name) => name.startsWith("revoked/"));
  const sealing = names.filter((name) => SEALING.test(name)).map((name) => certificatesOf(name, files[name]));
  const [roots, tsaRoots] = ["roots.pem", "tsa-roots.pem"].map((name) => certificatesOf(name, files[name] ?? new Uint8Array()));
  return {
    roots,
    tsaRoots,
    revocations: lists.map((name) => read("{member} is no list of revoked certificates", name, () => new RevocationList(files[name]))),
    policy: await policyOf(files.policy),
    fingerprint: await fingerprintOf(files),
    // Those that seal or sealed, as the folder lists them; no anchors.
    certificates: new Set(sealing.filter((one) => one.length).map(([one]) => hex(one.der))),
  };
}

/** What `sha256sum policy roots.pem tsa-roots.pem | sha256sum` writes, as `domain/anchors.py`. */
async function fingerprintOf(files) {
  let lines = "";
  for (const name of ["policy", "roots.pem", "tsa-roots.pem"]) {
    if (name in files) lines += `${hex(await sha256(files[name]))}  ${name}\n`;
  }
  return hex(await sha256(utf8(lines)));
}

async function policyOf(octets) {
  try {
    return await readPolicy(text(octets));
  } catch (error) {
    if (isFault(error)) throw error;
    const policy = "policy is no policy of logs and witnesses, line {line}: {cause}";
    if (error.line) throw new Unusable(policy, { line: error.line, cause: error.message });
    throw new Unusable("policy is no policy of logs and witnesses: {cause}", { cause: reason(error.message) });
  }
}

function certificatesOf(name, octets) {
  const written = latin1(octets);
  return written.trim() ? read("{member} has no certificates", name, () => pemCertificates(written)) : [];
}

function read(why, name, run) {
  try {
    return run();
  } catch (error) {
    throw isFault(error) ? error : new Unusable(why, { member: name });
  }
}

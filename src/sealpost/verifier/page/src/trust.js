// The trust folder that users keep: roots, revocation lists, log and witness keys. As `trust.py`.
//
// From files that the user chose, or from a bundle's own `trust/`, whose keys are never anchors.
import { Unusable, reasonOf } from "./report.js";
import { RevocationList, pemCertificates } from "./x509.js";
import { latin1, text } from "./octets.js";
import { readPolicy } from "./policy.js";

/** The trust that files are, by the name in the folder, for example `roots.pem`. */
export async function trustOf(files) {
  if (!("roots.pem" in files) || !("policy" in files)) {
    throw new Unusable("no trust folder: roots.pem or policy is missing");
  }
  try {
    const lists = Object.keys(files).filter((name) => name.startsWith("revoked/"));
    return {
      roots: certificatesOf(files["roots.pem"]),
      tsaRoots: certificatesOf(files["tsa-roots.pem"] ?? new Uint8Array()),
      revocations: lists.map((name) => new RevocationList(files[name])),
      policy: await readPolicy(text(files.policy)),
    };
  } catch (error) {
    throw new Unusable(`no trust folder: ${reasonOf(error)}`);
  }
}

function certificatesOf(octets) {
  const written = latin1(octets);
  return written.trim() ? pemCertificates(written) : [];
}

// The container: its list of contents, and the seal over that list (ASiC-E with CAdES). As `container.py`.
//
// The list has one way to be written, a line for each file, so it is read without an XML parser.
import { Said } from "./report.js";
import { BadZip } from "./zip.js";
import { MEMBERS } from "./tables.js";
import { shown } from "./case.js";
import { check as checkSeal } from "./cms.js";
import { equal, strictBase64, text } from "./octets.js";

const { manifest: MANIFEST, signature: SIGNATURE } = MEMBERS;
const HEAD =
  '<?xml version="1.0" encoding="UTF-8"?>\n' +
  '<asic:ASiCManifest xmlns:asic="http://uri.etsi.org/02918/v1.2.1#" xmlns:ds="http://www.w3.org/2000/09/xmldsig#">\n' +
  `<asic:SigReference URI="${SIGNATURE}" MimeType="application/pkcs7-signature"/>\n`;
const TAIL = "</asic:ASiCManifest>\n";
const LINE =
  /<asic:DataObjectReference URI="([^"<>&%]+)" MimeType="[a-z0-9;=/ .+-]+"><ds:DigestMethod Algorithm="http:\/\/www\.w3\.org\/2001\/04\/xmlenc#sha256"\/><ds:DigestValue>([A-Za-z0-9+/=]{44})<\/ds:DigestValue><\/asic:DataObjectReference>\n/y;

/** Says container, and in the head whose state the bundle shows. */
export async function check(found) {
  const { findings, members } = found;
  for (const name of found.strangers()) findings.say("container.member", name);
  await findings.about("container", MANIFEST, {}, () => checkList(found));
  await findings.about("container", SIGNATURE, {}, async () => {
    if (!members.has(SIGNATURE) || !members.has(MANIFEST)) throw new Said("container.missing");
    const digest = await members.sha256(MANIFEST);
    await checkSeal(found, "container", SIGNATURE, await members.read(SIGNATURE), digest);
  });
  const token = found.closed.get(SIGNATURE);
  if (token) findings.head("head.as_of", { time: shown(token.at) }); // nothing in a bundle shows what came after that
  else findings.head("head.as_of_nothing");
}

/** Every file but mimetype and META-INF exactly once; says each that is not as listed. */
async function checkList(found) {
  const { findings, members } = found;
  if (!members.has(MANIFEST)) throw new Said("container.manifest", { reason: "missing" });
  const listed = listedIn(await members.read(MANIFEST));
  const here = members.names.filter((name) => name !== "mimetype" && !name.startsWith("META-INF/"));
  for (const name of here) {
    if (!listed.has(name)) findings.say("container.unlisted", name);
    else if (!(await isAsListed(members, name, listed.get(name)))) findings.say("container.digest", name);
  }
  const known = new Set(here);
  for (const name of listed.keys()) if (!known.has(name)) findings.say("container.absent", name);
}

async function isAsListed(members, name, digest) {
  try {
    return equal(await members.sha256(name), digest);
  } catch (error) {
    if (error instanceof BadZip) return false;
    throw error;
  }
}

function listedIn(octets) {
  const written = text(octets);
  if (!written.startsWith(HEAD) || !written.endsWith(TAIL)) {
    throw new Said("container.manifest", { reason: "not in the prescribed form" });
  }
  const end = written.length - TAIL.length;
  const listed = new Map();
  for (LINE.lastIndex = HEAD.length; LINE.lastIndex < end; ) {
    const line = LINE.exec(written);
    if (!line || listed.has(line[1])) {
      const reason = "a line that is not in the prescribed form, or a file twice";
      throw new Said("container.manifest", { reason });
    }
    listed.set(line[1], digestOf(line[2]));
  }
  return listed;
}

function digestOf(written) {
  try {
    return strictBase64(written);
  } catch (error) {
    throw new Said("container.manifest", { reason: error.message });
  }
}

// Contents and mails against the fingerprints in the records (evidence format, sections 1 and 5). As `fingerprints.py`.
import { Said, require } from "./report.js";
import { digestOf } from "./structure.js";
import { equal, hex } from "./octets.js";
import { isObject, same } from "./json.js";
import { isOf } from "./tables.js";
import { isTrue } from "./values.js";
import { member } from "./case.js";

const LONGEST_PLAIN = 80;
const PURPOSES = ["announcement", "reminder"];

/** Says content: every part of the first record, and every member that is none of them. */
export function checkContents(found) {
  const { findings } = found;
  return findings.about("content", "", {}, async () => {
    const parts = partsOf(found.records.values().next().value ?? null);
    const contents = found.named("content");
    const named = new Map(contents.toReversed().map(([name, match]) => [Number(match[1]), name]));
    for (const [name, match] of contents) {
      const number = Number(match[1]);
      if (number < 1 || number > parts.length || named.get(number) !== name) findings.say("content.unknown", name);
    }
    for (const [at, [part, size]] of parts.entries()) {
      await checkPart(found, at + 1, part, size, named.get(at + 1) ?? null);
    }
  });
}

function partsOf(record) {
  if (record === null || record.value === null) throw new Said("content.malformed", { reason: "no record" });
  const parts = member(member(member(record.value, "UserContentInfo"), "PartsInfo"), "PartInfo");
  const sizes = member(record.extension, "parts");
  require(Array.isArray(parts) && Array.isArray(sizes) && parts.length === sizes.length, "parts and sizes differ");
  return parts.map((part, at) => [part, member(sizes[at], "size")]);
}

async function checkPart(found, number, part, size, name) {
  const { findings, members } = found;
  require(isObject(part), "not an object");
  const said = { part: number, name: typeof part.Identifier === "string" ? part.Identifier : "?" };
  await findings.about("content", name ?? "", said, async () => {
    if (name === null) {
      const erased = [...found.records.values()].find((one) => isOf("erased", one.event));
      if (erased) findings.remark("remark.erased", { record: erased.seq });
      throw new Said("content.absent");
    }
    const digest = digestOf(part);
    const fits = same(members.size(name), size) && digest !== null && equal(await members.sha256(name), digest);
    if (!fits) throw new Said("content.hash");
    const digits = String(number).padStart(2, "0");
    if (name !== `content/${digits}-${fileName(part)}`) throw new Said("content.name");
    findings.say("content.ok", name, said);
  });
}

/** What the bundle calls a part: two names for one file could tell two stories. */
function fileName({ Identifier: given, ContentType: type }) {
  require(typeof given === "string" && typeof type === "string", "not a text");
  const body = type.startsWith("text/html") ? "message.html" : "message.txt";
  return plainName(given === "message_body" ? body : given);
}

/** As `domain/content.py`: ASCII letters, digits, dot, dash and underscore, not hidden, not long, its ending kept. */
function plainName(name) {
  const ascii = name.normalize("NFKD").replace(/[^\x00-\x7f]/g, "");
  const plain = ascii.replace(/[^A-Za-z0-9._-]+/g, "_").replace(/^\.+/, "");
  const dot = plain.lastIndexOf(".");
  const ending = plain.slice(dot);
  if (dot <= 0 || !/^\.[A-Za-z0-9]{1,10}$/.test(ending)) return plain.slice(0, LONGEST_PLAIN) || "file";
  return plain.slice(0, Math.min(dot, LONGEST_PLAIN - ending.length)) + ending;
}

/** Says mail: every announcement and reminder that a record speaks of, and every member that is none of them. */
export async function checkMails(found) {
  const { findings, members } = found;
  const wanted = await announcementsOf(found);
  const shown = new Set();
  for (const [name, match] of found.named("mail")) {
    const number = Number(match[1]);
    await findings.about("mail", name, { record: number }, async () => {
      const record = found.records.get(number);
      const sent = record ? sentOf(record) : null;
      if (sent === null) throw new Said("mail.unknown");
      if (sent !== keyOf(await members.sha256(name), members.size(name))) throw new Said("mail.hash");
      const [kind] = record.event.split("_");
      const purposes = PURPOSES.includes(kind) ? [kind] : PURPOSES;
      if (!purposes.includes(match[2])) throw new Said("mail.name");
      shown.add(sent);
      findings.say("mail.ok", name, { record: number });
    });
  }
  for (const [sent, seq] of wanted) if (!shown.has(sent)) findings.say("mail.absent", "", { record: seq });
}

/** Each mail once, by the first record that speaks of it. */
async function announcementsOf(found) {
  const wanted = new Map();
  for (const record of found.records.values()) {
    await found.findings.about("mail", record.name, {}, () => {
      const sent = isOf("mailed", record.event) ? sentOf(record) : null;
      const size = sent === null ? null : record.extension.smtp.sent.size;
      require(size === null || typeof size !== "object", "a size that is no number");
      if (sent !== null && !wanted.has(sent)) wanted.set(sent, record.seq);
    });
  }
  return wanted;
}

/** Fingerprint and size of the exact octets that a record says were sent. */
function sentOf(record) {
  const { smtp } = record.extension;
  if (!isTrue(smtp)) return null;
  const sent = member(smtp, "sent");
  return keyOf(digestOf(sent), member(sent, "size"));
}

const keyOf = (digest, size) => `${digest === null ? "none" : hex(digest)} ${JSON.stringify(typeof size === "boolean" ? Number(size) : size)}`;

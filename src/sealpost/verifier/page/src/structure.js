// The form of records (EN 319 522-3 in the subset of evidence format, section 1), and their canonical bytes.
//
// As `structure.py`, by the same shapes. All records of a bundle must speak of one message, the same persons and the
// same content.
import { Said, require } from "./report.js";
import { RULES, suite } from "./tables.js";
import { asText, beginning } from "./values.js";
import { canonical, isObject, same } from "./json.js";
import { equal, strictBase64 } from "./octets.js";
import { Record, eventLabel, instant } from "./case.js";

const SHA256_URI = "http://www.w3.org/2001/04/xmlenc#sha256";
const TIMES = new Set(["EventTime", "SubmissionTime", "AuthenticationTime", "recordedAt", "at"]);
const BASE64 = new Set(["lineB64", "finalB64", "IssuerSerialV2", "X509Certificate", "SignatureValue"]);
const SAME = ["MessageIdentifier", "SenderDetails", "RecipientDetails", "UserContentInfo", "SubmissionTime"];
const URI = new RegExp(`^(?:${RULES.uri})$`);
const UUID7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const isText = (value) => typeof value === "string" && value !== "";
const PLAIN = {
  any: () => true,
  false: (value) => value === false,
  whole: Number.isInteger,
  text: (value) => typeof value === "string",
  "full text": isText,
  uri: (value) => typeof value === "string" && URI.test(value),
};

/** Says structure and canonical of every record. */
export async function check(found) {
  const { findings } = found;
  const first = found.records.values().next().value ?? null;
  if (first === null) findings.say("structure.none");
  for (const record of found.records.values()) {
    const named = { record: record.seq };
    await findings.about("structure", record.name, named, () => {
      if (record.value === null) throw new Said("structure.malformed", { reason: record.fault });
      requireForm(record.value);
      if (first.value !== null) requireSame(record, first);
      if (record.event) findings.say("structure.ok", record.name, named);
      else findings.say("structure.event", record.name, { ...named, event: eventLabel(record.value.ERDSEventId) });
    });
    await findings.about("canonical", record.name, named, () => {
      if (record.value === null) throw new Said("canonical.malformed", { reason: record.fault });
      if (!equal(canonical(record.value), record.octets)) throw new Said("canonical.differs");
      findings.say("canonical.ok", record.name, named);
    });
  }
}

function requireMember(truth, member) {
  if (!truth) throw new Said("structure.member", { member });
}

const isWhole = (value) => Number.isInteger(value);
const objectsOf = (value) => (Array.isArray(value) && value.every(isObject) ? value : []);
const objectOf = (value) => (isObject(value) ? value : Object.create(null));

function requireForm(value) {
  requireMember(value.version === RULES.version, "version");
  requireMember(typeof value.EvidenceIdentifier === "string" && UUID7.test(value.EvidenceIdentifier), "EvidenceIdentifier");
  const record = new Record(0, "", new Uint8Array());
  record.value = value;
  const wrong = misfit(value, "record", "record");
  if (wrong) throw new Said("structure.member", { member: wrong });
  const number = value.EvidenceRefersToRecipient;
  if (number < 1 || number > value.RecipientDetails.length) throw new Said("structure.recipient");
  const content = value.UserContentInfo;
  if (content.ComposingParts !== content.PartsInfo.PartInfo.length) throw new Said("structure.parts");
  requireExtension(value, record.extension);
  for (const one of objectsWithin(value)) requireSpelling(one);
}

/** The name of the member that does not have its shape, or empty; see `structure.py`. */
function misfit(value, shape, member) {
  if (typeof shape === "string") {
    if (Object.hasOwn(RULES.shapes, shape)) return misfit(value, RULES.shapes[shape], member);
    return PLAIN[shape](value) ? "" : member;
  }
  if (shape.one) return shape.one.some((one) => !misfit(value, one, member)) ? "" : member;
  if (shape.list) {
    if (!Array.isArray(value) || !value.length || value.length > (shape.most ?? value.length)) return member;
    return firstOf(value.values(), (one) => misfit(one, shape.list, member));
  }
  return misfitObject(value, shape, member);
}

function misfitObject(value, shape, member) {
  if (!isObject(value)) return member;
  const needed = shape.needed ?? {};
  const known = { ...needed, ...shape.may };
  const unknown = Object.keys(value).filter((name) => !Object.hasOwn(known, name));
  if (unknown.length && shape.closed) return beginning(unknown.toSorted().join(", "), 60) || member;
  const missing = Object.keys(needed).find((name) => !(name in value));
  return missing ?? firstOf(Object.keys(known), (name) => (name in value ? misfit(value[name], known[name], name) : ""));
}

/** What is said of the first item of which something is said, or empty. */
function firstOf(items, say) {
  for (const item of items) {
    const found = say(item);
    if (found) return found;
  }
  return "";
}

function requireExtension(value, ours) {
  requireMember(isWhole(ours.seq) && ours.seq > 0, "seq");
  requireMember(ours.seq === 1 ? "prev" in ours && ours.prev === null : isObject(ours.prev), "prev");
  requireMember("recordedAt" in ours, "recordedAt");
  require(!isObject(ours.environment) && !Array.isArray(ours.environment), "an environment that is no text");
  requireMember(["live", "test"].includes(ours.environment), "environment");
  requireMember(isText(objectOf(ours.clock).source), "clock");
  requireMember(isObject(ours.software), "software");
  requireMember(!("mail" in ours) || !misfit(ours.mail, "mail", "mail"), "mail");
  const { authenticated } = objectOf(ours.bounce);
  requireMember(!("authenticated" in objectOf(ours.bounce)) || !misfit(authenticated, "authenticated", "authenticated"), "authenticated");
  if (suite(ours.suite) === null) throw new Said("structure.suite", { suite: beginning(asText(ours.suite), 60) });
  const sizes = objectsOf(ours.parts);
  const named = value.UserContentInfo.PartsInfo.PartInfo.map((part) => part.Identifier);
  if (!same(sizes.map((one) => one.Identifier ?? null), named)) throw new Said("structure.parts");
  requireMember(sizes.every((one) => isWhole(one.size) && one.size >= 0), "parts");
}

/** Every object, however deep. */
function* objectsWithin(value) {
  const stack = [value];
  while (stack.length) {
    const one = stack.pop();
    if (isObject(one)) yield one;
    if (isObject(one) || Array.isArray(one)) for (const item of Object.values(one)) stack.push(item);
  }
}

/** Times, base64 and hashes in their one way of writing, wherever they stand. */
function requireSpelling(members) {
  for (const [name, value] of Object.entries(members)) {
    if (TIMES.has(name) && !reads(instant, value)) throw new Said("structure.time", { member: name });
    if (BASE64.has(name) && !reads(strictBase64, value)) throw new Said("structure.member", { member: name });
  }
  if (("DigestMethod" in members || "DigestValue" in members) && digestOf(members) === null) {
    throw new Said("structure.hash", { member: "DigestMethod" });
  }
}

function reads(reader, value) {
  try {
    reader(value);
    return true;
  } catch {
    return false;
  }
}

/** The 32 octets of a hash as records write it, or null. */
export function digestOf(value) {
  if (!isObject(value) || !same(value.DigestMethod, { Algorithm: SHA256_URI })) return null;
  try {
    const octets = strictBase64(value.DigestValue);
    return octets.length === 32 ? octets : null;
  } catch {
    return null;
  }
}

function requireSame(record, first) {
  const alike = (one, other) => (one === undefined || other === undefined ? (one ?? null) === (other ?? null) : same(one, other));
  const [ours, theirs] = [record.extension, first.extension];
  const fits = alike(ours.parts, theirs.parts) && alike(ours.environment, theirs.environment);
  if (!fits || !SAME.every((name) => alike(record.value[name], first.value[name]))) {
    throw new Said("structure.ticket", { other: first.seq });
  }
}

// The form of records (EN 319 522-3 in the subset of evidence format, section 1), and their canonical bytes.
//
// As `structure.py`. All records of a bundle must speak of one message, the same persons and the same content.
import { Malformed, Said, require } from "./report.js";
import { RULES, suite } from "./tables.js";
import { asText, beginning } from "./values.js";
import { canonical, isObject, same } from "./json.js";
import { equal, strictBase64 } from "./octets.js";
import { Record, instant } from "./case.js";

const SHA256_URI = "http://www.w3.org/2001/04/xmlenc#sha256";
const TIMES = new Set(["EventTime", "SubmissionTime", "AuthenticationTime", "recordedAt", "at"]);
const BASE64 = new Set(["lineB64", "finalB64", "IssuerSerialV2"]);
const SAME = ["MessageIdentifier", "SenderDetails", "RecipientDetails", "UserContentInfo", "SubmissionTime"];
const URI = /^[a-z][a-z0-9+.-]*:[^\t-\r ]+$/;
const UUID7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const KNOWN = new Set(
  (
    "version EvidenceIdentifier ERDSEventId EventTime EventReasons EvidenceIssuerDetails EvidenceIssuerPolicyID " +
    "SenderDetails SenderDelegateDetails RecipientDetails EvidenceRefersToRecipient SubmissionTime MessageIdentifier " +
    "UserContentInfo ForwardedToExternalSystem TransactionLogInformation Extensions"
  ).split(" "),
);

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
      findings.say("structure.ok", record.name, named);
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

const isText = (value) => typeof value === "string" && value !== "";
const isUri = (value) => typeof value === "string" && URI.test(value);
const isWhole = (value) => Number.isInteger(value);
const objectsOf = (value) => (Array.isArray(value) && value.every(isObject) ? value : []);
const objectOf = (value) => (isObject(value) ? value : Object.create(null));

function requireForm(value) {
  const unknown = Object.keys(value).filter((name) => !KNOWN.has(name));
  requireMember(!unknown.length, unknown.toSorted().join(", ").slice(0, 60));
  requireMember(value.version === RULES.version, "version");
  requireMember(typeof value.EvidenceIdentifier === "string" && UUID7.test(value.EvidenceIdentifier), "EvidenceIdentifier");
  const record = new Record(0, "", new Uint8Array());
  record.value = value;
  if (!record.event) throw new Said("structure.event", { event: beginning(asText(value.ERDSEventId), 120) });
  for (const name of ["EventTime", "SubmissionTime"]) requireMember(name in value, name);
  requireMember(isText(value.MessageIdentifier), "MessageIdentifier");
  requireParties(value);
  requireContent(value.UserContentInfo);
  requireExtension(value, record.extension);
  for (const [name, member] of walk(value)) requireValue(name, member);
}

function requireParties(value) {
  requireIdentity(value.EvidenceIssuerDetails, "EvidenceIssuerDetails", true);
  const given = objectOf(value.EvidenceIssuerPolicyID);
  const policies = "PolicyID" in given ? given.PolicyID : ["a:b"];
  requireMember(Array.isArray(policies) && policies.length && policies.every(isUri), "PolicyID");
  for (const name of ["SenderDetails", "SenderDelegateDetails"]) {
    if (name in value || name === "SenderDetails") requirePerson(value[name], name);
  }
  const recipients = objectsOf(value.RecipientDetails);
  requireMember(recipients.length, "RecipientDetails");
  for (const recipient of recipients) requirePerson(recipient, "RecipientDetails");
  const number = value.EvidenceRefersToRecipient;
  if (!isWhole(number) || number < 1 || number > recipients.length) throw new Said("structure.recipient");
  requireReasons(value);
}

function requireReasons(value) {
  if (!("EventReasons" in value)) return;
  const reasons = objectsOf(objectOf(value.EventReasons).EventReason);
  requireMember(reasons.length && reasons.every((one) => isUri(one.Code)), "EventReasons");
}

function requirePerson(value, name) {
  const identifier = objectOf(objectOf(value).Identifier);
  requireMember(isText(identifier.value) && isText(identifier.IdentifierSchemeName), name);
  requireIdentity(value, name, false);
}

function requireIdentity(value, name, needed) {
  const person = objectOf(value);
  if (!needed && !("Identity" in person)) return;
  const attributes = objectsOf(objectOf(person.Identity).Attribute);
  requireMember(attributes.length, name);
  for (const one of attributes) {
    requireMember(isText(one.Name) && Array.isArray(one.AttributeValue) && one.AttributeValue.length, name);
  }
}

function requireContent(value) {
  const content = objectOf(value);
  const parts = objectsOf(objectOf(content.PartsInfo).PartInfo);
  requireMember(parts.length, "PartInfo");
  if (content.ComposingParts !== parts.length) throw new Said("structure.parts");
  for (const part of parts) {
    requireMember(isText(part.Identifier) && isText(part.ContentType), "PartInfo");
    requireMember("DigestMethod" in part, "PartInfo");
  }
}

function requireExtension(value, ours) {
  const given = objectsOf(value.Extensions);
  requireMember(given.length && given.every((one) => one.isCritical === false), "Extensions");
  requireMember(isWhole(ours.seq) && ours.seq > 0, "seq");
  requireMember(ours.seq === 1 ? "prev" in ours && ours.prev === null : isObject(ours.prev), "prev");
  requireMember("recordedAt" in ours, "recordedAt");
  require(!isObject(ours.environment) && !Array.isArray(ours.environment), "an environment that is no text");
  requireMember(["live", "test"].includes(ours.environment), "environment");
  requireMember(isText(objectOf(ours.clock).source), "clock");
  requireMember(isObject(ours.software), "software");
  if (suite(ours.suite) === null) throw new Said("structure.suite", { suite: beginning(asText(ours.suite), 60) });
  const sizes = objectsOf(ours.parts);
  const named = value.UserContentInfo.PartsInfo.PartInfo.map((part) => part.Identifier);
  if (!same(sizes.map((one) => one.Identifier ?? null), named)) throw new Said("structure.parts");
  requireMember(sizes.every((one) => isWhole(one.size) && one.size >= 0), "parts");
}

/** Every member of every object, however deep, and every object with a hash under the name of its method. */
function* walk(value) {
  const stack = [value];
  while (stack.length) {
    const one = stack.pop();
    if (isObject(one)) {
      for (const [name, member] of Object.entries(one)) {
        yield [name, member];
        stack.push(member);
      }
      if ("DigestMethod" in one || "DigestValue" in one) yield ["DigestMethod", one];
    } else if (Array.isArray(one)) for (const item of one) stack.push(item);
  }
}

function requireValue(name, value) {
  if (TIMES.has(name)) {
    try {
      instant(value);
    } catch {
      throw new Said("structure.time", { member: name });
    }
  } else if (name === "DigestMethod" && holds(value, "DigestMethod")) {
    if (digestOf(value) === null) throw new Said("structure.hash", { member: name });
  } else if (BASE64.has(name)) {
    try {
      strictBase64(value);
    } catch {
      throw new Said("structure.member", { member: name });
    }
  }
}

/** Whether a name is in a value, as the command's language asks: of members, of items, of a text. */
function holds(value, name) {
  if (isObject(value)) return name in value;
  if (Array.isArray(value) || typeof value === "string") return value.includes(name);
  throw new Malformed("not an object");
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

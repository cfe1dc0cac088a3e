// What the checks share: a bundle's members by kind, its records as far as they can be read, what is known so far.
//
// As `case.py`. Nothing here is believed: a record that does not parse is null, and the check of its form says so.
import { Findings, Malformed, isFault, require } from "./report.js";
import { BadZip, Members } from "./zip.js";
import { MEMBERS, RULES } from "./tables.js";
import { asText, beginning } from "./values.js";
import { isObject, parse } from "./json.js";
import { readSeal } from "./seals.js";
import { text } from "./octets.js";
import { trustOf } from "./trust.js";

const PATTERNS = ["record", "seal", "salt", "proof", "checkpoint", "token", "mail", "content", "trust", "tls"];
const KINDS = Object.fromEntries(PATTERNS.map((kind) => [kind, new RegExp(`^(?:${MEMBERS[kind]})$`, "u")]));
const FIXED = new Set(["mimetype", MEMBERS.readme, ...MEMBERS.needed]);
const NUMBERED = new Set(["record", "seal", "salt", "proof"]);
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
export const CLOCK = RULES.tolerance.clockSeconds * 1000;
const OWN = /^https?:\/\/[^\t-\r #]+\/event#([a-z_]+)$/;

/** A record and what stands beside it; see `case.py`. */
export class Record {
  value = null;
  fault = "";
  sealOctets = null;
  seal = null;
  sealFault = "";
  salt = null;
  proof = null;
  ownTime = null;
  place = null;
  covered = "";

  constructor(seq, name, octets) {
    this.seq = seq;
    this.name = name;
    this.octets = octets;
  }

  /** The member `sealpost/1`; empty where there is none, and where it is no object: the form says so. */
  get extension() {
    const given = this.value?.Extensions;
    const found = Array.isArray(given) && isObject(given[0]) ? given[0][RULES.extension] : null;
    return isObject(found) ? found : Object.create(null);
  }

  /** ETSI's name of the event, or the kind of one of our own; empty where it is neither. */
  get event() {
    return this.value ? eventName(this.value.ERDSEventId) : "";
  }
}

/** One bundle while it is verified. */
export class Case {
  records = new Map();
  signed = new Map();
  times = new Map();
  own = null;
  /** Of the seals that are right, by the name of their member: `{chain, at}`, the time null without a token. */
  sealers = new Map();
  closed = new Map();
  dated = new Map();

  constructor(members, trust, findings) {
    this.members = members;
    this.trust = trust;
    this.findings = findings;
  }

  /** The members of a kind, and what their names say; a number is written in one way only. */
  named(kind) {
    const found = this.members.names.map((name) => [name, KINDS[kind].exec(name)]).filter(([, match]) => match);
    return found.filter(([, match]) => !NUMBERED.has(kind) || (isOneWay(match[1]) && match[1] !== "000"));
  }

  /** Members that no bundle has. */
  strangers() {
    const known = new Set(PATTERNS.flatMap((kind) => this.named(kind).map(([name]) => name)));
    return this.members.names.filter((name) => !known.has(name) && !FIXED.has(name));
  }

  /** The chosen trust, else the bundle's own, which shows consistency only. */
  get judgedBy() {
    return this.trust ?? this.own;
  }

  /** The same case, whose findings nobody reads. */
  silent() {
    const quiet = new Case(this.members, this.trust, new Findings());
    quiet.sealers = this.sealers;
    return quiet;
  }
}

const isOneWay = (digits) => String(Number(digits)).padStart(3, "0") === digits;

/** The case of a bundle, its records and what stands beside them read as far as possible. */
export async function opened(file, trust, findings) {
  const found = new Case(new Members(file), trust, findings);
  const records = found.named("record").map(([name, match]) => [Number(match[1]), name]);
  for (const [number, name] of records.toSorted(([one], [other]) => one - other)) {
    const record = new Record(number, name, (await octetsOf(found.members, name)) ?? new Uint8Array());
    try {
      record.value = parsedRecord(record.octets);
    } catch (error) {
      if (isFault(error)) throw error;
      record.fault = error.message;
    }
    found.records.set(number, record);
  }
  for (const kind of ["seal", "salt", "proof"]) {
    for (const [name, match] of found.named(kind)) {
      const record = found.records.get(Number(match[1]));
      if (record) await putBeside(record, kind, await octetsOf(found.members, name));
    }
  }
  found.own = await ownTrust(found);
  return found;
}

async function ownTrust(found) {
  const files = {};
  for (const [name] of found.named("trust")) {
    files[name.slice("trust/".length)] = (await octetsOf(found.members, name)) ?? new Uint8Array();
  }
  try {
    return await trustOf(files);
  } catch (error) {
    if (isFault(error)) throw error;
    return null;
  }
}

async function octetsOf(members, name) {
  try {
    return await members.read(name);
  } catch (error) {
    if (error instanceof BadZip) return null;
    throw error;
  }
}

async function putBeside(record, kind, octets) {
  if (kind === "salt") record.salt = octets;
  else if (kind === "proof") record.proof = octets ?? new Uint8Array();
  else {
    record.sealOctets = octets;
    try {
      record.seal = await readSeal(octets ?? new Uint8Array());
    } catch (error) {
      if (isFault(error)) throw error;
      record.sealFault = error.message;
    }
  }
}

function parsedRecord(octets) {
  const value = parse(text(octets), true);
  require(isObject(value), "not an object");
  return value;
}

function eventName(uri) {
  if (typeof uri !== "string") return "";
  if (uri.startsWith(RULES.eventPrefix)) {
    const name = uri.slice(RULES.eventPrefix.length);
    return RULES.events.includes(name) ? name : "";
  }
  const found = OWN.exec(uri);
  return found && RULES.ownEvents.includes(found[1]) ? found[1] : "";
}

/** An event for people, also one that is not known: its name, without what stands before it. */
export function eventLabel(uri) {
  const written = asText(uri);
  return eventName(uri) || beginning(beginning(written, 300).split(/[/#]/).at(-1), 120) || beginning(written, 120);
}

/** When a record says that it happened. */
export const eventTime = (record) => instant(record.value?.EventTime);

/** When a record says that the message was submitted. */
export const submittedAt = (record) => instant(record.value?.SubmissionTime);

/** When a record says that it was written. */
export const recordedAt = (record) => instant(record.extension.recordedAt);

/** A time as records write it, in milliseconds. */
export function instant(written) {
  const at = typeof written === "string" && INSTANT.test(written) ? Date.parse(written) : NaN;
  if (Number.isNaN(at) || new Date(at).toISOString() !== written || written.startsWith("0000")) {
    throw new Malformed("no time in UTC with milliseconds");
  }
  return at;
}

/** A time for people and machines: ISO 8601 in UTC, whole seconds or milliseconds. */
export function shown(at) {
  const written = new Date(Math.floor(at)).toISOString();
  return Number.isInteger(at / 1000) ? written.replace(".000Z", "Z") : written;
}

/** A member that must be there, as the command's language has it: a value without members is malformed. */
export function member(value, name) {
  require(isObject(value) && name in value, "a member missing or too many");
  return value[name];
}

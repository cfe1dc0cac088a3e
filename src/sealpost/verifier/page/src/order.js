// The order rules: what can follow what, and which time can come before which (evidence format, 6). As `order.py`.
//
// The rules' names of events and tolerances are data. Clocks of several machines may differ a little, so times are compared
// with a tolerance; a time token's own accuracy is added to it.
import { Said, require } from "./report.js";
import { adopted } from "./adoption.js";
import { MEMBERS, RULES, isOf } from "./tables.js";
import { either, isTrue } from "./values.js";
import { instant, shown } from "./case.js";
import { isObject } from "./json.js";

const CLOCK = RULES.tolerance.clockSeconds * 1000;
const LATER = RULES.tolerance.sealedLaterSeconds;
const LOG = new RegExp(`^(?:${MEMBERS.log})$`, "u");

/** Says order, and remarks on what the records say of their clock and environment. */
export async function check(found) {
  const { findings } = found;
  const records = [...found.records.values()];
  await findings.about("order", "", {}, async () => {
    if (!records.length || records.some((one) => one.value === null)) {
      throw new Said("order.malformed", { reason: "a record that cannot be read" });
    }
    requireEvents(records);
    requireDecisions(records);
    for (const record of records) requireTimes(found, record);
    const late = await adopted(found);
    for (const [at, other] of records.slice(1).entries()) {
      const one = records[at];
      requireSequence(one, other);
      // Else the older one got its place when it was adopted.
      if (!late.has(one.seq) || late.has(other.seq)) requirePlaces(one, other);
    }
    findings.say("order.ok");
  });
  for (const record of records) await findings.about("order", record.name, {}, () => remark(found, record));
}

function requireEvents(records) {
  for (const record of records) {
    if (isOf("submission", record.event) !== (record.seq === 1)) throw new Said("order.submission");
  }
}

function requireDecisions(records) {
  let decided = null;
  for (const record of records) {
    if (isOf("decisions", record.event)) {
      if (decided !== null) throw new Said("order.decisions", { other: decided.seq, record: record.seq });
      decided = record;
    }
    if (isOf("recipientDecisions", record.event)) requireAnnounced(records, record);
    if (isOf("content", record.event) && (decided === null || !isOf("acceptance", decided.event))) {
      throw new Said("order.content", { record: record.seq });
    }
  }
}

/** By the times of events; an uncertain handover is noticed later than it happened, so its record alone may be later. */
function requireAnnounced(records, decision) {
  const came = (one) => eventTime(one) <= eventTime(decision) || isOf("uncertain", one.event);
  if (!records.some((one) => isOf("announcements", one.event) && came(one))) {
    throw new Said("order.announced", { record: decision.seq });
  }
}

const eventTime = (record) => instant(record.value?.EventTime);
const recordedAt = (record) => instant(record.extension.recordedAt);

function requireTimes(found, record) {
  const recorded = recordedAt(record);
  const { seal, seq } = record;
  if (eventTime(record) > recorded) throw new Said("order.future", { record: seq });
  if (eventTime(record) < instant(record.value?.SubmissionTime)) throw new Said("order.submitted", { record: seq });
  if (seal !== null && seal.sealedAt + 1000 + CLOCK < recorded) throw new Said("order.sealed", { record: seq });
  requireCovered(record, found.times.get(record.covered), "order.covered");
  requireCovered(record, record.ownTime, "order.token");
}

/** Neither record nor seal can be later than a time that was given over them. */
function requireCovered(record, token, code) {
  const latest = Math.max(recordedAt(record), record.seal?.sealedAt ?? recordedAt(record));
  if (token && latest > token.at + token.accuracy + CLOCK) {
    throw new Said(code, { record: record.seq, time: shown(token.at), recorded: shown(latest) });
  }
}

function requireSequence(one, other) {
  const named = { record: other.seq, other: one.seq };
  if (recordedAt(other) + CLOCK < recordedAt(one)) throw new Said("order.recorded", named);
}

function requirePlaces(one, other) {
  if (!one.place || !other.place) return;
  if (!isBefore(placeOf(one), placeOf(other))) throw new Said("order.index", { record: other.seq, other: one.seq });
}

/** Logs follow one another by their names: 2026, 2026-2, 2027; -1 ends a name, so that a shorter one comes first. */
function placeOf({ place }) {
  const name = place.origin.slice(place.origin.lastIndexOf("/") + 1);
  require(LOG.test(name), "a log whose name is no number");
  return [...name.split("-").map(BigInt), -1n, place.index];
}

function isBefore(one, other) {
  const at = one.findIndex((number, place) => number !== other[place]);
  return at >= 0 && one[at] < other[at];
}

function remark(found, record) {
  const { findings } = found;
  const ours = record.extension;
  const clock = either(ours.clock, Object.create(null));
  require(isObject(clock), "a clock that is no object");
  if (ours.environment === "test") findings.remark("remark.test");
  if (clock.source === "none") findings.remark("remark.clock");
  if (isTrue(clock.demoShiftSeconds)) findings.remark("remark.shifted");
  if (record.seal !== null && record.value !== null) {
    const seconds = Math.trunc((record.seal.sealedAt - recordedAt(record)) / 1000);
    if (seconds > LATER) findings.remark("remark.sealed_later", { record: record.seq, seconds });
  }
}

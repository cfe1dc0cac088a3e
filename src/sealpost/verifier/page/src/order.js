// The order rules: what can follow what, and which time can come before which (evidence format, 6). As `order.py`.
//
// The rules' names of events and tolerances are data. Clocks of several machines may differ a little, so times are compared
// with a tolerance; a time token's own accuracy is added to it.
import { CLOCK, eventTime, recordedAt, shown, submittedAt } from "./case.js";
import { MEMBERS, RULES, isOf } from "./tables.js";
import { Said, require } from "./report.js";
import { adopted } from "./adoption.js";
import { requireMails } from "./mailing.js";
import { requireTerms } from "./terms.js";

const LATER = RULES.tolerance.sealedLaterSeconds;
const LOG = new RegExp(`^(?:${MEMBERS.log})$`, "u");

/** Says order, and remarks on records that were sealed later. */
export async function check(found) {
  const { findings } = found;
  const records = [...found.records.values()];
  await findings.about("order", "", {}, async () => {
    if (!records.length || records.some((one) => one.value === null)) {
      throw new Said("order.malformed", { reason: "a record that cannot be read" });
    }
    requireEvents(records);
    requireDecisions(records);
    requireMails(records);
    requireTerms(findings, records);
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

/** The submission first, and only there; where the first event is unknown, its own sentence says so. */
function requireEvents(records) {
  for (const record of records) {
    const isSubmission = isOf("submission", record.event);
    if (record.event && isSubmission !== (record.seq === 1)) throw new Said("order.submission");
  }
  const [first] = records;
  const isApart = first.event && Math.abs(eventTime(first) - submittedAt(first)) > CLOCK;
  if (isApart) throw new Said("order.submitted", { record: first.seq });
}

function requireDecisions(records) {
  let decided = null;
  for (const record of records) {
    const { event, seq } = record;
    if (isOf("decisions", event)) {
      if (decided !== null) throw new Said("order.decisions", { other: decided.seq, record: seq });
      decided = record;
    }
    if (isOf("recipientDecisions", event)) requireAnnounced(records, record, "order.announced");
    if (isOf("opened", event)) requireAnnounced(records, record, "order.opened");
    if (isOf("content", event) && !follows(record, decided, "acceptance")) throw new Said("order.content", { record: seq });
    if (isOf("erased", event) && !follows(record, decided, "decisions")) throw new Said("order.erased", { record: seq });
  }
}

/** Whether it comes after such a decision, by number and by time. */
function follows(record, decided, group) {
  return decided !== null && isOf(group, decided.event) && eventTime(record) + CLOCK >= eventTime(decided);
}

/** By the times of events; an uncertain handover is noticed later than it happened, so its record alone may be later. */
function requireAnnounced(records, act, code) {
  const came = (one) => eventTime(one) <= eventTime(act) || isOf("uncertain", one.event);
  if (!records.some((one) => isOf("announcements", one.event) && came(one))) throw new Said(code, { record: act.seq });
}

function requireTimes(found, record) {
  const recorded = recordedAt(record);
  const { seal, seq } = record;
  if (eventTime(record) > recorded) throw new Said("order.future", { record: seq });
  if (eventTime(record) < submittedAt(record)) throw new Said("order.submitted", { record: seq });
  if (seal !== null && seal.sealedAt + 1000 + CLOCK < recorded) throw new Said("order.sealed", { record: seq });
  requireCovered(record, found.times.get(record.covered), "order.covered");
  requireCovered(record, record.ownTime, "order.token");
}

/** Neither record nor seal can be later than a time that was given over them. */
function requireCovered(record, token, code) {
  const latest = latestOf(record);
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
  if (record.seal === null || record.value === null) return;
  const seconds = Math.trunc((record.seal.sealedAt - recordedAt(record)) / 1000);
  if (seconds > LATER) found.findings.remark("remark.sealed_later", { record: record.seq, seconds });
}

const latestOf = (record) => Math.max(recordedAt(record), record.seal?.sealedAt ?? recordedAt(record));

/** Says order where certificate or bundle were stamped before the newest thing in them. */
export async function checkClosed(found) {
  const records = [...found.records.values()];
  const inside = [];
  await findingsAbout(found, "", () => {
    inside.push(...records.filter((one) => one.value !== null).map((one) => [one.name, latestOf(one)]));
  });
  for (const member of [MEMBERS.certificate, MEMBERS.signature]) {
    const token = found.closed.get(member);
    if (token) {
      await findingsAbout(found, member, () => requireLater(member, token, inside));
      inside.push([member, token.at]);
    }
    for (const [name, one] of found.times) inside.push([name, one.at]);
    for (const one of records) if (one.ownTime) inside.push([one.name, one.ownTime.at]);
  }
}

const findingsAbout = (found, member, run) => found.findings.about("order", member, {}, run);

function requireLater(about, token, inside) {
  const [member, latest] = inside.reduce((one, other) => (other[1] > one[1] ? other : one), ["", -Infinity]);
  if (latest > token.at + token.accuracy + CLOCK) {
    throw new Said("order.closed", { about, time: shown(token.at), member, later: shown(latest) });
  }
}

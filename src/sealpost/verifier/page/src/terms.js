// The collection term: what the first record says of it, and what may happen before and after its end. As `terms.py`.
import { eventTime, instant, shown, submittedAt } from "./case.js";
import { RULES, isOf } from "./tables.js";
import { Said, require } from "./report.js";
import { isObject } from "./json.js";

const SHORTEST = RULES.shortestTermSeconds * 1000;

/** Says order where an expiry is not all proven. */
export function requireTerms(findings, records) {
  for (const record of records) {
    const term = termOf(records, record);
    if (!record.event) continue;
    const [at, named] = [eventTime(record), { record: record.seq, time: shown(eventTime(record)) }];
    if (isOf("expiry", record.event)) {
      requireEnd(findings, record, term, named);
      if (!records.some((one) => isReached(one, at))) findings.say("order.unannounced", "", { record: record.seq });
    } else if (term && isOf("decisions", record.event) && at >= term.endAt) {
      throw new Said("order.over", { ...named, term: shown(term.endAt) });
    } else if (term && isOf("reminders", record.event) && at < term.remindAt) {
      throw new Said("order.reminder", { ...named, term: shown(term.remindAt) });
    }
  }
}

/** The term as it is stated up to a record; null where no record states one. */
export function termOf(records, record) {
  const mayState = (one) => isOf("submission", one.event) || !one.event;
  const last = records.filter((one) => one.seq <= record.seq && "term" in one.extension && mayState(one)).at(-1);
  if (!last) return null;
  const term = readTerm(last);
  const can = submittedAt(last) < term.remindAt && term.remindAt < term.endAt;
  if (!can) throw new Said("order.term", { record: last.seq });
  return term;
}

function readTerm(stated) {
  try {
    const { term } = stated.extension;
    require(isObject(term), "not an object");
    return { stated, remindAt: instant(term.reminderAt), endAt: instant(term.expiryAt) };
  } catch {
    throw new Said("order.term", { record: stated.seq });
  }
}

function requireEnd(findings, record, term, named) {
  const endAt = term ? term.endAt : submittedAt(record) + SHORTEST;
  if (eventTime(record) < endAt) throw new Said("order.early", { ...named, term: shown(endAt) });
  if (!term) findings.say("order.termless", "", { record: record.seq });
}

/** Whether an announcement was offered to a server by then. */
function isReached(record, at) {
  return isOf("reached", record.event) && (eventTime(record) <= at || isOf("uncertain", record.event));
}

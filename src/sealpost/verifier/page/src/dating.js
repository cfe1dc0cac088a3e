// What each record claims of its time, against what is proven: not later than the earliest time token. As `dating.py`.
import { RULES, isOf } from "./tables.js";
import { eventTime, shown } from "./case.js";
import { isOwn, proven } from "./times.js";
import { Said } from "./report.js";
import { termOf } from "./terms.js";

const PROMISED = RULES.promisedSeconds * 1000;

/** Says dating, and keeps for the time line what it says. */
export async function check(found) {
  const { findings } = found;
  if (found.trust === null) {
    findings.say("dating.trust");
    return;
  }
  for (const record of found.records.values()) {
    if (record.value === null) continue;
    await findings.about("dating", record.name, { record: record.seq }, () => checkOne(found, record));
  }
}

function checkOne(found, record) {
  const claimed = eventTime(record);
  const token = proven(found, record);
  if (token === null || isOwn(found, token)) throw new Said("dating.none", { claimed: shown(claimed) });
  const isClose = token.at - token.accuracy <= claimed + PROMISED || followsFromTerm(found, record, claimed);
  found.dated.set(record.seq, { at: token.at, isClose });
  const named = { record: record.seq, claimed: shown(claimed), proven: shown(token.at) };
  found.findings.say(isClose ? "dating.ok" : "dating.late", record.name, named);
}

/** Whether it is the end of a term that was proven to be stated before. */
function followsFromTerm(found, record, claimed) {
  const term = isOf("expiry", record.event) ? termOf([...found.records.values()], record) : null;
  if (term === null || claimed !== term.endAt) return false;
  const token = proven(found, term.stated);
  return token !== null && !isOwn(found, token) && token.at <= claimed;
}

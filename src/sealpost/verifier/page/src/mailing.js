// The order of what was said of each mail: offered, then answered, then no more attempts. As `mailing.py`.
import { CLOCK, eventTime } from "./case.js";
import { Said, require } from "./report.js";
import { isObject } from "./json.js";
import { isOf } from "./tables.js";

/** Nothing is answered that was not offered, and nothing is tried again that was taken or refused. */
export function requireMails(records) {
  const mails = new Map();
  for (const record of records) {
    const cameBack = "bounce" in record.extension;
    const facts = record.extension[cameBack ? "bounce" : "smtp"] ?? Object.create(null);
    require(isObject(facts) && record.extension[cameBack ? "bounce" : "smtp"] !== null, "not an object");
    if (typeof facts.messageId !== "string" || !record.event) continue;
    if (!mails.has(facts.messageId)) mails.set(facts.messageId, { offered: [], isUncertain: false, attempt: 0, ended: null });
    const mail = mails.get(facts.messageId);
    const wasOffered = () => mail.isUncertain || mail.offered.some((one) => one <= eventTime(record) + CLOCK);
    if ((cameBack || isOf("taken", record.event)) && !wasOffered()) throw new Said("order.offered", { record: record.seq });
    if (!cameBack) goOn(mail, record, facts.attempt);
  }
}

function goOn(mail, record, attempt) {
  if (mail.ended !== null) throw new Said("order.ended", { record: record.seq, other: mail.ended.seq });
  if (Number.isInteger(attempt)) {
    if (attempt < mail.attempt) throw new Said("order.attempt", { record: record.seq });
    mail.attempt = attempt;
  }
  if (isOf("offered", record.event)) mail.offered.push(eventTime(record));
  mail.isUncertain ||= isOf("uncertain", record.event);
  if (isOf("taken", record.event) || isOf("failed", record.event)) mail.ended = record;
}

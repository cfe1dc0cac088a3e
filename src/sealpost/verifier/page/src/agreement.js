// Whether each record agrees with itself: event, reply, dialogue, envelope, reasons, acts. As `agreement.py`.
import { CLOCK, eventTime, instant, recordedAt, submittedAt } from "./case.js";
import { Said, require } from "./report.js";
import { asText, beginning, isTrue } from "./values.js";
import { octetsOfText, readDialogue } from "./dialogue.js";
import { RULES } from "./tables.js";
import { isObject } from "./json.js";
import { latin1 } from "./octets.js";

const LONGEST_DOMAIN = 255;
const AGREEMENT = RULES.agreement;
const PATH = /^(?:MAIL FROM|RCPT TO):<([^>]*)>(?: [\s\S]*)?$/i;
const CODE = /^[245]\.[0-9]{1,3}\.[0-9]{1,3}$/;
const ENHANCED = /^[0-9]{3}[ -]([245]\.[0-9]{1,3}\.[0-9]{1,3})(?![0-9.])/;

/** Says agreement of every record whose event is known. */
export async function check(found) {
  const { findings } = found;
  for (const record of found.records.values()) {
    if (record.value === null || !record.event) continue; // said by the check of the form
    await findings.about("agreement", record.name, { record: record.seq }, async () => {
      requireReasons(record);
      requireAct(record);
      requireReport(record);
      await requireMail(found, record);
      findings.say("agreement.ok", record.name, { record: record.seq });
    });
  }
}

function objectOf(value) {
  require(isObject(value), "not an object");
  return value;
}

/** An object of the extension, or null. */
const memberOf = (record, name) => (name in record.extension ? objectOf(record.extension[name]) : null);
const textOf = (members, name) => (typeof members?.[name] === "string" ? members[name] : "");
const isOld = (record) => AGREEMENT.oldForms.includes(record.extension.suite);
const isPositive = (value) => Number.isInteger(value) && value >= 1;
const isAmong = (table, event) => table.includes(event);
const listOf = (table, event) => (Object.hasOwn(table, event) ? table[event] : []);

function arrayOf(value) {
  require(Array.isArray(value), "not a list");
  return value;
}

function refuseIf(truth, code, values = {}) {
  if (!truth) return;
  const texts = Object.entries(values).map(([name, value]) => [name, beginning(asText(value), 200)]);
  throw new Said(`agreement.${code}`, Object.fromEntries(texts));
}

/** Octets for people. */
const shownText = (octets) => new TextDecoder().decode(Uint8Array.from(octets, (one) => one.charCodeAt(0)));

// Reasons

/** A refusal, a failure and an expiry have their reason, nothing else has one. */
function requireReasons(record) {
  const { event } = record;
  const told = reasonsOf(record);
  const failed = isAmong(AGREEMENT.failures, event);
  refuseIf(failed && !told.some((one) => AGREEMENT.classes.includes(one)), "reasonless", { event });
  const allowed = allowedOf(record);
  const wrong = told.filter((one) => !allowed.includes(one));
  refuseIf(wrong.length, "reason", { event, code: wrong.join(", ") });
  const [needed] = listOf(AGREEMENT.reasons, event);
  refuseIf(needed && !told.includes(needed), "reasonless", { event });
  const claimed = claimedClass(record);
  refuseIf(failed && claimed && !told.includes(claimed), "reason", { event, code: told.join(", ") });
}

const claimedClass = (record) => textOf(memberOf(record, "bounce") ?? memberOf(record, "smtp"), "class");

/** Why it failed, for the time line: a class of the rules; empty where nothing failed, or none can be read. */
export function classOfFailure(record) {
  try {
    const [named] = [...reasonsOf(record).filter((one) => AGREEMENT.classes.includes(one)), claimedClass(record)];
    return AGREEMENT.failures.includes(record.event) && AGREEMENT.classes.includes(named) ? named : "";
  } catch {
    return "";
  }
}

/** Codes without the issuer's address; of an old record without the purpose that stands first. */
function reasonsOf(record) {
  if (!("EventReasons" in record.value)) return [];
  const given = arrayOf(objectOf(record.value.EventReasons).EventReason);
  const codes = given.map((one) => {
    const code = objectOf(one).Code;
    require(code !== undefined, "no code");
    return asText(code).slice(asText(code).lastIndexOf("#") + 1);
  });
  const isPurpose = isOld(record) && codes.length && listOf(AGREEMENT.about, record.event).includes(codes[0]);
  return isPurpose ? codes.slice(1) : codes;
}

function allowedOf(record) {
  const { event } = record;
  const classes = isAmong(AGREEMENT.failures, event) ? AGREEMENT.classes : [];
  const old = isOld(record) ? listOf(AGREEMENT.oldReasons, event) : [];
  return [...listOf(AGREEMENT.reasons, event), ...classes, ...old];
}

// Acts on pages, mails that came back

function requireAct(record) {
  const act = AGREEMENT.acts[record.event];
  const web = memberOf(record, "web");
  if (!act || (web === null && isOld(record))) return;
  refuseIf(textOf(web, "act") !== act, "act", { event: record.event, act: textOf(web, "act") || "-" });
}

function requireReport(record) {
  const { event } = record;
  const bounce = memberOf(record, "bounce");
  const rule = AGREEMENT.bounces[event];
  refuseIf(isAmong(AGREEMENT.reports, event) && bounce === null, "unanswered", { event });
  if (bounce === null) return;
  const [action, status] = [textOf(bounce, "action"), textOf(bounce, "status")];
  refuseIf(!rule || (action && action !== rule.action), "report", { event, action });
  refuseIf(status && !rule.status.includes(status[0]), "report", { event, action: status });
  refuseIf(!isPositive(bounce.attempt), "attempt", { attempt: bounce.attempt });
  requirePurpose(record, bounce.attempt);
}

/** What the record says of the mail that is meant, in the newer form. */
function requirePurpose(record, attempt) {
  const mail = memberOf(record, "mail");
  if (mail === null) return;
  const purpose = textOf(mail, "purpose");
  const known = listOf(AGREEMENT.about, record.event).includes(purpose);
  refuseIf(!known, "purpose", { event: record.event, purpose });
  refuseIf(mail.attempt !== attempt, "attempt", { attempt: mail.attempt });
}

// The attempt at a mail

async function requireMail(found, record) {
  const { event, value } = record;
  const smtp = memberOf(record, "smtp");
  const wanted = isAmong(AGREEMENT.forwarded, event) ? textOf(smtp, "host") : "";
  const forwarded = textOf(value, "ForwardedToExternalSystem");
  refuseIf(forwarded !== wanted, "forwarded", { forwarded: forwarded || "-", host: wanted || "-" });
  const isAnswered = smtp !== null && isTrue(smtp) && octetsOfText(smtp, "final") !== "";
  refuseIf(isAmong(AGREEMENT.answered, event) && !isAnswered, "unanswered", { event });
  if (smtp === null) return;
  refuseIf(!isPositive(smtp.attempt), "attempt", { attempt: smtp.attempt });
  requireEarlier(smtp, eventTime(record));
  requirePurpose(record, smtp.attempt);
  requireRecipient(value, smtp);
  requireHost(smtp);
  requireDialogues(record, smtp);
  requireAnswer(found, record, smtp);
  await requireHeader(found, record, smtp);
}

function requireEarlier(smtp, at) {
  for (const one of arrayOf(smtp.earlier ?? [])) {
    const number = objectOf(one).attempt;
    refuseIf(!isPositive(number) || number >= smtp.attempt, "attempt", { attempt: number });
    refuseIf(instant(one.at) > at + CLOCK, "time", { time: one.at, line: number });
  }
}

/** The envelope has the recipient's address as servers want it: the domain in small letters and A-labels. */
function requireRecipient(value, smtp) {
  const person = objectOf(arrayOf(value.RecipientDetails)[value.EvidenceRefersToRecipient - 1]);
  const [given, to] = [textOf(objectOf(person.Identifier), "value"), textOf(smtp, "rcptTo")];
  const fits = writtenForms(given).some((one) => writtenForms(to).includes(one));
  refuseIf(!fits, "recipient", { recipient: given, envelope: to });
}

/** How servers may be given an address: NFC before the `@`, small letters and A-labels behind it; see `agreement.py`. */
function writtenForms(address) {
  const at = address.lastIndexOf("@");
  const [local, domain] = [address.slice(0, Math.max(at, 0)), address.slice(at + 1)];
  if ([...domain].length > LONGEST_DOMAIN) return [];
  const isAscii = /^[\x00-\x7f]*$/.test(domain);
  const forms = isAscii ? [domain.toLowerCase()] : [domain, idna2003(domain)].map(asciiDomain).filter(Boolean);
  return forms.map((one) => `${local.normalize("NFC")}@${one}`);
}

/** What IDNA 2003 writes in another way than UTS 46. */
const idna2003 = (domain) => domain.replace(/[\u200c\u200d]/g, "").replace(/[ßẞ]/g, "ss").replace(/ς/g, "σ");

function asciiDomain(domain) {
  return !/[\s/?#@:\\%[\]]/.test(domain) && URL.canParse(`http://${domain}`) ? new URL(`http://${domain}`).hostname : "";
}

const nameOf = (value) => (typeof value === "string" ? value.toLowerCase().replace(/\.+$/, "") : "");

/** The server is not ourselves, and one that the domain names, where the mail went there directly. */
function requireHost(smtp) {
  const host = nameOf(smtp.host);
  if (smtp.by === "relay" || !host) return;
  refuseIf(host === nameOf(smtp.ourName), "host", { host });
  if (!("mx" in smtp)) return;
  const mx = objectOf(smtp.mx);
  const to = textOf(smtp, "rcptTo");
  refuseIf(nameOf(mx.domain) !== nameOf(to.slice(to.lastIndexOf("@") + 1)), "mx", { host: mx.domain });
  const named = arrayOf(mx.hosts ?? []).map((one) => nameOf(objectOf(one).host));
  refuseIf(!named.includes(host), "mx", { host });
}

// What was said

function transcriptsOf(record) {
  if (!("TransactionLogInformation" in record.value)) return [];
  const given = arrayOf(objectOf(record.value.TransactionLogInformation).TransactionLog);
  return given.map((one) => readDialogue(arrayOf(objectOf(one).lines ?? [])));
}

/** Every dialogue is with this recipient, and within the life of the mail. */
function requireDialogues(record, smtp) {
  const to = octetsOfText(smtp, "rcptTo");
  const latest = recordedAt(record) + CLOCK;
  const submitted = submittedAt(record) - CLOCK;
  for (const dialogue of transcriptsOf(record)) {
    for (const { line, verb, at } of dialogue.commands) {
      const isOther = verb === "RCPT" && PATH.exec(line)?.[1] !== to;
      refuseIf(isOther, "rcpt", { line: shownText(line), envelope: shownText(to) });
      const isLate = instant(at) > latest || (["MAIL", "RCPT", "."].includes(verb) && instant(at) < submitted);
      refuseIf(isLate, "time", { time: at, line: shownText(line) });
    }
    for (const { at, lines } of dialogue.replies) {
      refuseIf(instant(at) > latest, "time", { time: at, line: shownText(lines.at(-1)) });
    }
  }
}

/** The reply that is claimed decided, and is what the event says. */
function requireAnswer(found, record, smtp) {
  const { event } = record;
  const final = octetsOfText(smtp, "final");
  const last = transcriptsOf(record).at(-1);
  if (!final) {
    const answers = last && last.size !== null ? last.deciding.filter((one) => one.code[0] !== "3") : [];
    // Half a line, within which the connection ended, was not marked as one in old records.
    const [claimed] = isOld(record) ? answers.filter((one) => one.index < last.length - 1) : answers;
    refuseIf(claimed, "final", { final: "-", said: claimed && shownText(claimed.lines.at(-1)) });
    return;
  }
  if (!last || !(last.commands.length || last.replies.length)) throw new Said("agreement.dialogue");
  const reply = decidingOf(record, final, last);
  requireCode(event, reply);
  const times = last.replies.filter((one) => one.lines.at(-1) === reply.lines.at(-1)).map((one) => one.at);
  const claimed = record.value.EventTime;
  refuseIf(!times.includes(claimed), "moment", { time: reply.at, claimed });
  requireEnvelope(smtp, last, event);
  requireEncryption(smtp, last, event);
  requireClass(found, record, smtp, reply);
}

const isLong = (reply) => reply.lines.reduce((sum, line) => sum + line.length + 1, 0) > AGREEMENT.longestReply;

/** The reply that is claimed: the whole of it, in old records its last line; of one that is too long, its end. */
function decidingOf(record, final, last) {
  const said = last.deciding;
  const fits = (one) => {
    const whole = one.lines.join("\n");
    const isEnd = (isLong(one) || last.isCut) && endsAlike(one.lines, final.split("\n"));
    return whole === final || (isOld(record) && one.lines.at(-1) === final) || isEnd;
  };
  const reply = said.find(fits);
  const names = { final: shownText(final.split("\n").at(-1)), said: shownText(said[0]?.lines.at(-1) ?? "-") };
  refuseIf(!reply, "final", names);
  return reply;
}

function endsAlike(one, other) {
  const shared = Math.min(one.length, other.length);
  return one.slice(-shared).join("\n") === other.slice(-shared).join("\n");
}

/** A 2xx to the final dot for a success; for what failed no reply that is a good one to its command. */
function requireCode(event, { code, command }) {
  const wanted = AGREEMENT.answers[event] ?? "";
  const good = command === "DATA" ? "3" : "2";
  const fits =
    wanted === "2"
      ? code[0] === "2" && command === "."
      : wanted.includes(code[0]) || (wanted === "45" && code[0] !== good && command !== ".");
  refuseIf(!fits, "code", { event, code });
}

function requireEnvelope(smtp, last, event) {
  const sender = octetsOfText(smtp, "mailFrom");
  const { size } = objectOf(smtp.sent);
  const paths = last.said("MAIL").map((one) => PATH.exec(one.line)?.[1]);
  refuseIf(paths.some((one) => one !== sender), "sender", { envelope: shownText(sender) });
  refuseIf(last.size !== null && last.size !== size, "size", { size: last.size, sent: size });
  const isOpen = !paths.length || !last.said("RCPT").length;
  const isAnswered = isAmong(AGREEMENT.answered, event) && !last.isCut;
  refuseIf(isAnswered && isOpen, "rcpt", { line: "-", envelope: textOf(smtp, "rcptTo") });
  for (const { line } of [...last.said("EHLO"), ...last.said("HELO")]) {
    refuseIf(line.slice(5) !== octetsOfText(smtp, "ourName"), "name", { line: shownText(line) });
  }
}

function requireEncryption(smtp, last, event) {
  const isAnswered = isAmong(AGREEMENT.answered, event);
  const policy = objectOf("policy" in smtp ? smtp.policy : Object.create(null));
  const hasTls = isTrue(smtp.tls ?? null);
  const differs = !last.isCut && last.begun >= 0 && last.isEncrypted !== null && hasTls !== last.isEncrypted;
  refuseIf(differs && (hasTls || isAnswered), "tls");
  const demanded =
    policy.demanded === true ||
    policy.type === "demanded" ||
    (policy.type === "dane" && policy.mode !== "unusable") ||
    (policy.type === "mta-sts" && policy.mode === "enforce");
  refuseIf(isAnswered && demanded && !hasTls, "tls");
}

function requireClass(found, record, smtp, reply) {
  const { enhanced = null } = smtp;
  const named = textOf(smtp, "class");
  const shown = reply.lines.map((line) => ENHANCED.exec(line)?.[1]);
  refuseIf(enhanced !== null && !shown.includes(enhanced) && !isLong(reply), "enhanced", { enhanced });
  if (fitsClass(named, reply, enhanced)) return;
  refuseIf(!isOld(record), "class", { code: reply.code, named });
  found.findings.remark("remark.class", { record: record.seq, code: reply.code, named: beginning(named, 60) });
}

function fitsClass(named, { code, command }, enhanced) {
  // No refusal: taken, or an answer out of place.
  if ("23".includes(code[0])) return named === (code[0] === "2" && command === "." ? "accepted" : "other");
  if (named === "greylisted") return code[0] === "4";
  if (typeof enhanced !== "string" || !CODE.test(enhanced)) return named !== "accepted";
  const [, subject, detail] = enhanced.split(".");
  const table = AGREEMENT.classesOfEnhanced;
  return (table[`${subject}.${detail}`] ?? table[subject] ?? table["0"]).includes(named);
}

// The mail itself, where the bundle holds it

/** The mail that this record sent has its Message-ID, and is to its recipient. */
async function requireHeader(found, record, smtp) {
  for (const [about, match] of found.named("mail")) {
    if (Number(match[1]) !== record.seq) continue;
    const [header] = latin1(await found.members.read(about)).split("\r\n\r\n", 1);
    const fields = header.replace(/\r\n[ \t]/g, " ").split("\r\n").map((one) => [one.split(":", 1)[0], one]);
    const values = (name) => fields.filter(([field]) => field.toLowerCase() === name).map(([field, one]) => one.slice(field.length + 1));
    const ids = values("message-id").map((one) => one.trim());
    const isRight = ids.length === 1 && ids[0] === octetsOfText(smtp, "messageId");
    refuseIf(!isRight, "header", { about, field: "Message-ID" });
    const to = values("to");
    refuseIf(to.length !== 1 || !to[0].includes(octetsOfText(smtp, "rcptTo")), "header", { about, field: "To" });
  }
}

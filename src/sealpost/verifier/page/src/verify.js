// Verifies one bundle: every check, in an order in which each finds what it needs. The page's entry point.
//
// As `verify.py`, without the copy of a log. Whatever a file holds, the answer is a report; a file that is no bundle at all
// is an answer with exit 3. A trust folder that cannot be used is told, and all that needs none is checked.
import { Findings, Said, Unusable, finished, reasonsOf, require } from "./report.js";
import { MEMBERS, NOT_PROVEN, PASS, WORDS, said, shownIn } from "./tables.js";
import { BadZip } from "./zip.js";
import { asText, beginning, either } from "./values.js";
import { isObject } from "./json.js";
import { eventLabel, member, opened, shown } from "./case.js";
import { Unfit, chooseTrust } from "./trust.js";
import * as adoption from "./adoption.js";
import * as agreement from "./agreement.js";
import * as chain from "./chain.js";
import * as circumstances from "./circumstances.js";
import * as container from "./container.js";
import * as dating from "./dating.js";
import * as earlier from "./earlier.js";
import * as fingerprints from "./fingerprints.js";
import * as logged from "./logged.js";
import * as order from "./order.js";
import * as pdf from "./pdf.js";
import * as seals from "./seals.js";
import * as signer from "./signer.js";
import * as structure from "./structure.js";
import * as times from "./times.js";
import * as tls from "./tls.js";

const CHECKS = [
  [structure.check, "structure"],
  [chain.check, "chain"],
  [logged.check, "inclusion"],
  [times.check, "time"],
  [seals.check, "seal"],
  [fingerprints.checkContents, "content"],
  [fingerprints.checkMails, "mail"],
  [tls.check, "tls"],
  [adoption.check, "chain"],
  [agreement.check, "agreement"],
  [order.check, "order"],
  [dating.check, "dating"],
  [circumstances.checkEnvironment, "environment"],
  [circumstances.checkClock, "clock"],
  [container.check, "container"],
  [pdf.check, "pdf"],
  [signer.check, "signer"],
  [order.checkClosed, "order"],
];

/**
 * Verifies a bundle.
 *
 * `bundle`: octets of the file. `trust`: octets by path in what was chosen as trust folder, an `Unfit`, or null. `receipts`: `{name, octets}` of
 * what was given out before. `language`: of the report's words. Gives the report as the command's `--json` does.
 */
export async function verify({ bundle, trust = null, receipts = [], language = "en" }) {
  try {
    return await report(bundle, await chooseTrust(trust), receipts, language);
  } catch (error) {
    return unable(error, language);
  }
}

/** The answer where nothing was verified: one sentence, and nothing of a report. */
export function unable(error, language) {
  const fault = { reason: "a fault of the verifier itself: nothing is said of the file" };
  const values = error instanceof Unusable ? error.values : fault;
  const empty = finished(new Findings(), [], {}, language);
  return { ...empty, exit: 3, values, reason: shownIn(language, values).reason, words: said("result.3", language, values) };
}

async function report(bundle, trust, receipts, language) {
  const isUnfit = trust instanceof Unfit;
  const chosen = isUnfit ? null : trust;
  let found;
  try {
    found = await examined(bundle, chosen);
  } catch (error) {
    if (!(error instanceof BadZip)) throw error;
    const findings = new Findings();
    findings.say("container.zip", "", reasonsOf(error));
    return worded(finished(findings, [], {}, language), language);
  }
  const { findings } = found;
  sayTrust(found);
  if (isUnfit) findings.say(trust.why, "", trust.values);
  await earlier.check(found, receipts, (octets) => examined(octets, chosen));
  if (found.members.has(MEMBERS.certificate)) findings.head("head.prose");
  findings.remark("remark.read");
  return worded(finished(findings, timeLineOf(found), partiesOf(found), language, asOf(found)), language);
}

/** A bundle after every check that needs nothing but itself and the trust folder. */
async function examined(bundle, trust) {
  const findings = new Findings();
  const found = await opened(bundle, trust, findings);
  await findings.about("container", "", {}, () => requireWhole(found.members));
  for (const [check, name] of CHECKS) await findings.about(name, "", {}, () => check(found));
  return found;
}

const worded = (made, language) => ({ ...made, words: WORDS[`result.${made.exit}`][language] });

/** Which folder is believed, for a person to compare; the bundle's own is of its time, and says nothing by itself. */
function sayTrust({ findings, trust, own }) {
  if (trust === null) return;
  findings.head("head.trust", { fingerprint: trust.fingerprint });
  if (own && own.fingerprint !== trust.fingerprint) {
    findings.remark("remark.other_trust", { fingerprint: own.fingerprint });
  }
}

/** Every member unpacks to what its header says. */
async function requireWhole(members) {
  try {
    for (const name of members.names) await members.octets(name);
  } catch (error) {
    throw error instanceof BadZip ? new Said("container.zip", reasonsOf(error)) : error;
  }
}

function timeLineOf(found) {
  const records = [...found.records.values()].filter((one) => one.value !== null);
  return records.map((one) => momentOf(one, found.dated.get(one.seq) ?? { at: null, isClose: false }));
}

function momentOf(record, { at, isClose }) {
  const [smtp, web] = [record.extension.smtp, record.extension.web].map((one) => (isObject(one) ? one : {}));
  const said = "bounce" in record.extension ? "bounce" : smtp.by === "relay" ? "relay" : signOf(record);
  const claimed = beginning(asText(record.value.EventTime), 40);
  const signs = Array.isArray(web.automation) ? web.automation.slice(0, 20) : [];
  return {
    at: claimed,
    claimed,
    provenNotLaterThan: at === null ? null : shown(at),
    verdict: isClose ? PASS : NOT_PROVEN,
    record: record.seq,
    event: record.event || eventLabel(record.value.ERDSEventId),
    by: `event.${record.event}.${said}` in WORDS ? said : "",
    automation: signs.map((one) => beginning(asText(one), 60)),
    reason: agreement.classOfFailure(record),
    line: asText(either(either(smtp.final, smtp.finalB64), "")),
    ...signedOf(record),
  };
}

/** The time of the bundle's own token, or null; nothing in it shows what came afterwards. */
function asOf(found) {
  const token = found.closed.get(MEMBERS.signature);
  return token ? shown(token.at) : null;
}

/** What a record says of the signatures on a returned mail. */
function signedOf(record) {
  const { bounce } = record.extension;
  const found = isObject(bounce) && isObject(bounce.authenticated) ? bounce.authenticated : {};
  if (!Object.keys(found).length) return {};
  const ones = (Array.isArray(found.signatures) ? found.signatures : []).filter(isObject);
  const valid = ones.filter((one) => one.result === "pass" && (one.mechanism === "dkim" || one.mechanism === "arc"));
  const named = valid.filter((one) => typeof one.domain === "string");
  const by = named.map((one) => `${one.domain} (${one.mechanism.toUpperCase()})`);
  if (found.result === "pass" && by.length) return { authenticated: { result: "pass", by } };
  const result = found.result === "none" || found.result === "temperror" ? found.result : "other";
  return { authenticated: { result, by: [] } };
}

/** Whether an act on a page bears signs of a program. */
function signOf(record) {
  const signs = isObject(record.extension.web) ? record.extension.web.automation : null;
  return Array.isArray(signs) && signs.length ? "program" : "";
}

/** Reference, sender and recipient, as the first record has them; empty where none can be read. */
function partiesOf(found) {
  const first = [...found.records.values()].find((one) => one.value !== null)?.value;
  try {
    const { MessageIdentifier: reference, SenderDetails: sender, RecipientDetails: recipients } = first;
    require(reference !== undefined && Array.isArray(recipients), "no parties");
    return { reference: asText(reference), sender: personOf(sender), recipient: recipients.map(personOf).join(", ") };
  } catch {
    return {};
  }
}

function personOf(details) {
  const address = asText(member(member(details, "Identifier"), "value"));
  if (!("Identity" in details)) return address;
  const [name] = details.Identity.Attribute[0].AttributeValue;
  require(name !== undefined, "no name");
  return `${asText(name)} <${address}>`;
}

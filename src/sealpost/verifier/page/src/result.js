// The result for people: one sentence, who and when, the time line, every claim under its check, remarks. Prints well.
import { CHECKS, FAIL, NOT_PROVEN, PASS, WORDS } from "./tables.js";
import { element, icon, isolated, sentence, words } from "./dom.js";
import { worst } from "./report.js";

const KIND = { [PASS]: "pass", [FAIL]: "fail", [NOT_PROVEN]: "open" };
const OVERALL = [PASS, FAIL, NOT_PROVEN, FAIL];

/** The sentence of the result, for the eye and for a screen reader. */
export function banner(report, language, withTrust) {
  const verdict = OVERALL[report.exit];
  const told = sentence(`result.${report.exit}`, language, report.values ?? {});
  const count = (one) => report.claims.filter((claim) => claim.verdict === one).length;
  const counts = { PASS: count(PASS), FAIL: count(FAIL), OPEN: count(NOT_PROVEN) };
  return element(
    "div",
    { class: `banner ${KIND[verdict]}` },
    element("span", { class: "mark" }, icon(verdict)),
    element(
      "div",
      {},
      element("h2", { id: "outcome" }, told),
      report.claims.length ? element("p", { class: "counts" }, words("counts", language, counts)) : null,
      withTrust || !report.claims.length ? null : element("p", { class: "counts" }, words("no_trust", language)),
    ),
  );
}

/** Everything below the sentence. */
export function details(report, facts, language) {
  if (!report.claims.length) return [factsOf(report, facts, language)];
  const groups = CHECKS.map((check) => group(report, check, language, facts.trust > 0));
  return [
    factsOf(report, facts, language),
    ...heads(report, language),
    element("h2", {}, words("checks", language)),
    element("div", { class: "checks" }, groups),
    ...remarks(report, language),
    ...timeLine(report, language),
  ];
}

/** What must not be overlooked: a trust folder that counts for nothing, evidence that counts for nothing but tests. */
export function notices(report, language) {
  const unfit = report.claims.filter((one) => one.check === "trust");
  const found = [...unfit, ...report.claims.filter((one) => one.why === "environment.test")];
  return found.map((one) => element("p", { class: "notice" }, sentence(one.why, language, one.values)));
}

function factsOf(report, facts, language) {
  const heads = ["reference", "sender", "recipient"].filter((name) => report[name]);
  const rows = heads.map((name) => [WORDS[`head.${name}`][language], isolated(report[name])]);
  const file = element("span", {}, isolated(facts.name), ` (${words("octets", language, { count: facts.size.toLocaleString(language) })})`);
  rows.push([words("file", language), file]);
  rows.push([words("fingerprint", language), element("code", {}, facts.fingerprint)]);
  rows.push([words("trust", language), facts.trust ? words("files", language, { count: facts.trust }) : words("none", language)]);
  const format = new Intl.DateTimeFormat(language, { dateStyle: "long", timeStyle: "long" });
  rows.push([words("checked_at", language), format.format(facts.at)]);
  rows.push([words("page", language), element("code", {}, facts.page)]);
  const row = ([term, said]) => element("div", {}, element("dt", {}, term), element("dd", {}, said));
  return element("dl", { class: "facts" }, rows.map(row));
}

/** What whoever reads the verdict must know before it. */
function heads(report, language) {
  return report.heads.map((one) => element("p", { class: "head" }, sentence(one.why, language, one.values)));
}

function timeLine(report, language) {
  if (!report.timeLine.length) return [];
  const head = (name) => element("th", { scope: "col" }, words(name, language));
  const times = ["claimed", "proven"].map((name) => element("th", { scope: "col" }, WORDS[`head.${name}`][language]));
  return [
    element("h2", { id: "time-line" }, WORDS["head.time_line"][language]),
    report.exit === 1 ? element("p", { class: "warning" }, icon(FAIL), WORDS["head.unproven"][language]) : null,
    element(
      "table",
      { "aria-labelledby": "time-line" },
      element("thead", {}, element("tr", {}, times, ["event", "line"].map(head))),
      element("tbody", {}, report.timeLine.map((one) => moment(one, language))),
    ),
  ].filter(Boolean);
}

function moment({ claimed, provenNotLaterThan, verdict, record, event, by, automation, reason, line, authenticated }, language) {
  const name = by ? `event.${event}.${by}` : `event.${event}`;
  const told = name in WORDS ? WORDS[name][language] : sentence("event.unknown", language, { event });
  const signs = automation.length && by !== "program" ? sentence("event.automation", language, { signs: automation.join(", ") }) : null;
  return element(
    "tr",
    {},
    element("td", { class: "at" }, plainTime(claimed)),
    element("td", { class: "at proven" }, badge(verdict, language), " ", provenNotLaterThan ? plainTime(provenNotLaterThan) : "–"),
    element("td", {}, told, signs, reason ? WORDS[`reason.${reason}`][language] : null, " ", element("span", { class: "number" }, `(${record})`), signed(authenticated, language)),
    element("td", { class: line ? "line" : "line none" }, line ? line.split("\n").map(saidLine) : "–"),
  );
}

/** What the record says of a returned mail's signatures. */
function signed(authenticated, language) {
  if (!authenticated) return null;
  return element("div", {}, sentence(`signed.${authenticated.result}`, language, { by: authenticated.by.join(", ") }));
}

const plainTime = (written) => isolated(written.replace("T", " ").replace("Z", ""));

const saidLine = (said) => element("div", {}, element("code", {}, isolated(said)));

function badge(verdict, language) {
  return element("span", { class: `badge ${KIND[verdict]}` }, icon(verdict), WORDS[`verdict.${verdict}`][language]);
}

/** A check with its claims; open where something is wrong, or not proven for another reason than a missing trust folder. */
function group(report, check, language, withTrust) {
  const claims = report.claims.filter((one) => one.check === check);
  if (!claims.length) return null;
  const verdict = worst(claims);
  return element(
    "details",
    { open: verdict === FAIL || (verdict === NOT_PROVEN && withTrust) },
    element(
      "summary",
      {},
      element("span", { class: "name" }, WORDS[`check.${check}`][language]),
      element("span", { class: "number" }, `${claims.length} ×`),
      badge(verdict, language),
    ),
    element("ul", {}, claims.map((one) => claim(one, language))),
  );
}

function claim(one, language) {
  const about = one.about ? element("code", { class: "about" }, isolated(one.about)) : null;
  return element("li", {}, badge(one.verdict, language), element("div", {}, sentence(one.why, language, one.values), about));
}

function remarks(report, language) {
  if (!report.remarks.length) return [];
  const list = report.remarks.map((one) => element("li", {}, sentence(one.why, language, one.values)));
  return [element("h2", {}, WORDS["head.remarks"][language]), element("ul", { class: "remarks" }, list)];
}

// The two tables that command and page share, put in when the page is built: sentences and rules. For every check.
import RULES from "../../rules.json";
import REASONS from "../../reasons.json";
import WORDS from "../../words.json";
import { asText } from "./values.js";

export { RULES, WORDS };
export const CHECKS = RULES.checks;
export const LANGUAGES = RULES.languages;
export const MEMBERS = RULES.members;
export const LIMITS = RULES.limits;
export const PASS = "PASS";
export const FAIL = "FAIL";
export const NOT_PROVEN = "NOT PROVEN";
export const VERDICTS = Object.fromEntries(
  Object.entries(RULES.verdicts).flatMap(([verdict, codes]) => codes.map((code) => [code, verdict])),
);
const ORDER = Object.fromEntries(Object.entries(RULES.order).map(([name, events]) => [name, new Set(events)]));
const OTHER_REASON = "it is not in the prescribed form"; // of whatever a library complains of in words of its own
const TRANSLATED = ["cause", "reason"]; // a cause stands in its reason
const UNSEEN = new RegExp(`[${RULES.shownByNumber.split(" ").map(spanOf).join("")}]`, "gu");

function spanOf(written) {
  const [first, last = first] = written.split("-");
  return `\\u{${first}}-\\u{${last}}`;
}

/** Whether an event is of a group of the order rules. */
export const isOf = (group, event) => ORDER[group].has(event);

/** A value as text for people: control, direction and invisible characters are shown by their number, as \u27e8U+202E\u27e9. */
export const safe = (value) => asText(value).replace(UNSEEN, numberOf);

const numberOf = (one) => `\u27e8U+${one.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}\u27e9`;

/** The sentence of a code, its {named} values filled in. */
export function said(code, language, values = {}) {
  return filledIn(WORDS[code][language], shownIn(language, values));
}

const filledIn = (text, shown) => text.replace(/\{([A-Za-z_]+)\}/g, (_, name) => (Object.hasOwn(shown, name) ? shown[name] : "?"));

/** Values as people read them, reasons in their language. */
export function shownIn(language, values) {
  const shown = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, safe(value)]));
  for (const name of TRANSLATED.filter((one) => Object.hasOwn(values, one))) {
    const why = reason(values[name]);
    shown[name] = filledIn(language === "en" ? why : REASONS[why][language], shown);
  }
  return shown;
}

/** A reason in our own words: what the table does not have, a library's exception for one, is never repeated. */
export const reason = (why) => (Object.hasOwn(REASONS, why) ? why : OTHER_REASON);

/** The suite of a name, or null: evidence of an unknown suite is refused, never guessed at. */
export const suite = (name) => RULES.suites.find((one) => one.name === name) ?? null;

/** Whether a suite counts at a time (ms), by the day in UTC. */
export function covers(found, at) {
  const day = new Date(at).toISOString().slice(0, 10);
  return found.since <= day && day <= found.until;
}

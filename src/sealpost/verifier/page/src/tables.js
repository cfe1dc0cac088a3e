// The two tables that command and page share, put in when the page is built: sentences and rules. For every check.
import RULES from "../../rules.json";
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
const UNSAFE =
  /[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** Whether an event is of a group of the order rules. */
export const isOf = (group, event) => ORDER[group].has(event);

/** A value as text for people: no control or direction character. */
export const safe = (value) => asText(value).replace(UNSAFE, "\ufffd");

/** The sentence of a code, its {named} values filled in. */
export function said(code, language, values = {}) {
  return WORDS[code][language].replace(/\{([a-z_]+)\}/g, (_, name) => (name in values ? safe(values[name]) : "?"));
}

/** The suite of a name, or null: evidence of an unknown suite is refused, never guessed at. */
export const suite = (name) => RULES.suites.find((one) => one.name === name) ?? null;

/** Whether a suite counts at a time (ms), by the day in UTC. */
export function covers(found, at) {
  const day = new Date(at).toISOString().slice(0, 10);
  return found.since <= day && day <= found.until;
}

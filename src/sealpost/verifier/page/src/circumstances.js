// Under which circumstances records were made: environment, and the clock against a second source. As `circumstances.py`.
import { asText, beginning, isTrue } from "./values.js";
import { RULES } from "./tables.js";
import { Said } from "./report.js";
import { isObject } from "./json.js";

const LIMIT = RULES.tolerance.secondSourceMilliseconds;

/** Says environment. */
export function checkEnvironment(found) {
  return found.findings.about("environment", "", {}, () => {
    if ([...found.records.values()].some((one) => one.extension.environment === "test")) throw new Said("environment.test");
    found.findings.say("environment.ok");
  });
}

/** Says clock: once for each kind of doubt, with the records that it is about. */
export function checkClock(found) {
  const { findings } = found;
  return findings.about("clock", "", {}, () => {
    const doubts = new Map();
    const records = [...found.records.values()];
    for (const record of records) {
      for (const doubt of doubtsOf(record)) doubts.set(doubt, [...(doubts.get(doubt) ?? []), record.seq]);
    }
    for (const [doubt, numbers] of doubts) findings.say(doubt, "", { records: listed(numbers) });
    if (doubts.size) return;
    const sources = new Set(records.map((one) => beginning(asText(clockOf(one).source), 60)));
    findings.say("clock.ok", "", { sources: [...sources].toSorted().join(", ") });
  });
}

const clockOf = (record) => (isObject(record.extension.clock) ? record.extension.clock : Object.create(null));

function doubtsOf(record) {
  const { source = "none", offsetMs, demoShiftSeconds = null } = clockOf(record);
  const shifted = isTrue(demoShiftSeconds) ? ["clock.shifted"] : [];
  if (source === "none") return ["clock.none", ...shifted];
  if (!Number.isInteger(offsetMs)) return ["clock.silent", ...shifted];
  return Math.abs(offsetMs) > LIMIT ? ["clock.off", ...shifted] : shifted;
}

/** Numbers in short: `1-4, 7`. */
function listed(numbers) {
  const spans = [];
  for (const number of numbers) {
    if (spans.length && spans.at(-1)[1] === number - 1) spans.at(-1)[1] = number;
    else spans.push([number, number]);
  }
  return spans.map(([first, last]) => (last > first ? `${first}-${last}` : `${first}`)).join(", ");
}

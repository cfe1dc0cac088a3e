// What verification says: claims with a verdict, heads and remarks without, a time line. As `report.py`.
//
// A check never throws outward: it throws `Said` to end with a code, and whatever else it meets on hostile octets becomes
// `<check>.malformed`, which is a FAIL.
import { CHECKS, FAIL, NOT_PROVEN, PASS, VERDICTS, reason, said } from "./tables.js";

/** Nothing could be verified: no bundle at all, or a bad trust folder (exit 3). */
export class Unusable extends Error {
  name = "Unusable";

  /** `why` is a key of the reasons, `values` what it names. */
  constructor(why, values = {}) {
    super(why);
    this.values = { reason: why, ...values };
  }
}

/** A fault of the verifier itself (exit 3). */
class Fault extends Error {}

/** Ends a check with a code of the table, whatever its verdict. */
export class Said extends Error {
  constructor(code, values = {}) {
    super(code);
    this.code = code;
    this.values = values;
  }
}

/** Octets that are not what they must be; the sentence says why. */
export class Malformed extends Error {
  name = "Malformed";
}

export function require(truth, why) {
  if (!truth) throw new Malformed(why);
}

export class Findings {
  claims = [];
  heads = [];
  remarks = [];
  #known = new Set();

  /** Adds the claim of a code; its verdict stands in the table. */
  say(code, about = "", values = {}) {
    if (!(code in VERDICTS)) throw new Fault(code);
    if ("reason" in values) values = { ...values, reason: reason(values.reason) };
    const check = code.split(".")[0];
    this.claims.push({ check, about, verdict: VERDICTS[code], why: code, values: { about, ...values } });
  }

  /** Adds a line for the head, where nobody overlooks it: what the whole report is about, and is not. */
  head(code, values = {}) {
    this.heads.push({ why: code, values });
  }

  /** Adds a remark, once. */
  remark(code, values = {}) {
    const key = `${code} ${JSON.stringify(values)}`;
    if (!this.#known.has(key)) this.remarks.push({ why: code, values });
    this.#known.add(key);
  }

  /** Runs one check about one member: `Said` ends it with its code, any other exception with a FAIL. */
  async about(check, about, values, run) {
    try {
      return await run();
    } catch (error) {
      if (error instanceof Said) this.say(error.code, about, { ...values, ...error.values });
      else if (isFault(error)) throw error;
      else this.say(`${check}.malformed`, about, { ...values, ...reasonsOf(error) });
      return null;
    }
  }
}

/** What a sentence says of an exception: `reason` and what it names. */
export const reasonsOf = (error) => ({ ...error?.values, reason: reason(error?.message) });

/** Whether an exception is a fault of ours or of the machine: hostile octets raise none of these, and it is no verdict. */
export function isFault(error) {
  const ours = error instanceof Fault || [ReferenceError, Error].includes(error?.constructor) || !(error instanceof Error);
  const exhausted = error instanceof RangeError && /alloc|memory|call stack|(?:array|string) length/i.test(error.message);
  return ours || exhausted || error.name === "InternalError";
}

/** 0 all PASS, 1 any FAIL, 2 only PASS and NOT PROVEN; no claim at all is never 0. */
function exitOf(claims) {
  if (!claims.length || claims.some((one) => one.verdict === FAIL)) return 1;
  return claims.some((one) => one.verdict === NOT_PROVEN) ? 2 : 0;
}

/** The worst verdict of claims, or null where there are none. */
export function worst(claims) {
  return [FAIL, NOT_PROVEN, PASS].find((verdict) => claims.some((one) => one.verdict === verdict)) ?? null;
}

/** The report as the command's `--json` gives it, its claims in the order of the checks. */
export function finished(findings, timeLine, parties, language, stateAsOf = null) {
  const order = (one) => CHECKS.indexOf(one.check);
  const claims = findings.claims.toSorted((one, other) => order(one) - order(other));
  const worded = (one) => ({ ...one, words: said(one.why, language, one.values) });
  const checks = CHECKS.map((check) => [check, worst(claims.filter((one) => one.check === check))]);
  return {
    format: "sealpost-report/1",
    exit: exitOf(claims),
    stateAsOf,
    checks: Object.fromEntries(checks.filter(([, verdict]) => verdict)),
    claims: claims.map(worded),
    heads: findings.heads.map(worded),
    remarks: findings.remarks.map(worded),
    timeLine,
    ...parties,
  };
}

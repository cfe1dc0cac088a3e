// Whose logs and witnesses are trusted, and how many witnesses it takes (C2SP tlog-policy). As `domain/policy.py`.
import { Malformed, require } from "./report.js";
import { ED25519, ED25519_COSIGNATURE, MLDSA44_COSIGNATURE, readVerifierKey } from "./notes.js";
import { equal, utf8 } from "./octets.js";

const NONE = "none";
const LONGEST = 1_000_000;
const MOST = 256;
const KEY_OCTETS = { [ED25519]: 32, [ED25519_COSIGNATURE]: 32, [MLDSA44_COSIGNATURE]: 1312 };
const LOG_KINDS = [ED25519, MLDSA44_COSIGNATURE];
const WITNESS_KINDS = [ED25519_COSIGNATURE, MLDSA44_COSIGNATURE];
const REFUSED = /[\x00-\x08\x0b-\x1f\x7f]/;

class Policy {
  logs = [];
  witnesses = [];
  groups = [];
  quorum = null;
  #labels = new Set();
  #members = new Set();

  /** Whether the quorum is met by the witnesses of these labels. */
  isMet(labels) {
    if (this.quorum === NONE) return true;
    const met = new Set(this.witnesses.map((one) => one.label).filter((one) => labels.has(one)));
    for (const group of this.groups) {
      if (group.members.filter((one) => met.has(one)).length >= group.least) met.add(group.label);
    }
    return met.has(this.quorum);
  }

  async take(line) {
    require(!REFUSED.test(line), "a control character");
    const words = line.split(/[ \t]+/).filter(Boolean);
    if (!words.length || words[0].startsWith("#")) return;
    const full = this.logs.length + this.#labels.size >= MOST && words[0] !== "quorum";
    require(!full, "too many logs, witnesses and groups");
    const [kind, ...rest] = words;
    if (kind === "log" && [1, 2].includes(rest.length)) await this.#log(...rest);
    else if (kind === "witness" && [2, 3].includes(rest.length)) await this.#witness(...rest);
    else if (kind === "group" && rest.length >= 3) this.#group(...rest);
    else if (kind === "quorum" && rest.length === 1) this.#takeQuorum(rest[0]);
    else throw new Malformed("not a line of log, witness, group or quorum");
  }

  async #log(written) {
    const key = await keyOf(written, LOG_KINDS);
    require(!this.logs.some((one) => equal(one.key, key.key)), "a second log line with this public key");
    this.logs.push(key);
  }

  async #witness(label, written) {
    const key = await keyOf(written, WITNESS_KINDS);
    require(!this.witnesses.some((one) => equal(one.key, key.key)), "a second witness line with this public key");
    this.#define(label);
    this.witnesses.push({ label, ...key });
  }

  #group(label, least, ...members) {
    const counts = { any: 1, all: members.length };
    const count = Object.hasOwn(counts, least) ? counts[least] : /^[1-9][0-9]{0,3}$/.test(least) ? Number(least) : 0;
    require(1 <= count && count <= members.length, "a group needs any, all, or a number from 1 to that of its members");
    for (const member of members) {
      require(this.#labels.has(member), "a group member that no line before has defined");
      require(!this.#members.has(member), "a name that is a group member twice");
      this.#members.add(member);
    }
    this.#define(label);
    this.groups.push({ label, least: count, members });
  }

  #takeQuorum(label) {
    require(this.quorum === null, "a second quorum line");
    require(label === NONE || this.#labels.has(label), "a quorum that no line before has defined");
    this.quorum = label;
  }

  #define(label) {
    require(label !== NONE, "the name none is taken");
    require(!this.#labels.has(label), "a name that is defined twice");
    this.#labels.add(label);
  }
}

async function keyOf(written, kinds) {
  const [name, kind, key] = await readVerifierKey(written);
  const fits = kinds.includes(kind) && key.length === KEY_OCTETS[kind];
  require(fits, "a key of a type that cannot stand here, or of another length");
  require(utf8(name).length <= 255, "a key's name that no cosignature can hold");
  return { name, kind, key };
}

/** The policy that a text is. */
export async function readPolicy(text) {
  requirePolicy([...text].length <= LONGEST, "longer than a policy may be");
  requirePolicy(text.endsWith("\n"), "a policy is UTF-8 and ends with a newline");
  const policy = new Policy();
  for (const [at, line] of text.slice(0, -1).split("\n").entries()) {
    try {
      await policy.take(line);
    } catch (error) {
      if (error instanceof Malformed) error.line = at + 1;
      throw error;
    }
  }
  requirePolicy(policy.quorum !== null, "there is no quorum line");
  return policy;
}

/** Of the whole, which is line 0. */
function requirePolicy(truth, why) {
  if (!truth) throw Object.assign(new Malformed(why), { line: 0 });
}

/** Whether nothing in their names says that a witness and a log have the same operator; a rule of thumb, no proof. */
export function isIndependent(witnessName, logOrigin) {
  const [witness, log] = [hostOf(witnessName), hostOf(logOrigin)];
  if (!witness.length || !log.length || witness.join(".") === log.join(".")) return false;
  if (witness.length === 1 || log.length === 1) return true;
  return witness.slice(-2).join(".") !== log.slice(-2).join(".");
}

/** A host's labels; one only for an address and for this machine; none where there is no host. */
function hostOf(name) {
  const start = name.split("/")[0].toLowerCase();
  const found = start.startsWith("[") ? /^\[([^\]]*)\]?(.*)$/s.exec(start) : /^([^:]*)(.*)$/s.exec(start);
  if (!/^(?::[0-9]*)?$/.test(found[2])) return [];
  const host = found[1].replace(/\.$/, "");
  const address = addressOf(host);
  if (address !== null) return [address];
  const labels = host.split(".");
  if (!labels.every(Boolean)) return [];
  return labels.at(-1) === "localhost" ? ["localhost"] : labels;
}

/** The one way to write an address, `localhost` for this machine's own, or null where it is none. */
function addressOf(host) {
  const octet = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
  if (new RegExp(`^${octet}(?:\\.${octet}){3}$`).test(host)) return host.startsWith("127.") ? "localhost" : host;
  const [plain, zone, ...more] = host.split("%");
  if (!plain.includes(":") || zone === "" || more.length || !URL.canParse(`http://[${plain}]/`)) return null;
  const written = new URL(`http://[${plain}]/`).hostname;
  if (written === "[::1]") return "localhost";
  const mapped = /^\[::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(written);
  if (!mapped) return zone === undefined ? written : `${written}%${zone}`;
  const octets = mapped.slice(1).flatMap((one) => [parseInt(one, 16) >> 8, parseInt(one, 16) & 0xff]);
  return addressOf(octets.join("."));
}

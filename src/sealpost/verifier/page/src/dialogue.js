// An SMTP dialogue read back from a record's literal lines: what was asked, what was answered, which reply decided.
//
// As `dialogue.py`. Texts are octets here, one character each, since a line need not be UTF-8.
import { latin1, strictBase64, utf8 } from "./octets.js";
import { isObject } from "./json.js";
import { require } from "./report.js";

const REPLY = /^[2-5][0-9]{2}(?:[ -][\s\S]*)?$/;
const DOT = /^\(([0-9]{1,15}) octets, final dot\)$/;
const CUT = /^\([0-9]{1,9} lines before are left out\)$/;
const CUT_SHORT = "(the line before is not whole)";
const CREDENTIALS = "(credentials)";
const verbOf = (line) => line.split(" ")[0].toUpperCase();

/** The lines of one host in one attempt; see `dialogue.py`. */
class Dialogue {
  commands = [];
  replies = [];
  begun = -1;
  size = null;
  isCut = false;
  length = 0;

  /** The replies after which we said no more than goodbye; to the final dot the first one. */
  get deciding() {
    const places = (goodbye) => this.commands.filter((one) => (one.verb === "QUIT") === goodbye).map((one) => one.index);
    const last = Math.max(-1, ...places(false));
    const end = Math.min(Infinity, ...places(true));
    const found = this.replies.filter((one) => last < one.index && one.index < end);
    return this.size === null ? found : found.slice(0, 1);
  }

  /** Commands of the last connection. */
  said(verb) {
    return this.commands.filter((one) => one.verb === verb && one.index > this.begun);
  }

  /** Whether STARTTLS was taken on the last connection; null: the lines do not tell, see `dialogue.py`. */
  get isEncrypted() {
    const taken = this.replies.filter((one) => one.command === "STARTTLS" && one.code === "220" && one.index > this.begun);
    if (!taken.length) return false;
    const later = this.replies.filter((one) => one.command === "EHLO" && one.index > taken.at(-1).index);
    const isOffered = later.some(({ lines }) => lines.some((line) => line.slice(4).trim().toUpperCase() === "STARTTLS"));
    return isOffered ? null : true;
  }
}

/** A literal text as octets, from `name` or `nameB64`; empty where there is neither. */
export function octetsOfText(members, name) {
  if (name in members) {
    require(typeof members[name] === "string", `${name} is no text`);
    return latin1(utf8(members[name]));
  }
  return `${name}B64` in members ? latin1(strictBase64(members[`${name}B64`])) : "";
}

/** Reads the lines of a transcript. */
export function readDialogue(lines) {
  const found = new Dialogue();
  found.length = lines.length;
  let [waiting, said] = [[], []];
  for (const [index, one] of lines.entries()) {
    require(isObject(one) && ["c", "s"].includes(one.by) && typeof one.at === "string", "a line without who and when");
    const [text, at] = [octetsOfText(one, "line"), one.at];
    if (one.by === "c") {
      if (text === CUT_SHORT) {
        said = [];
        found.replies = found.replies.filter((reply) => reply.index !== index - 1);
      }
      takeCommand(found, waiting, text, index, at);
      continue;
    }
    said = REPLY.test(text) && (!said.length || said[0].slice(0, 3) === text.slice(0, 3)) ? [...said, text] : [];
    if (!said.length || said.at(-1)[3] === "-") continue;
    let command = "";
    if (said[0].startsWith("220") && waiting[0] !== "STARTTLS") {
      found.begun = index;
      found.size = null; // what was sent on another connection before
      waiting = [];
    } else command = waiting.shift() ?? "";
    found.replies.push({ lines: said, index, at, command, code: said[0].slice(0, 3) });
    said = [];
  }
  return found;
}

function takeCommand(found, waiting, text, index, at) {
  if (CUT.test(text)) found.isCut = true;
  const dot = DOT.exec(text);
  if (dot) found.size = Number(dot[1]);
  const line = dot ? "." : text;
  if (line.startsWith("(") && line !== CREDENTIALS) return; // a remark of ours
  found.commands.push({ line, index, at, verb: verbOf(line) });
  waiting.push(verbOf(line));
}

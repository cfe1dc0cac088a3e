// Certificates that mail servers showed, against the hashes in the records (evidence format, sections 1 and 5).
//
// As `tls.py`. They are facts, never anchors; records of before chains were kept name only the server's own.
import { Said, require } from "./report.js";
import { MEMBERS } from "./tables.js";
import { digestOf } from "./structure.js";
import { hex } from "./octets.js";
import { isObject } from "./json.js";

/** Says tls: of every record with a chain, and every file that is not what its name or the records say. */
export async function check(found) {
  const { findings, members } = found;
  const kept = new Map(found.named("tls").map(([name, match]) => [match[1], name]));
  const wrong = [];
  for (const [one, name] of kept) if (hex(await members.sha256(name)) !== one) wrong.push(one);
  const named = new Set();
  for (const record of found.records.values()) {
    await findings.about("tls", record.name, { record: record.seq }, () => {
      const chain = chainOf(record);
      chain.forEach((one) => named.add(one));
      if (!chain.every((one) => kept.has(one) && !wrong.includes(one))) throw new Said("tls.absent");
      if (chain.length > 0) findings.say("tls.ok", record.name, { record: record.seq });
    });
  }
  const fitting = new Set([...named].map((one) => kept.get(one)));
  for (const name of members.names) {
    if (name.startsWith(MEMBERS.tlsFolder) && !fitting.has(name)) findings.say("tls.unknown", name);
  }
  for (const one of wrong.toSorted()) findings.say("tls.hash", kept.get(one));
}

/** The hashes in hexadecimal, the server's own first; none where the record names no chain. */
function chainOf(record) {
  const { smtp } = record.extension;
  const tls = isObject(smtp) && isObject(smtp.tls) ? smtp.tls : {};
  if (!("chain" in tls)) return [];
  const hashes = (Array.isArray(tls.chain) ? tls.chain : []).map(digestOf);
  require(hashes.length > 0 && !hashes.includes(null), "no list of hashes");
  const own = digestOf(tls.certificate);
  if (own === null || hex(own) !== hex(hashes[0])) throw new Said("tls.leaf");
  return hashes.map(hex);
}

// Records that an upgrade adopted: those of a release that neither sealed nor logged. A later record names them. As `adoption.py`.
import { Said, require } from "./report.js";
import { digestOf } from "./structure.js";
import { equal, sha256 } from "./octets.js";
import { isObject } from "./json.js";

const ADOPTED = "adopted";

/** Says of each record that was adopted that nothing proves it before; of a record that names others, that it is wrong. */
export async function check(found) {
  const { findings } = found;
  for (const record of found.records.values()) {
    if (record.event !== ADOPTED) continue;
    await findings.about("chain", record.name, { record: record.seq }, async () => {
      const time = record.value.EventTime;
      for (const seq of await namedBy(found, record)) {
        const { name } = found.records.get(seq);
        findings.say("time.adopted", name, { about: name, record: seq, time });
      }
    });
  }
}

/** The numbers of all records that were adopted. */
export async function adopted(found) {
  const all = new Set();
  for (const record of found.records.values()) {
    if (record.event !== ADOPTED) continue;
    const named = await namedBy(found, record).catch(() => []);
    for (const seq of named) all.add(seq);
  }
  return all;
}

/** The numbers that a record names: of records before it, which are as it says. */
async function namedBy(found, record) {
  const named = record.extension[ADOPTED]?.records;
  require(Array.isArray(named) && named.every(isObject), "an adoption of another form");
  for (const one of named) {
    const other = Number.isInteger(one.seq) && one.seq < record.seq ? found.records.get(one.seq) : undefined;
    const digest = digestOf(one);
    if (!other || digest === null || !equal(await sha256(other.octets), digest)) {
      throw new Said("chain.adopted", { record: record.seq });
    }
  }
  return named.map((one) => one.seq);
}

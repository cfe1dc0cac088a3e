"""Certificates that mail servers showed, against the hashes in the records (evidence format, sections 1 and 5).

They are facts, never anchors: nothing is trusted because of them, what stands in them is not read, and that a server
showed them is the service's word. Records of before chains were kept name only the server's own, and are passed over.
"""

from __future__ import annotations

from typing import Any, cast

from sealpost.verifier.case import Case, Record
from sealpost.verifier.report import Said
from sealpost.verifier.structure import digest_of
from sealpost.verifier.tables import MEMBERS


def check(case: Case) -> None:
    """Says tls: of every record with a chain, and every file that is not what its name or the records say."""
    findings, members = case.findings, case.members
    kept = {found[1]: name for name, found in case.named("tls")}
    wrong = {one for one, name in kept.items() if members.sha256(name).hex() != one}
    named = set[str]()
    for record in case.records.values():
        with findings.about("tls", record.name, record=record.seq):
            chain = _chain(record)
            named.update(chain)
            if not kept.keys() - wrong >= set(chain):
                raise Said("tls.absent")
            if chain:
                findings.say("tls.ok", record.name, record=record.seq)
    fitting = {kept[one] for one in kept.keys() & named}
    for name in members.names:
        if name.startswith(MEMBERS["tlsFolder"]) and name not in fitting:
            findings.say("tls.unknown", name)
    for one in sorted(wrong):
        findings.say("tls.hash", kept[one])


def _chain(record: Record) -> list[str]:
    """The hashes in hexadecimal, the server's own first; none where the record names no chain.

    Raises:
        Said: ``tls.leaf``.
        ValueError: it is no list of hashes.
    """
    tls = _object(_object(record.extension.get("smtp")).get("tls"))
    if "chain" not in tls:
        return []
    found = cast("list[Any]", tls["chain"]) if isinstance(tls["chain"], list) else []
    hashes = [digest for one in found if (digest := digest_of(one)) is not None]
    if not hashes or len(hashes) != len(found):
        raise ValueError("no list of hashes")
    if digest_of(tls.get("certificate")) != hashes[0]:
        raise Said("tls.leaf")
    return [one.hex() for one in hashes]


def _object(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}

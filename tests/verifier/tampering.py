"""Bundles made wrong, as (name, make): every one must FAIL with the trust folder, and never be all right without it.

For the command's tests and for the page's: ``cases(world, plan, good)`` is the table, in a fixed order.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import struct
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from sealpost.domain.canonical import instant
from sealpost.domain.note import read, written
from sealpost.domain.seals import protected_header, signing_input
from sealpost.domain.seals import written as written_seal
from sealpost.seal import jades
from sealpost.seal.bundle import names
from sealpost.seal.bundle.bundle import SealedRecord, StampedCheckpoint
from sealpost.seal.bundle.cms import detached
from sealpost.seal.bundle.manifest import Listed, manifest
from tests.verifier.lives import (
    LIFE,
    MAIL,
    NOTICE,
    START,
    Entry,
    Log,
    Plan,
    World,
    _stamper,
    bundled,
    certified,
    entries,
    logged,
    plan,
)

Members = list[tuple[str, bytes]]
Made = Callable[[], bytes]
Case = tuple[str, Made]
DAY = (2026, 3, 4, 12, 0, 0)
UNJUDGED = ("README.txt", "trust/", "META-INF/", "mimetype")  # nothing is claimed of these but what the container says


def members_of(octets: bytes) -> Members:
    with zipfile.ZipFile(io.BytesIO(octets)) as archive:
        return [(one.filename, archive.read(one)) for one in archive.infolist()]


def zipped(members: Members, *, packing: int = zipfile.ZIP_STORED, comment: bytes = b"") -> bytes:
    """As plain as ours, by another writer."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, octets in members:
            entry = zipfile.ZipInfo(name, DAY)
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_STORED if name == "mimetype" else packing
            archive.writestr(entry, octets)
        archive.comment = comment
    return made.getvalue()


def resealed(world: World, members: Members) -> bytes:
    """With a list and a seal made anew by the operator: what the inner checks alone must find."""
    plain = [(name, octets) for name, octets in members if not name.startswith("META-INF/")]
    listed = manifest([Listed(name, hashlib.sha256(octets).digest()) for name, octets in plain[1:]])
    seal = asyncio.run(detached(listed, world.pdf_seal, _stamper(world), START + timedelta(hours=3)))
    return zipped([*plain, (names.MANIFEST, listed), (names.SIGNATURE, seal)])


def replaced(members: Members, name: str, octets: bytes | None, *, as_name: str | None = None) -> Members:
    found = [(as_name or one if one == name else one, octets if one == name else old) for one, old in members]
    assert any(one == (as_name or name) for one, _ in found)
    return [(one, some) for one, some in found if some is not None]


def flipped(octets: bytes, place: int, bit: int) -> bytes:
    return octets[:place] + bytes([octets[place] ^ 1 << bit]) + octets[place + 1 :]


def places(length: int, count: int) -> list[int]:
    return sorted({min(length - 1, length * step // max(count - 1, 1)) for step in range(count)})


def cases(world: World, what: Plan, good: bytes) -> Iterator[Case]:
    """All of them."""
    yield from flips(good)
    yield from resealed_flips(world, good)
    yield from header_flips(good)
    yield from zip_tricks(good)
    yield from container_tricks(world, good)
    yield from exchanged(world, what, good)
    yield from lives(world)


def flips(good: bytes) -> Iterator[Case]:
    """A bit of every member, the container as it was."""
    whole = members_of(good)
    for name, octets in whole:
        for place in places(len(octets), 60 if name.endswith("p7s") else 4):
            yield (
                f"flip {name} at {place}",
                lambda name=name, octets=octets, place=place: zipped(
                    replaced(whole, name, flipped(octets, place, place % 8))
                ),
            )


def resealed_flips(world: World, good: bytes) -> Iterator[Case]:
    """A bit of every member of which something is claimed, in a container that its operator sealed again."""
    whole = members_of(good)
    for name, octets in whole:
        if name.startswith(UNJUDGED):
            continue
        for place in places(len(octets), 5):
            yield (
                f"resealed flip {name} at {place}",
                lambda name=name, octets=octets, place=place: resealed(
                    world, replaced(whole, name, flipped(octets, place, (place + 3) % 8))
                ),
            )


def header_flips(good: bytes) -> Iterator[Case]:
    """A bit of every octet of a header, a directory entry and the end."""
    directory = struct.unpack("<L", good[-6:-2])[0]
    second = good.index(b"PK\x03\x04", 4)
    spans = {"first header": (4, 38), "second header": (second, second + 30), "directory": (directory, directory + 54)}
    spans["end"] = (len(good) - 22, len(good))
    for name, (begin, end) in spans.items():
        for place in range(begin, end):
            # By its place in the span, not in the file: two forms of a file's permissions are as good as each other.
            yield (
                f"zip {name} octet {place - begin}",
                lambda place=place, bit=(place - begin) % 8: flipped(good, place, bit),
            )


def zip_tricks(good: bytes) -> Iterator[Case]:
    """Ways to show one reader something else than another."""
    whole = members_of(good)
    plain = zipped(whole)
    name, octets = whole[3]
    yield "trailing octet", lambda: good + b"\0"
    yield "trailing archive", lambda: good + plain
    yield "comment", lambda: zipped(whole, comment=b"hello")
    yield "cut by one", lambda: good[:-1]
    yield "cut in half", lambda: good[: len(good) // 2]
    yield "a member twice", lambda: _twice(whole, name, octets)
    yield "a member in two cases", lambda: zipped([*whole, (name.upper(), octets)])
    yield "mimetype after another", lambda: b"PK\x03\x04" + good[4:30] + good[30:68] + good[69:]
    for odd in (
        "../evil",
        "/evil",
        "a//b",
        "a\\b",
        "C:evil",
        "records/../x",
        "records/./x",
        "x\ny",
        "records/",
        "é.txt",
    ):
        yield f"a member named {odd!r}", lambda odd=odd: zipped([*whole, (odd, b"")])
    for odd in (
        "records/0001.json",
        "records/000.json",
        "proofs/1.tlog-proof",
        "notes.txt",
        "META-INF/signature002.p7s",
    ):
        yield f"a second way to name: {odd}", lambda odd=odd: zipped([*whole, (odd, octets)])
    yield "octets between members", lambda: _gap(good)
    yield "encrypted flag", lambda: _flag(good, 0x0001)
    yield "a bomb", lambda: zipped([*whole, ("content/09-x", bytes(20_000_000))], packing=zipfile.ZIP_DEFLATED)
    yield "an extra field", lambda: _extra(whole)


def _twice(whole: Members, name: str, octets: bytes) -> bytes:
    stand_in = name[:-1] + "\x01"
    return zipped([*whole, (stand_in, octets)]).replace(stand_in.encode(), name.encode())


def _gap(good: bytes) -> bytes:
    (directory,) = struct.unpack("<L", good[-6:-2])
    return good[:directory] + b"hidden" + good[directory:-6] + struct.pack("<L", directory + 6) + good[-2:]


def _flag(good: bytes, flag: int) -> bytes:
    second = good.index(b"PK\x03\x04", 4)
    (directory,) = struct.unpack("<L", good[-6:-2])
    entry = good.index(b"PK\x01\x02", directory + 4)
    made = bytearray(good)
    made[second + 6] |= flag
    made[entry + 8] |= flag
    return bytes(made)


def _extra(whole: Members) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, octets in whole:
            entry = zipfile.ZipInfo(name, DAY)
            entry.external_attr = 0o100644 << 16
            entry.extra = b"" if name == "mimetype" else b"\xfe\xca\x02\x00hi"
            archive.writestr(entry, octets)
    return made.getvalue()


def container_tricks(world: World, good: bytes) -> Iterator[Case]:
    """The list of contents and its seal."""
    whole = members_of(good)
    inside = dict(whole)
    listed, seal = inside[names.MANIFEST], inside[names.SIGNATURE]
    for name in (names.MANIFEST, names.SIGNATURE, names.CERTIFICATE):
        yield f"without {name}", lambda name=name: zipped(replaced(whole, name, None))
    yield "without README.txt", lambda: zipped(replaced(whole, "README.txt", None))
    yield "empty p7s", lambda: zipped(replaced(whole, names.SIGNATURE, b""))
    yield "octet after p7s", lambda: zipped(replaced(whole, names.SIGNATURE, seal + b"\0"))
    yield "p7s with an unused certificate", lambda: _p7s(whole, seal, _with_certificate(world))
    yield "p7s with the root", lambda: _p7s(whole, seal, _with_root(world))
    yield "p7s with an unsigned attribute", lambda: _p7s(whole, seal, _with_attribute)
    yield "p7s with two time tokens", lambda: _p7s(whole, seal, _with_two_tokens)
    yield "p7s with two signers", lambda: _p7s(whole, seal, _with_two_signers)
    yield "p7s with content", lambda: _p7s(whole, seal, _with_content(listed))
    yield "p7s with an empty content", lambda: _p7s(whole, seal, _with_content(b""))
    yield "p7s with a list of revoked", lambda: _p7s(whole, seal, _with_revoked(world))
    yield "p7s in BER", lambda: zipped(replaced(whole, names.SIGNATURE, b"\x30\x80" + _inner(seal) + b"\0\0"))
    yield "list with a line twice", lambda: _relisted(world, whole, _doubled)
    yield "list without a line", lambda: _relisted(world, whole, _less)
    yield (
        "list with another hash",
        lambda: _relisted(world, whole, lambda text: text.replace(b"xmlenc#sha256", b"xmldsig#sha1", 1)),
    )
    yield "list with a comment", lambda: _relisted(world, whole, lambda text: text + b"<!-- x -->")
    yield "list with a doctype", lambda: _relisted(world, whole, lambda text: text.replace(b"\n", b"<!DOCTYPE x>\n", 1))
    yield "sealed by the key of records", lambda: _p7s_by(world, whole, listed)
    yield "sealed over another list", lambda: zipped(replaced(whole, names.MANIFEST, _less(listed)))


Tree = list[Any]
"""A DER value: tag, then octets or the values inside."""


def _tree(octets: bytes) -> list[Tree]:
    found = list[Tree]()
    while octets:
        tag, length, head = octets[0], octets[1], 2
        if length >= 0x80:
            head += length & 0x7F
            length = int.from_bytes(octets[2:head])
        inner = octets[head : head + length]
        found.append([tag, _tree(inner) if tag & 0x20 else inner])
        octets = octets[head + length :]
    return found


def _der(tree: Tree) -> bytes:
    inner = b"".join(map(_der, tree[1])) if tree[0] & 0x20 else tree[1]
    size = len(inner)
    wide = size.to_bytes((size.bit_length() + 7) // 8 or 1)
    return bytes([tree[0], *([size] if size < 0x80 else [0x80 | len(wide), *wide])]) + inner


def _p7s(whole: Members, seal: bytes, change: Callable[[list[Tree]], Any]) -> bytes:
    (info,) = _tree(seal)
    change(info[1][1][1][0][1])  # of SignedData: version, hashes, content, certificates, signers
    return zipped(replaced(whole, names.SIGNATURE, _der(info)))


def _with_certificate(world: World) -> Callable[[list[Tree]], Any]:
    return lambda signed: signed[3][1].extend(_tree(world.record_seal.certificates[0]))


def _with_root(world: World) -> Callable[[list[Tree]], Any]:
    root = world.keys.certificates("root", 1)[0].public_bytes(Encoding.DER)
    return lambda signed: signed[3][1].extend(_tree(root))


def _with_attribute(signed: list[Tree]) -> None:
    signed[4][1][0][1][6][1].insert(0, [0x30, [[0x06, b"\x2a\x03\x04"], [0x31, [[0x04, b"x"]]]]])


def _with_two_tokens(signed: list[Tree]) -> None:
    values = signed[4][1][0][1][6][1][0][1][1][1]
    values.append(values[0])


def _with_two_signers(signed: list[Tree]) -> None:
    signed[4][1].append(signed[4][1][0])


def _with_content(listed: bytes) -> Callable[[list[Tree]], Any]:
    return lambda signed: signed[2][1].append([0xA0, [[0x04, listed]]])


def _with_revoked(world: World) -> Callable[[list[Tree]], Any]:
    found = _tree(world.trust_files()["revoked/root-1.crl"])
    return lambda signed: signed.insert(4, [0xA1, found])


def _inner(seal: bytes) -> bytes:
    return seal[2 + (seal[1] & 0x7F) :]


def _relisted(world: World, whole: Members, change: Callable[[bytes], bytes]) -> bytes:
    listed = change(dict(whole)[names.MANIFEST])
    seal = asyncio.run(detached(listed, world.pdf_seal, _stamper(world), START + timedelta(hours=3)))
    return zipped(replaced(replaced(whole, names.MANIFEST, listed), names.SIGNATURE, seal))


def _doubled(text: bytes) -> bytes:
    lines = text.splitlines(keepends=True)
    return b"".join([*lines[:4], lines[3], *lines[4:]])


def _less(text: bytes) -> bytes:
    lines = text.splitlines(keepends=True)
    return b"".join([*lines[:5], *lines[6:]])


def _p7s_by(world: World, whole: Members, listed: bytes) -> bytes:
    """The record key's certificate is for seals too; but it signs with its own key something it never saw."""
    seal = asyncio.run(detached(listed + b" ", world.record_seal, _stamper(world), START + timedelta(hours=3)))
    return zipped(replaced(whole, names.SIGNATURE, seal))


def exchanged(world: World, what: Plan, good: bytes) -> Iterator[Case]:
    """Genuine pieces in the wrong place; the container is sealed again."""
    whole = members_of(good)
    inside = dict(whole)

    def swap(first: str, second: str) -> bytes:
        return resealed(world, replaced(replaced(whole, first, inside[second]), second, inside[first]))

    for kind in ("records/{}.json", "records/{}.jades.json", "records/{}.salt", "proofs/{}.tlog-proof"):
        for first, second in (("001", "002"), ("003", "005"), ("007", "008")):
            one, other = kind.format(first), kind.format(second)
            yield f"swap {one} and {other}", lambda one=one, other=other: swap(one, other)
            yield (
                f"{one} also as {other}",
                lambda one=one, other=other: resealed(world, replaced(whole, other, inside[one])),
            )
    tokens = [name for name in inside if name.endswith(".tsr")]
    texts = [name for name in inside if name.startswith("checkpoints/") and name.endswith(".txt")]
    yield "swap time tokens", lambda: swap(*tokens)
    yield "swap checkpoints", lambda: swap(*texts)
    yield "swap contents", lambda: swap("content/01-message.txt", "content/02-notice.pdf")
    yield "token for another checkpoint", lambda: resealed(world, replaced(whole, tokens[0], inside[tokens[1]]))
    for seq in range(1, len(LIFE) + 1):
        yield f"drop record {seq}", lambda seq=seq: resealed(world, _dropped(whole, seq))
        yield f"drop and renumber {seq}", lambda seq=seq: resealed(world, _renumbered(whole, seq))
    for name in ("records/002.salt", "records/002.jades.json"):
        yield f"without {name}", lambda name=name: resealed(world, replaced(whole, name, None))
    yield "an unknown content", lambda: resealed(world, [*whole, ("content/03-more.pdf", NOTICE)])
    yield "a content twice", lambda: resealed(world, [*whole, ("content/02-other.pdf", NOTICE)])
    yield "an unknown mail", lambda: resealed(world, [*whole, ("mail/1-x.eml", MAIL)])
    yield "a changed mail", lambda: resealed(world, replaced(whole, "mail/2-announcement.eml", MAIL + b"!"))
    yield "a longer content", lambda: resealed(world, replaced(whole, "content/02-notice.pdf", NOTICE + b"\n"))
    yield "an unused checkpoint", lambda: resealed(world, [*whole, ("checkpoints/2026-3.txt", inside[texts[0]])])
    yield "an unused token", lambda: resealed(world, [*whole, ("checkpoints/2026-3.tsr", inside[tokens[0]])])
    yield (
        "octets after the PDF",
        lambda: resealed(world, replaced(whole, names.CERTIFICATE, inside[names.CERTIFICATE] + b"\n")),
    )
    yield (
        "an update of the PDF",
        lambda: resealed(world, replaced(whole, names.CERTIFICATE, _updated(inside[names.CERTIFICATE]))),
    )
    yield "another ticket's certificate", lambda: _other_certificate(world, what)
    yield "an unsealed PDF", lambda: resealed(world, replaced(whole, names.CERTIFICATE, b"%PDF-1.7\n%%EOF\n"))


def _dropped(whole: Members, seq: int) -> Members:
    """Without the files of a record; of the last one, whose proof binds nobody, the certificate still knows it."""
    gone = f"/{seq:03}."
    return [(name, octets) for name, octets in whole if gone not in name or not name.startswith(("records", "proofs"))]


def _renumbered(whole: Members, seq: int) -> Members:
    kept = _dropped(whole, seq)
    renamed = Members()
    for name, octets in kept:
        head, _, rest = name.partition("/")
        number = rest[:3]
        if head in {"records", "proofs"} and int(number) > seq:
            renamed.append((f"{head}/{int(number) - 1:03}{rest[3:]}", octets))
        else:
            renamed.append((name, octets))
    if seq == len(LIFE):  # nothing after it to be renumbered: the first takes its place
        return [(name.replace("/001.", f"/{seq:03}."), octets) for name, octets in renamed]
    return renamed


def _updated(pdf: bytes) -> bytes:
    end = pdf.rindex(b"startxref")
    return pdf + b"9999 0 obj\n(hidden)\nendobj\n" + pdf[end:]


def _other_certificate(world: World, what: Plan) -> bytes:
    other = plan(world, entries(world, token="K.Another"))
    return bundled(world, replace(what, certificate=certified(world, other.records)))


def lives(world: World) -> Iterator[Case]:
    """Sealed and logged by the operator itself, but telling what cannot be."""
    for name, kinds in UNORDERED.items():
        yield f"life: {name}", lambda kinds=kinds: bundled(world, _plan(world, entries(world, kinds)))
    for name, change in CHANGES.items():
        yield f"record: {name}", lambda change=change: _changed(world, change)
    yield "exchanged proofs of two tickets", lambda: _two_tickets(world)
    yield "a record of another ticket", lambda: _foreign_record(world)
    yield "salts used twice", lambda: _same_salts(world)
    yield (
        "written before the earlier one",
        lambda: _at(world, lambda seq: START + timedelta(minutes=10 * (seq if seq != 4 else 2))),
    )
    yield "logged in another order", lambda: _logged_reversed(world)
    yield "record: logged with the seal of another", lambda: _seal_of_another(world)
    yield "sealed before it was written", lambda: _sealed_at(world, -60)
    yield "sealed after its time token", lambda: _sealed_at(world, 3600)
    yield "time token older than the record", lambda: _token_at(world, -60)
    yield "checkpoint's token older than the record", lambda: _checkpoint_token(world, timedelta(hours=-3))
    yield "a token over something else", lambda: _checkpoint_token(world, timedelta(0), over=b"x")
    yield "a renewal over the text alone", lambda: _renewed(world, renewal=lambda text, _first: text)
    yield "a renewal older than what it renews", lambda: _renewed(world, at=START)
    yield "a renewal without the one before", lambda: _renewed(world, skipped=True)
    yield "a log that forked", lambda: _forked(world)
    yield "a checkpoint without ML-DSA", lambda: _lines(world, slice(0, 1))
    yield "a checkpoint without Ed25519", lambda: _lines(world, slice(1, 2))
    for days in (-200, 1200, 2000):  # before suite and certificate, after the certificate, after both
        yield (
            f"unlogged, {days} days off",
            lambda days=days: _at(world, lambda seq: START + timedelta(days=days, minutes=10 * seq)),
        )


UNORDERED: dict[str, Sequence[str]] = {
    "no submission": LIFE[1:],
    "two submissions": ("submitted", *LIFE),
    "submission not first": (LIFE[1], LIFE[0], *LIFE[2:]),
    "two acceptances": (*LIFE[:5], "accepted"),
    "accepted and refused": (*LIFE[:5], "refused"),
    "accepted and expired": (*LIFE[:5], "expired"),
    "accepted and withdrawn": (*LIFE[:5], "withdrawn"),
    "accepted before announced": ("submitted", "accepted"),
    "refused before announced": ("submitted", "refused", "announcement_accepted"),
    "content before acceptance": (*LIFE[:3], "content_delivered"),
    "content after refusal": (*LIFE[:3], "refused", "content_delivered"),
    "download after expiry": (*LIFE[:3], "expired", "content_downloaded"),
}


def _extension(value: dict[str, Any]) -> dict[str, Any]:
    return value["Extensions"][0]["sealpost/1"]


CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "an unknown event": lambda one: one.update(ERDSEventId="http://uri.etsi.org/19522/Event/Invented"),
    "an own event that is none": lambda one: one.update(ERDSEventId="https://sealpost.example/evidence/event#invented"),
    "another version": lambda one: one.update(version="EN319522v1.2.1"),
    "an identifier that is no UUIDv7": lambda one: one.update(EvidenceIdentifier="7f3a"),
    "local time": lambda one: one.update(EventTime="2026-03-04T09:10:00.120+01:00"),
    "time without milliseconds": lambda one: one.update(EventTime="2026-03-04T09:10:00Z"),
    "a day that is none": lambda one: one.update(EventTime="2026-02-30T09:10:00.000Z"),
    "event after its record": lambda one: one.update(EventTime="2026-03-04T23:10:00.120Z"),
    "event before submission": lambda one: one.update(EventTime="2026-03-04T08:10:00.120Z"),
    "recipient 2 of 1": lambda one: one.update(EvidenceRefersToRecipient=2),
    "recipient 0": lambda one: one.update(EvidenceRefersToRecipient=0),
    "no recipient": lambda one: one.update(RecipientDetails=[]),
    "another recipient": lambda one: one["RecipientDetails"][0]["Identifier"].update(value="charlie@example.com"),
    "another sender": lambda one: one["SenderDetails"]["Identifier"].update(value="charlie@example.com"),
    "another reference": lambda one: one.update(MessageIdentifier="K.Another"),
    "another part count": lambda one: one["UserContentInfo"].update(ComposingParts=3),
    "another fingerprint": lambda one: one["UserContentInfo"]["PartsInfo"]["PartInfo"][1].update(
        DigestValue="A" * 43 + "="
    ),
    "a fingerprint with stray bits": lambda one: one["UserContentInfo"]["PartsInfo"]["PartInfo"][1].update(
        DigestValue="A" * 42 + "B="
    ),
    "a fingerprint by SHA-1": lambda one: one["UserContentInfo"]["PartsInfo"]["PartInfo"][1]["DigestMethod"].update(
        Algorithm="http://www.w3.org/2000/09/xmldsig#sha1"
    ),
    "another size": lambda one: _extension(one)["parts"][0].update(size=1),
    "no parts": lambda one: _extension(one).update(parts=[]),
    "an unknown suite": lambda one: _extension(one).update(suite="1999-1"),
    "another number": lambda one: _extension(one).update(seq=9),
    "no previous record": lambda one: _extension(one).update(prev=None),
    "another previous record": lambda one: _extension(one)["prev"].update(DigestValue="A" * 43 + "="),
    "another environment": lambda one: _extension(one).update(environment="test"),
    "an unknown member": lambda one: one.update(Surprise=1),
    "a critical extension": lambda one: one["Extensions"].append({"isCritical": True, "x": 1}),
    "no issuer": lambda one: one.pop("EvidenceIssuerDetails"),
    "no extension": lambda one: one.pop("Extensions"),
    "a line that is not base64": lambda one: one.update(
        TransactionLogInformation={
            "TransactionLog": [{"type": "smtp", "lines": [{"by": "s", "at": one["EventTime"], "lineB64": "?"}]}]
        }
    ),
}


def _plan(world: World, made: Sequence[Entry], **options: Any) -> Plan:
    """With the certificate of a whole life: of records that tell nonsense, none can be made."""
    found = plan(world, made, **options)
    return replace(found, certificate=_certificate(world), mails=found.mails if len(made) > 2 else ())


_made: dict[int, bytes] = {}


def _certificate(world: World) -> bytes:
    if id(world) not in _made:
        _made[id(world)] = certified(world, plan(world).records)
    return _made[id(world)]


def _changed(world: World, change: Callable[[dict[str, Any]], Any]) -> bytes:
    def at_second(seq: int, value: dict[str, Any]) -> None:
        if seq == 2:
            change(value)

    return bundled(world, _plan(world, entries(world, change=at_second)))


def _at(world: World, at: Callable[[int], Any]) -> bytes:
    """At times for which the operator's software would not seal; its key does."""
    made = entries(world, change=_moved(at), stamped=False)
    sealed = [_sealed(world, one, at(seq)) for seq, one in enumerate(made, 1)]
    return bundled(world, replace(_plan(world, sealed, pending=len(made)), closed=START + timedelta(days=1)))


def _moved(at: Callable[[int], Any]) -> Callable[[int, dict[str, Any]], None]:
    def change(seq: int, value: dict[str, Any]) -> None:
        value["EventTime"] = instant(at(seq))
        value["SubmissionTime"] = instant(at(1))
        _extension(value)["recordedAt"] = instant(at(seq))

    return change


def _sealed(world: World, entry: Entry, at: Any) -> Entry:
    header = protected_header(at, world.record_seal.certificates)
    seal = written_seal(header, world.record_seal.sign(signing_input(header, entry.octets)))
    return Entry(entry.octets, seal, entry.salt, entry.recorded)


def _sealed_at(world: World, seconds: int) -> bytes:
    made = entries(world)
    made[2] = replace(_sealed(world, made[2], made[2].recorded + timedelta(seconds=seconds)), recorded=made[2].recorded)
    return bundled(world, _plan(world, made))


def _token_at(world: World, seconds: int) -> bytes:
    made = entries(world, stamped=False)
    entry = made[4]
    token = world.token(jades.imprint_octets(entry.seal), entry.recorded + timedelta(seconds=seconds))
    made[4] = replace(entry, seal=jades.with_timestamp(entry.seal, token))
    return bundled(world, _plan(world, made))


def _checkpoint_token(world: World, moved: timedelta, over: bytes | None = None) -> bytes:
    found = _plan(world, entries(world))
    first = found.checkpoints[0]
    token = world.stamp(over or first.text, START + timedelta(minutes=21) + moved)
    return bundled(world, replace(found, checkpoints=(replace(first, tokens=(token,)), *found.checkpoints[1:])))


def _renewed(
    world: World,
    *,
    renewal: Callable[[bytes, bytes], bytes] = lambda text, first: text + first,
    at: Any = START + timedelta(days=300),
    skipped: bool = False,
) -> bytes:
    found = _plan(world, entries(world))
    first = found.checkpoints[0]
    token = world.stamp(renewal(first.text, first.tokens[0]), at)
    tokens = (*first.tokens, token)
    made = bundled(world, replace(found, checkpoints=(replace(first, tokens=tokens), *found.checkpoints[1:])))
    if skipped:
        name = f"checkpoints/2026-{first.size}.2.tsr"
        return resealed(world, replaced(members_of(made), name, token, as_name=name.replace(".2.", ".3.")))
    return made


def _seal_of_another(world: World) -> bytes:
    """Sealed in the same second, so that only the signature tells."""
    made = entries(world)
    other = _sealed(world, made[0], made[2].recorded)
    return bundled(world, _plan(world, [*made[:2], replace(made[2], seal=other.seal), *made[3:]]))


def _same_salts(world: World) -> bytes:
    made = entries(world)
    return bundled(world, _plan(world, [replace(one, salt=made[0].salt) for one in made]))


def _two_tickets(world: World) -> bytes:
    one, other = entries(world), entries(world, token="K.Another")
    log = Log(world)
    first, checkpoints = logged(world, one, log=log)
    second, more = logged(world, other, log=log)
    mixed = [replace(a, proof=b.proof) for a, b in zip(first, second, strict=True)]
    base = _plan(world, one)
    return bundled(world, replace(base, records=tuple(mixed), checkpoints=(*checkpoints, *more)))


def _foreign_record(world: World) -> bytes:
    made, other = entries(world), entries(world, token="K.Another")
    return bundled(world, _plan(world, [*made[:7], other[7]]))


def _logged_reversed(world: World) -> bytes:
    base, made = _plan(world, entries(world)), entries(world)
    log = Log(world)
    places_of = {
        seq: log.add(jades.commitment(made[seq - 1].salt, made[seq - 1].octets, made[seq - 1].seal))
        for seq in range(len(LIFE), 0, -1)
    }
    size, at = len(LIFE), made[-1].recorded + timedelta(seconds=30)
    text = log.text(size, at)
    note = log.served(text, at)
    records = tuple(
        SealedRecord(seq, one.octets, one.seal, one.salt, log.proof(places_of[seq], size, note))
        for seq, one in enumerate(made, 1)
    )
    return bundled(
        world,
        replace(base, records=records, checkpoints=(StampedCheckpoint("2026", size, text, (world.stamp(text, at),)),)),
    )


def _forked(world: World) -> bytes:
    """Some records in one log, the others in its twin of the same size."""
    made = entries(world)
    base = _plan(world, made)
    first, checkpoints = logged(world, made, first=len(made))
    twin = Log(world)
    twin.add(b"t" * 32)
    places_of = [twin.add(jades.commitment(one.salt, one.octets, one.seal)) for one in made]
    twin.others(len_of(checkpoints[0]) - len(twin.leaves))
    size, at = len_of(checkpoints[0]), made[-1].recorded + timedelta(seconds=30)
    note = twin.served(twin.text(size, at), at)
    second = [replace(one, proof=twin.proof(places_of[one.seq - 1], size, note)) for one in first]
    return bundled(world, replace(base, records=(*first[:4], *second[4:]), checkpoints=tuple(checkpoints)))


def len_of(checkpoint: StampedCheckpoint) -> int:
    return checkpoint.size


def _lines(world: World, kept: slice) -> bytes:
    base = _plan(world, entries(world))
    first = base.checkpoints[0]
    note = read(first.text)
    text = written(note.text, note.signatures[kept])
    token = world.stamp(text, START + timedelta(minutes=21))
    return bundled(
        world, replace(base, checkpoints=(replace(first, text=text, tokens=(token,)), *base.checkpoints[1:]))
    )

"""What the checks share: a bundle's members by kind, its records as far as they can be read, what is known so far.

For every check. Nothing here is believed: a record that does not parse is None, and the check of its form says so.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509

from sealpost.domain.seals import NoSeal, Seal
from sealpost.domain.seals import read as read_seal
from sealpost.verifier.members import BadZip, Members
from sealpost.verifier.notes import Signed
from sealpost.verifier.report import Findings, Unusable
from sealpost.verifier.tables import MEMBERS, RULES
from sealpost.verifier.timestamps import StampedTime
from sealpost.verifier.trust import Trust, trust_of

_KINDS = {
    kind: re.compile(MEMBERS[kind], re.ASCII)
    for kind in ("record", "seal", "salt", "proof", "checkpoint", "token", "mail", "content", "trust", "tls")
}
_FIXED = frozenset({"mimetype", MEMBERS["readme"], *MEMBERS["needed"]})
_NUMBERED = frozenset({"record", "seal", "salt", "proof"})
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
_OWN = re.compile(r"https?://[^\s#]+/event#([a-z_]+)", re.ASCII)
_MOST_INTEGER = 2**53 - 1
CLOCK = timedelta(seconds=RULES["tolerance"]["clockSeconds"])
"""By how much clocks of several machines may differ."""


@dataclass(slots=True)
class Record:
    """A record and what stands beside it.

    Args:
        seq: from the member's name.
        octets: as they stand there.
        value: parsed, or None where that fails; then `fault` says why.
        seal: parsed, or None.
        own_time: of the seal's own time token, once checked.
        place: origin, index and size in the log, once proven.
        covered: name of the checkpoint whose token covers it.
    """

    seq: int
    name: str
    octets: bytes
    value: dict[str, Any] | None = None
    fault: str = ""
    seal_octets: bytes | None = None
    seal: Seal | None = None
    seal_fault: str = ""
    salt: bytes | None = None
    proof: bytes | None = None
    own_time: StampedTime | None = None
    place: tuple[str, int, int] | None = None
    covered: str = ""

    @property
    def extension(self) -> dict[str, Any]:
        """The member ``sealpost/1``; empty where there is none, and where it is no object: the form says so."""
        try:
            return an_object(self.value["Extensions"][0][RULES["extension"]]) if self.value else {}
        except (KeyError, IndexError, TypeError, ValueError):
            return {}

    @property
    def event(self) -> str:
        """ETSI's name of the event, or the kind of one of our own; empty where it is neither."""
        return event_name(self.value.get("ERDSEventId")) if self.value else ""


@dataclass(frozen=True, slots=True)
class Sealer:
    """Who made a seal that is right.

    Args:
        chain: leaf first, without the root.
        at: when it was there at the latest, by a token; None without one.
    """

    chain: tuple[x509.Certificate, ...]
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Dated:
    """What is proven of the time that a record claims.

    Args:
        at: not later than this, or None: nothing is proven.
        is_close: whether that fits what is claimed.
    """

    at: datetime | None
    is_close: bool


@dataclass(slots=True)
class Case:
    """One bundle while it is verified.

    Args:
        members: of the zip.
        trust: that somebody chose, or None.
        findings: so far.
        records: by number.
        signed: checkpoints by the name of their member (``checkpoints/2026-42.txt``), once read.
        times: of their tokens, once checked, by the same name.
        leaves: hashes of the log's entries by record, once computed.
        own: the bundle's own trust folder, which is no anchor.
        sealers: of the seals that are right, by the name of their member.
        closed: times of the seals of certificate and bundle, by member, once checked, in this order.
        dated: what is proven of each record's time, by number, once checked.
    """

    members: Members
    trust: Trust | None
    findings: Findings
    records: dict[int, Record] = field(default_factory=dict[int, Record])
    signed: dict[str, Signed] = field(default_factory=dict[str, Signed])
    times: dict[str, StampedTime] = field(default_factory=dict[str, StampedTime])
    leaves: dict[int, bytes] = field(default_factory=dict[int, bytes])
    own: Trust | None = None
    sealers: dict[str, Sealer] = field(default_factory=dict[str, Sealer])
    closed: dict[str, StampedTime] = field(default_factory=dict[str, StampedTime])
    dated: dict[int, Dated] = field(default_factory=dict[int, "Dated"])

    def named(self, kind: str) -> list[tuple[str, re.Match[str]]]:
        """The members of a kind, and what their names say; a number is written in one way only."""
        pattern = _KINDS[kind]
        found = [(name, match) for name in self.members.names if (match := pattern.fullmatch(name))]
        return [one for one in found if kind not in _NUMBERED or one[1][1] == f"{int(one[1][1]):03}" != "000"]

    def strangers(self) -> list[str]:
        """Members that no bundle has."""
        known = {name for kind in _KINDS for name, _ in self.named(kind)} | _FIXED
        return [name for name in self.members.names if name not in known]

    @property
    def judged_by(self) -> Trust | None:
        """The chosen trust, else the bundle's own, which shows consistency only."""
        return self.trust or self.own


def opened(members: Members, trust: Trust | None, findings: Findings) -> Case:
    """The case of a bundle, its records and what stands beside them read as far as possible."""
    case = Case(members, trust, findings)
    for name, found in case.named("record"):
        number = int(found[1])
        record = case.records[number] = Record(number, name, _octets(members, name) or b"")
        _parse(record)
    case.records = dict(sorted(case.records.items()))
    for kind in ("seal", "salt", "proof"):
        for name, found in case.named(kind):
            record = case.records.get(int(found[1]))
            if record is not None:
                _beside(record, kind, _octets(members, name))
    case.own = _own_trust(case)
    return case


def _own_trust(case: Case) -> Trust | None:
    found = {name.removeprefix("trust/"): _octets(case.members, name) or b"" for name, _ in case.named("trust")}
    try:
        return trust_of(found)
    except Unusable:
        return None


def _octets(members: Members, name: str) -> bytes | None:
    try:
        return members.read(name)
    except BadZip:
        return None


def _beside(record: Record, kind: str, octets: bytes | None) -> None:
    if kind == "salt":
        record.salt = octets
    elif kind == "proof":
        record.proof = octets if octets is not None else b""
    else:
        record.seal_octets = octets
        try:
            record.seal = read_seal(octets or b"")
        except NoSeal as error:
            record.seal_fault = str(error)


def _parse(record: Record) -> None:
    try:
        record.value = parsed(record.octets)
    except UnicodeDecodeError:
        record.fault = "not UTF-8"
    except json.JSONDecodeError:
        record.fault = "not JSON"
    except RecursionError:
        record.fault = "nested too deep"
    except ValueError as error:
        record.fault = str(error)


def parsed(octets: bytes) -> dict[str, Any]:
    """A record as a JSON object: no name twice, no float, no integer beyond 2^53 - 1.

    Raises:
        ValueError: it is none.
        RecursionError: it is nested too deep.
    """
    value = json.loads(
        octets.decode(), object_pairs_hook=_once, parse_float=_no_float, parse_constant=_no_float, parse_int=_bounded
    )
    return an_object(value)


def an_object(value: Any) -> dict[str, Any]:
    """A JSON object.

    Raises:
        ValueError, TypeError: another value.
    """
    if not isinstance(value, dict):
        raise TypeError("not an object") if value is None else ValueError("not an object")
    return value  # pyright: ignore[reportUnknownVariableType] - JSON; its names are texts


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member twice")
    return members


def _no_float(_text: str) -> float:
    raise ValueError("a number that is no integer")


def _bounded(text: str) -> int:
    if len(text) > 17 or abs(number := int(text)) > _MOST_INTEGER:
        raise ValueError("an integer beyond 2^53 - 1")
    return number


def event_name(uri: object) -> str:
    """ETSI's name of an event, or the kind of one of our own; empty where the URI is neither."""
    if not isinstance(uri, str):
        return ""
    if uri.startswith(RULES["eventPrefix"]):
        name = uri.removeprefix(RULES["eventPrefix"])
        return name if name in RULES["events"] else ""
    found = _OWN.fullmatch(uri)
    return found[1] if found and found[1] in RULES["ownEvents"] else ""


def event_label(uri: object) -> str:
    """An event for people, also one that is not known: its name, without what stands before it."""
    return event_name(uri) or re.split("[/#]", str(uri)[:300])[-1][:120] or str(uri)[:120]


def event_time(record: Record) -> datetime:
    """When a record says that it happened.

    Raises:
        ValueError: it is no time.
    """
    return instant((record.value or {}).get("EventTime"))


def submitted_at(record: Record) -> datetime:
    """When a record says that the message was submitted.

    Raises:
        ValueError: it is no time.
    """
    return instant((record.value or {}).get("SubmissionTime"))


def recorded_at(record: Record) -> datetime:
    """When a record says that it was written.

    Raises:
        ValueError: it is no time.
    """
    return instant(record.extension.get("recordedAt"))


def instant(text: object) -> datetime:
    """A time as records write it, aware.

    Raises:
        ValueError: written in another way.
    """
    if not isinstance(text, str) or not _INSTANT.fullmatch(text):
        raise ValueError("no time in UTC with milliseconds")
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)

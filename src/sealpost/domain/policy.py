"""Whose logs and witnesses are trusted, and how many witnesses it takes: one file (C2SP tlog-policy).

For the verifier, for the log's writer, which asks the witnesses, and for the trust folder. Pure. Reading is strict: a
policy that could be meant in two ways is refused, with the line and a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address

from sealpost.domain.note import ED25519, ED25519_COSIGNATURE, MLDSA44_COSIGNATURE, NoNote, read_verifier_key

NONE = "none"
LONGEST = 1_000_000  # octets; 32 logs and 32 witnesses with keys of ML-DSA-44 have 120,000
MOST = 256  # logs, witnesses and groups together may be as many; the specification asks for 32 of each
LONGEST_NAME = 255  # octets, of cosigner_name and log_origin in tlog-cosignature
KEY_OCTETS = {ED25519: 32, ED25519_COSIGNATURE: 32, MLDSA44_COSIGNATURE: 1312}
LOG_KINDS = frozenset({ED25519, MLDSA44_COSIGNATURE})
WITNESS_KINDS = frozenset({ED25519_COSIGNATURE, MLDSA44_COSIGNATURE})
_REFUSED = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
_SURROGATE = re.compile("[\ud800-\udfff]")  # what octets that are no UTF-8 become where a reader lets them pass
_SPACE = re.compile("[ \t]+")  # never `str.split()`, which knows Unicode's spaces: those are part of a name here
_COUNT = re.compile("[1-9][0-9]{0,3}")
_PORT = re.compile(r":[0-9]*")


class NoPolicy(ValueError):
    """A text that is no policy; the sentence says why and, where there is one, in which line (from 1)."""

    def __init__(self, why: str, line: int = 0) -> None:
        super().__init__(f"line {line}: {why}" if line else why)
        self.why, self.line = why, line


@dataclass(frozen=True, slots=True)
class LogKey:
    """One key of a log.

    Args:
        name: the log's origin.
        kind: type of its signatures, 0x01 or 0x06.
        key: raw, 32 or 1,312 octets.
        url: as the file has it; empty without one.
    """

    name: str
    kind: int
    key: bytes
    url: str


@dataclass(frozen=True, slots=True)
class Witness:
    """One key of a witness: a witness with two keys has two of these.

    Args:
        label: what groups and the quorum call it; means nothing outside of the file.
        name: the key's.
        kind: type of its signatures, 0x04 or 0x06.
        key: raw, 32 or 1,312 octets.
        url: its submission prefix as the file has it; empty without one.
    """

    label: str
    name: str
    kind: int
    key: bytes
    url: str


@dataclass(frozen=True, slots=True)
class Group:
    """Has seen a checkpoint when at least `least` of its members, witnesses or earlier groups, have."""

    label: str
    least: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """What a policy file says; `quorum` is the label of a witness or a group, or None for ``quorum none``."""

    logs: tuple[LogKey, ...]
    witnesses: tuple[Witness, ...]
    groups: tuple[Group, ...]
    quorum: str | None

    def is_met(self, labels: AbstractSet[str]) -> bool:
        """Whether the quorum is met.

        Args:
            labels: of the witnesses whose cosignatures are valid; what is no witness's label counts for nothing.
        """
        if self.quorum is None:
            return True
        met = {one.label for one in self.witnesses} & labels
        for group in self.groups:  # a group's members stand before it
            if sum(member in met for member in group.members) >= group.least:
                met.add(group.label)
        return self.quorum in met


def read_policy(text: str) -> Policy:
    """The policy that a text is.

    Args:
        text: of the file, decoded as UTF-8; labels are compared by code points, as the file's octets would be.

    Raises:
        NoPolicy: it is none.
    """
    if len(text) > LONGEST:
        raise NoPolicy("longer than a policy may be")
    if not text.endswith("\n") or _SURROGATE.search(text):
        raise NoPolicy("a policy is UTF-8 and ends with a newline")
    reading = _Reading()
    for number, line in enumerate(text[:-1].split("\n"), 1):
        try:
            reading.take(line)
        except (NoPolicy, NoNote) as error:
            raise NoPolicy(str(error), number) from None
    if reading.quorum is None:
        raise NoPolicy("there is no quorum line")
    quorum = None if reading.quorum == NONE else reading.quorum
    return Policy(tuple(reading.logs), tuple(reading.witnesses), tuple(reading.groups), quorum)


@dataclass(slots=True)
class _Reading:
    """What the lines so far have defined."""

    logs: list[LogKey] = field(default_factory=list[LogKey])
    witnesses: list[Witness] = field(default_factory=list[Witness])
    groups: list[Group] = field(default_factory=list[Group])
    labels: set[str] = field(default_factory=set[str])
    members: set[str] = field(default_factory=set[str])
    quorum: str | None = None

    def take(self, line: str) -> None:
        if _REFUSED.search(line):
            raise NoPolicy("a control character")
        words = [word for word in _SPACE.split(line) if word]
        if not words or words[0].startswith("#"):
            return
        if len(self.logs) + len(self.labels) >= MOST and words[0] != "quorum":
            raise NoPolicy("too many logs, witnesses and groups")
        match words:
            case ["log", key, *url] if len(url) <= 1:
                self._log(key, *url)
            case ["witness", label, key, *url] if len(url) <= 1:
                self._witness(label, key, *url)
            case ["group", label, least, *members] if members:
                self._group(label, least, members)
            case ["quorum", label]:
                self._quorum(label)
            case _:
                raise NoPolicy("not a line of log, witness, group or quorum")

    def _log(self, text: str, url: str = "") -> None:
        name, kind, key = _key(text, LOG_KINDS)
        if any(one.key == key for one in self.logs):
            raise NoPolicy("a second log line with this public key")
        self.logs.append(LogKey(name, kind, key, url))

    def _witness(self, label: str, text: str, url: str = "") -> None:
        name, kind, key = _key(text, WITNESS_KINDS)
        if any(one.key == key for one in self.witnesses):
            raise NoPolicy("a second witness line with this public key")
        self._define(label)
        self.witnesses.append(Witness(label, name, kind, key, url))

    def _group(self, label: str, least: str, members: list[str]) -> None:
        counts = {"any": 1, "all": len(members)}
        count = counts.get(least) or (int(least) if _COUNT.fullmatch(least) else 0)
        if not 1 <= count <= len(members):
            raise NoPolicy("a group needs any, all, or a number from 1 to that of its members")
        for member in members:
            if member not in self.labels:
                raise NoPolicy("a group member that no line before has defined")
            if member in self.members:
                raise NoPolicy("a name that is a group member twice")
            self.members.add(member)
        self._define(label)
        self.groups.append(Group(label, count, tuple(members)))

    def _quorum(self, label: str) -> None:
        if self.quorum is not None:
            raise NoPolicy("a second quorum line")
        if label != NONE and label not in self.labels:
            raise NoPolicy("a quorum that no line before has defined")
        self.quorum = label

    def _define(self, label: str) -> None:
        if label == NONE:
            raise NoPolicy("the name none is taken")
        if label in self.labels:
            raise NoPolicy("a name that is defined twice")
        self.labels.add(label)


def _key(text: str, kinds: frozenset[int]) -> tuple[str, int, bytes]:
    name, kind, key = read_verifier_key(text)
    if kind not in kinds or len(key) != KEY_OCTETS[kind]:
        raise NoPolicy("a key of a type that cannot stand here, or of another length")
    if len(name.encode()) > LONGEST_NAME:
        raise NoPolicy("a key's name that no cosignature can hold")
    return name, kind, key


def is_independent(witness_name: str, log_origin: str) -> bool:
    """Whether nothing in their names says that a witness and a log have the same operator.

    A rule of thumb, no proof: False for the same host, and where the hosts share a parent domain of two or more labels
    (``w.example.org`` and ``log.example.org``). So two customers under ``co.uk`` count as dependent, which errs on the
    safe side, while one operator with two domains is not found out. An address has no parent domain; all names of
    this machine itself (``localhost``, ``127.0.0.1``, ``[::1]``) are one host. Ports, case and a final dot mean nothing.

    Args:
        witness_name: a key's name, a URL without scheme.
        log_origin: likewise.
    """
    witness, log = _host(witness_name), _host(log_origin)
    return bool(witness and log) and witness[-2:] != log[-2:]


def _host(name: str) -> tuple[str, ...]:
    """A host's labels; one only for an address and for this machine; none where there is no host."""
    start = name.partition("/")[0].lower()
    if start.startswith("["):
        host, _, port = start[1:].partition("]")
    else:
        host, colon, port = start.partition(":")
        port = colon + port
    if port and not _PORT.fullmatch(port):
        return ()
    host = host.removesuffix(".")
    try:
        address = ip_address(host)
    except ValueError:
        labels = tuple(host.split("."))
        return () if not all(labels) else ("localhost",) if labels[-1] == "localhost" else labels
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return ("localhost",) if address.is_loopback else (str(address),)

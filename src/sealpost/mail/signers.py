"""Whose servers a mail that came back left: DKIM (RFC 6376, 8301, 8463) and ARC (RFC 8617).

For ``usecases/take_returned``. A valid signature of a domain says that these octets left a server that may sign for it,
and nothing about whether they say the truth. What comes in is anybody's, so all is bounded: signatures, keys, names that
are asked for, octets, and the time for the DNS, which only our resolver is asked.

Stricter than ``mail/dkim_verifier`` underneath: no signature may cover a part of the body only (l=), a tag stands once,
From is signed, and in ARC each set is complete and the newest one's seal and signature are of one domain. dkimpy finds a
set's number with a pattern of its own, and could be shown one signature's field for another's.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from sealpost.mail.dkim import is_signable
from sealpost.mail.dkim_keys import SELECTOR, Tags, read_key, read_tags
from sealpost.mail.dkim_verifier import Body, KeyRecord, Keys, Result, form_of, key_name, verify_arc, verify_dkim
from sealpost.mail.dns import Answer, Dns

MOST_SIGNATURES = 5
"""Signatures of DKIM that are looked at, from the top; a server adds one or two."""
MOST_SETS = 10
"""Sets of ARC: servers that passed the mail on."""
MOST_HEAD, MOST_FIELDS = 65_536, 500
MOST_SECONDS = 8.0
"""For all questions to the DNS together; the other server waits for an answer to its mail meanwhile."""
DKIM, SIGNATURE, SEAL = "dkim-signature", "arc-message-signature", "arc-seal"
_SETS = (SEAL, SIGNATURE, "arc-authentication-results")
_ALGORITHMS = {DKIM: ("rsa-sha256", "ed25519-sha256"), SIGNATURE: ("rsa-sha256",), SEAL: ("rsa-sha256",)}
_NEEDED = {
    DKIM: frozenset({"v", "a", "b", "bh", "d", "h", "s"}),
    SIGNATURE: frozenset({"i", "a", "b", "bh", "d", "h", "s"}),
    SEAL: frozenset({"i", "a", "b", "cv", "d", "s"}),
}
_NAME = re.compile(r"[!-9;-~]{1,76}")
_LIKE_ONE, _LOOKED_AT = re.compile(rb"(?im)^(?:dkim-signature|arc-seal)[ \t]*:"), 1_000_000
_INSTANCE = re.compile(r"[ \t]*i[ \t]*=[ \t]*([1-9][0-9]?)[ \t]*(?:;|\Z)")

Mechanism = Literal["dkim", "arc"]


@dataclass(frozen=True, slots=True)
class Signer:
    """One signature, or the newest set of an ARC chain.

    Args:
        domain: that it names; proven where the result is ``pass``.
        selector: which of its keys.
        fields: of the header that a valid one covers, in lower case.
        key: the TXT record that a valid one was checked with.
        secure: the DNS's answer was validated (DNSSEC).
    """

    mechanism: Mechanism
    domain: str
    selector: str
    result: Result
    fields: tuple[str, ...] = ()
    key: str = ""
    secure: bool = False


@dataclass(frozen=True, slots=True)
class Signers:
    """What was found in a mail; ``left_out`` signatures were not looked at."""

    found: tuple[Signer, ...] = ()
    left_out: int = 0

    @property
    def result(self) -> str:
        """The best of them; ``none`` where nothing is signed."""
        order: tuple[Result, ...] = ("pass", "temperror", "fail", "permerror", "policy")
        results = {one.result for one in self.found}
        return next((one for one in order if one in results), "policy" if self.left_out else "none")


@dataclass(frozen=True, slots=True)
class _Claim:
    """A field that claims a signature: which of its name, its tags, or what is wrong with it."""

    name: str
    place: int
    tags: Tags
    result: Result | None = None

    @property
    def domain(self) -> str:
        return self.tags.get("d", "").lower()


Fields = Sequence[tuple[str, str]]


async def find_signers(dns: Dns, octets: bytes) -> Signers:
    """Who signed a mail; never raises for anything that the mail or the DNS says.

    Args:
        dns: for the keys.
        octets: the mail as it came, with CRLF.
    """
    head, _, body = octets.partition(b"\r\n\r\n")
    fields = _fields(head + b"\r\n")
    if fields is None:
        return Signers(left_out=len(_LIKE_ONE.findall(head[:_LOOKED_AT])))
    claims, chain = _claims(fields, DKIM), _chain(fields)
    left_out = max(0, len(claims) - MOST_SIGNATURES)
    claims = claims[:MOST_SIGNATURES]
    if not claims and not chain:
        return Signers()
    wanted = {key_name(one.tags) for one in (*claims, *chain) if one.result is None}
    keys = await _fetched(dns, wanted)
    found = await asyncio.to_thread(_verified, head + b"\r\n\r\n", body, claims, chain, keys)
    return Signers(tuple(found), left_out)


def _fields(head: bytes) -> Fields | None:
    """Name in lower case and unfolded value of each field, or None: more than is looked at, or no header."""
    ends = head.count(b"\r\n")
    if len(head) > MOST_HEAD or head.count(b"\r") != ends or head.count(b"\n") != ends:
        return None
    lines = re.sub(rb"\r\n(?=[ \t])", b"", head).removesuffix(b"\r\n").split(b"\r\n")
    found = list[tuple[str, str]]()
    for line in lines[: MOST_FIELDS + 1]:
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or not _NAME.fullmatch(name):
            return None
        found.append((name.lower(), value))
    return found if len(found) <= MOST_FIELDS else None


def _claims(fields: Fields, name: str) -> list[_Claim]:
    """All fields of a name that claim a signature, in their order, as dkimpy counts them."""
    read = [read_tags(value) or {} for known, value in fields if known == name]
    return [_Claim(name, place, tags, _fault(name, tags)) for place, tags in enumerate(read)]


def _fault(name: str, tags: Tags) -> Result | None:
    """What is wrong with a signature before its key is asked for."""
    is_named = is_signable(tags.get("d", "").lower()) and SELECTOR.fullmatch(tags.get("s", ""))
    if not tags.keys() >= _NEEDED[name] or not is_named or tags.get("v", "1") != "1":
        return "permerror"
    if name != SEAL and ("from" not in _signed(tags) or form_of(tags, arc=name == SIGNATURE) is None):
        return "permerror"
    if tags["a"] not in _ALGORITHMS[name] or "l" in tags or tags.get("q", "dns/txt") != "dns/txt":
        return "policy"
    return None


def _signed(tags: Tags) -> tuple[str, ...]:
    return tuple(name.strip().lower() for name in tags.get("h", "").split(":"))


def _chain(fields: Fields) -> list[_Claim]:
    """Seals and signatures of the sets of ARC, the newest first; of a chain that cannot be right its newest seal alone."""
    seals, signatures = _claims(fields, SEAL), _claims(fields, SIGNATURE)
    numbers = {name: [_instance(value) for known, value in fields if known == name] for name in _SETS}
    if not seals:
        return []
    newest, last = max(zip(numbers[SEAL], seals, strict=True), key=lambda one: one[0])
    sets = sorted(zip(numbers[SEAL] + numbers[SIGNATURE], seals + signatures, strict=True), key=lambda one: -one[0])
    is_whole = all(sorted(found) == list(range(1, newest + 1)) for found in numbers.values())
    if not is_whole or any(one.tags.get("i") != str(number) for number, one in sets):
        return [replace(last, result=last.result or "permerror")]
    if newest > MOST_SETS:
        return [replace(last, result="policy")]
    return [one for _, one in sets]


def _instance(value: str) -> int:
    """The number of a set, which must stand first in its fields; 0: none, and so no chain."""
    found = _INSTANCE.match(value)
    return int(found[1]) if found else 0


async def _fetched(dns: Dns, names: Iterable[str]) -> Keys:
    """Each key, or what its absence makes of a signature; whoever has not answered in time has not."""
    asked = {name: asyncio.create_task(dns.look_up(name, "TXT")) for name in names}
    try:
        if asked:
            await asyncio.wait(asked.values(), timeout=MOST_SECONDS)
        return {name: _record(task.result()) if _has_answered(task) else "temperror" for name, task in asked.items()}
    finally:
        for task in asked.values():
            task.cancel()


def _has_answered(task: asyncio.Task[Answer]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


def _record(answer: Answer) -> KeyRecord | Result:
    if answer.status == "failed":
        return "temperror"
    text = answer.values[0] if len(answer.values) == 1 else ""  # of several nobody can tell which (RFC 6376 3.6.2.2)
    tags = read_tags(text)
    try:
        key = read_key(tags or {})
    except ValueError:
        return "permerror"
    return KeyRecord(key, tags or {}, text, answer.secure) if key else "policy"


def _verified(head: bytes, body: bytes, claims: Sequence[_Claim], chain: Sequence[_Claim], keys: Keys) -> list[Signer]:
    """In a thread: it takes CPU."""
    hashed = Body(body)
    found = [_signer("dkim", one, one.result or verify_dkim(head, hashed, one.place, keys), keys) for one in claims]
    if chain:
        result = _chain_fault(chain) or verify_arc(head, hashed, keys)
        found.append(_signer("arc", chain[0], result, keys))
    return found


def _chain_fault(chain: Sequence[_Claim]) -> Result | None:
    for one in chain:
        if one.result:
            return one.result
    return None if len({one.domain for one in chain[:2]}) == 1 else "policy"


def _signer(mechanism: Mechanism, claim: _Claim, result: Result, keys: Keys) -> Signer:
    domain = claim.domain if is_signable(claim.domain) else ""
    selector = claim.tags.get("s", "") if SELECTOR.fullmatch(claim.tags.get("s", "")) else ""
    key = keys.get(key_name(claim.tags))
    if result != "pass" or key is None or isinstance(key, str):
        return Signer(mechanism, domain, selector, result)
    fields = tuple(dict.fromkeys(_signed(claim.tags))) if mechanism == "dkim" else ()
    return Signer(mechanism, domain, selector, result, fields, key.text, key.secure)

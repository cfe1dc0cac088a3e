"""dkimpy's verifiers of DKIM and ARC, tamed: they ask no DNS, read no key and take no second look at a body.

For ``mail/signers``; ``mail/signature`` takes the body's form from here. Keys are read before (``mail/dkim_keys``); a body
is brought into each form and hashed once, however many signatures there are. dkimpy's own way takes the square of some
lengths, and as often as there are signatures.
"""

from __future__ import annotations

import logging
import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Literal

import dkim

from sealpost.mail.dkim_keys import PublicKey, Tags, is_usable

MOST_BODY = 10_000_000
FORMS = {"simple": False, "relaxed": True}
QUIET = logging.getLogger("sealpost.mail.dkim_verifier.dkimpy")
QUIET.addFilter(lambda _: False)  # it repeats parts of keys and mails; a later dictConfig enables what is disabled

Result = Literal["pass", "fail", "policy", "permerror", "temperror"]
"""As RFC 8601 2.7.1 names them. ``policy``: more, or less, than is taken here; ``permerror``: no such signature or key
can be right; ``temperror``: the DNS did not say."""


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key, and the TXT record in which the DNS gave it; ``secure``: validated."""

    key: PublicKey
    tags: Tags
    text: str
    secure: bool


Keys = Mapping[str, KeyRecord | Result]
"""By the name under which they stand, in lower case; or what is wrong with them."""


@dataclass(slots=True)
class Body:
    """A body, and its hash in each of the two forms, made when it is first asked for."""

    octets: bytes
    known: dict[bool, bytes] = field(default_factory=dict[bool, bytes])

    def hash(self, *, relaxed: bool) -> bytes:
        """SHA-256 of the canonical form; of an empty body RFC 6376 3.4.3 hashes one line end, 3.4.4 nothing."""
        if relaxed not in self.known:
            found = canonical(self.octets, relaxed=relaxed)
            if found in {b"", b"\r\n"}:
                found = b"" if relaxed else b"\r\n"
            self.known[relaxed] = sha256(found).digest()
        return self.known[relaxed]


def canonical(body: bytes, *, relaxed: bool) -> bytes:
    """A body in its canonical form (RFC 6376 3.4.3 and 3.4.4) in linear time; an empty one may have one line end."""
    if relaxed:
        body = re.sub(rb"[ \t]+", b" ", body).replace(b" \r\n", b"\r\n")
    kept = body.rstrip(b"\r\n")
    return kept + b"\r\n" if kept else body[:2]


def key_name(tags: Tags) -> str:
    """Where the key of a signature stands."""
    return f"{tags.get('s', '')}._domainkey.{tags.get('d', '')}".lower()


def form_of(tags: Tags, *, arc: bool = False) -> bool | None:
    """Whether a signature takes the body in its relaxed form; None: in neither."""
    head, _, body = tags.get("c", "relaxed/relaxed" if arc else "simple").partition("/")
    return FORMS.get(body or "simple") if head in FORMS else None


class _Refused(Exception):
    """A signature that need not be looked at, and what it comes to."""

    def __init__(self, result: Result) -> None:
        super().__init__(result)
        self.result: Result = result


class _Checking:
    """What is done here instead of asking the DNS and hashing the body."""

    is_arc = False

    def prepare(self, body: Body, keys: Keys) -> None:
        self._body, self._keys = body, keys
        self.why: Result = "fail"

    def verify_sig(self, sig: dict[bytes, bytes], include_headers: list[bytes], sig_header: Any, dnsfunc: Any) -> bool:
        """Called by the library for each signature."""
        tags = {name.decode("latin-1"): value.decode("latin-1") for name, value in sig.items()}
        try:
            key = self._key(tags)
            rest = self._without_body(tags, sig)
        except _Refused as refused:
            self.why = refused.result
            return False
        verifier: Any = self
        verifier.pk, verifier.keysize, verifier.ktag, verifier.seqtlsrpt = (
            key.material,
            key.bits,
            key.kind.encode(),
            False,
        )
        return bool(verifier.verify_sig_process(rest, include_headers, sig_header, dnsfunc))

    def _key(self, tags: Tags) -> PublicKey:
        found = self._keys.get(key_name(tags), "permerror")
        if isinstance(found, str):
            raise _Refused(found)
        if not tags["a"].startswith(f"{found.key.kind}-"):
            raise _Refused("permerror")
        # In ARC i= is the number of the set, and there is no identity.
        if not is_usable(found.tags, {"d": tags["d"]} if self.is_arc else tags):
            raise _Refused("policy")
        return found.key

    def _without_body(self, tags: Tags, sig: dict[bytes, bytes]) -> dict[bytes, bytes]:
        """The tags without bh=, once that is found right: then the library leaves the body alone."""
        if "bh" not in tags:  # a seal of ARC
            return sig
        relaxed = form_of(tags, arc=self.is_arc)
        if relaxed is None or len(self._body.octets) > MOST_BODY:
            raise _Refused("policy")
        if b64decode(re.sub(r"\s", "", tags["bh"])) != self._body.hash(relaxed=relaxed):
            raise _Refused("fail")
        return {name: value for name, value in sig.items() if name != b"bh"}


class _Dkim(_Checking, dkim.DKIM):
    pass


class _Arc(_Checking, dkim.ARC):
    is_arc = True


def verify_dkim(head: bytes, body: Body, place: int, keys: Keys) -> Result:
    """What the signature at a place comes to.

    Args:
        head: all fields, and the empty line.
        body: what follows.
        place: among the fields of its name, from 0.
        keys: all that could be needed.
    """
    try:
        verifier: Any = _Dkim(head, logger=QUIET)
        verifier.prepare(body, keys)
        return "pass" if verifier.verify(place) else verifier.why
    except Exception:  # noqa: BLE001 - it raises many kinds on hostile tags; none of them is a valid signature
        return "fail"


def verify_arc(head: bytes, body: Body, keys: Keys) -> Result:
    """What the whole chain comes to (RFC 8617 5.2); arguments as `verify_dkim`."""
    try:
        verifier: Any = _Arc(head, logger=QUIET)
        verifier.prepare(body, keys)
        outcome, *_ = verifier.verify()
    except IndexError:  # it does not find the number of a set that is written in another way than usual
        return "policy"
    except Exception:  # noqa: BLE001 - as above
        return "fail"
    return "pass" if outcome == dkim.CV_Pass else verifier.why

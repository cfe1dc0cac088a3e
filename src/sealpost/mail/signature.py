"""Who signed a mail: DKIM (RFC 6376, RFC 8301), verified by dkimpy, for mail that is handed in without credentials.

For ``usecases/gateway``. Stricter than a receiver's filter, since the signature stands for a sender's password: the
domain is that of From exactly, RSA with SHA-256 and 1024 bits or more, the whole body, and everything that decides what
a reader sees or who gets it is signed. What costs more than one step for each octet in dkimpy is done here first.
"""

from __future__ import annotations

import asyncio
from typing import Any

import dkim

from sealpost.mail.dkim_keys import KEY_BITS, SELECTOR, Tags, is_usable, read_key, read_tags
from sealpost.mail.dkim_verifier import FORMS, QUIET, canonical
from sealpost.mail.dns import Dns
from sealpost.mail.mime_fields import Refused
from sealpost.mail.mime_strict import Fields, read_head

MOST = 5
MUST = frozenset({"from", "to", "date", "message-id"})
IF_THERE = MUST | {"cc", "subject", "mime-version", "content-type", "content-transfer-encoding", "reply-to", "sender"}
NONE = Refused("550 5.7.20", "Without credentials the mail must be signed with DKIM by the domain of From")


async def check_signature(dns: Dns, octets: bytes, domain: str) -> None:
    """Returns when one of the first five signatures stands.

    Args:
        dns: for the keys.
        octets: the mail, as it came.
        domain: of From, in lower case, as A-labels.

    Raises:
        Refused: none stands, or for the time being nobody can tell.
    """
    fields, start = read_head(octets)
    refused = NONE
    for place, tags in _candidates(fields, domain):
        if tags is None:
            continue
        try:
            _check_tags(tags, fields)
            key = await _key(dns, f"{tags['s']}._domainkey.{domain}", tags)
            await asyncio.to_thread(_verify, octets[:start], memoryview(octets)[start:], place, tags, key)
        except Refused as error:
            # A key that cannot be fetched now counts for more than a signature that is broken: the mail comes again.
            refused = refused if refused.code.startswith("4") else error
        else:
            return
    raise refused


def _candidates(fields: Fields, domain: str) -> list[tuple[int, Tags | None]]:
    """Place and tags of each signature of the domain; the places count all, as dkimpy does."""
    values = [value for name, value in fields if name == "dkim-signature"][:MOST]
    read = [(place, read_tags(value)) for place, value in enumerate(values)]
    return [(place, tags) for place, tags in read if tags and tags.get("d", "").lower() == domain]


def _check_tags(tags: Tags, fields: Fields) -> None:
    if tags.get("v") != "1" or tags.get("a") != "rsa-sha256" or not SELECTOR.fullmatch(tags.get("s", "")):
        raise Refused("550 5.7.7", "The DKIM signature must be rsa-sha256")
    if "l" in tags:
        raise Refused("550 5.7.7", "The DKIM signature must cover the whole body (no l= tag)")
    signed = {name.strip().lower() for name in tags.get("h", "").split(":")}
    missing = (MUST | (IF_THERE & {name for name, _ in fields})) - signed
    if missing:
        raise Refused("550 5.7.7", f"The DKIM signature does not cover: {', '.join(sorted(missing))}")


async def _key(dns: Dns, name: str, tags: Tags) -> bytes:
    """The key record, checked as far as dkimpy does not (RFC 6376, section 3.6.1)."""
    answer = await dns.look_up(name, "TXT")
    if answer.status == "failed":
        raise Refused("451 4.7.5", "The DKIM key cannot be looked up now, try again later")
    if len(answer.values) != 1:
        raise Refused("550 5.7.7", "There is no DKIM key, or more than one, under the name of the signature")
    key = read_tags(answer.values[0])
    if key is None or key.get("k", "rsa") != "rsa" or not is_usable(key, tags):
        raise Refused("550 5.7.7", "The DKIM key is revoked, in test mode, or not for this use")
    try:
        if read_key(key) is None:
            raise Refused("550 5.7.7", "The DKIM key is weak, or larger than 4096 bits")
    except ValueError as error:
        raise Refused("550 5.7.7", "The DKIM key cannot be read") from error
    return answer.values[0].encode("ascii")


def _verify(head: bytes, body: memoryview, place: int, tags: Tags, key: bytes) -> None:
    """Has dkimpy verify one signature.

    The header alone is parsed by it; the body is put into its canonical form here, in linear time, which dkimpy's own
    canonicalisation then leaves as it is.
    """
    form = tags.get("c", "simple/simple").partition("/")[2] or "simple"
    try:
        verifier: Any = dkim.DKIM(head, minkey=KEY_BITS.start, logger=QUIET)
        verifier.body = canonical(bytes(body), relaxed=FORMS[form])
        stands = verifier.verify(place, dnsfunc=lambda *_, **__: key)  # pyright: ignore[reportUnknownLambdaType]
    except Exception:  # noqa: BLE001 - it raises many kinds on hostile keys and tags; none of them is a valid signature
        stands = False
    if not stands:
        raise Refused("550 5.7.7", "The DKIM signature is not valid, has expired, or has a weak key")

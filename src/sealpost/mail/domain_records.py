"""The DNS records that a sender's domain is asked for, and how they stand, each with a plain sentence.

For the use cases of sender domains. Clauses: RFC 6376 3.6 (key records), RFC 7489 6.3 and 6.6.3 (DMARC and where it is
looked for), RFC 7208 4.5 (one SPF record). Nothing here trusts the DNS: what is not exactly what was asked is wrong,
and what is shown of it is short and printable.
"""

import asyncio
import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from hashlib import sha256
from typing import Literal

from publicsuffixlist import PublicSuffixList

from sealpost.mail.dkim import public_txt
from sealpost.mail.dns import Answer, Dns
from sealpost.text.catalogue import marked

State = Literal["right", "missing", "wrong", "unknown", "optional"]
RETURN_LABEL = "rp"
_LABEL = 63
_SEEN, _SEEN_LENGTH = 5, 300
_TXT_LIMIT = 4096
_TAGS = 40
_UNPRINTABLE = re.compile(r"[^ -~]")
_TAG_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_DMARC = re.compile(r"v[ \t]*=[ \t]*DMARC1[ \t]*(;|\Z)")
_SPF = re.compile(r"v=spf1( |\Z)", re.IGNORECASE)
_POLICIES = ("none", "quarantine", "reject")

NOT_CHECKED = marked("Not checked yet.")
NO_ANSWER = marked("The DNS did not answer. Nothing changes for now, and the record is checked again later.")
KEY_RIGHT = marked("The key stands. Leave this record where it is.")
KEY_MISSING = marked("This record is not there. Add it as TXT or as CNAME; it can take hours until it is seen.")
KEY_UNPUBLISHED = marked("The CNAME stands, but the record of the service behind it does not. Ask the operator.")
KEY_WRONG = marked("Something else stands here. Put the value that is asked for in its place.")
KEY_SEVERAL = marked("More than one TXT record stands here. Keep only the one that is asked for.")
KEY_TESTING = marked("The record has t=y, which makes servers ignore the key. Take t=y out.")
PATH_RIGHT = marked("Undelivered mail comes back under your domain.")
PATH_MISSING = marked(
    "This record is not there. Without it your mail goes out all the same, but SPF counts for our domain, not for yours."
)
PATH_WRONG = marked(
    "Something else stands here. Make this name a CNAME to the name that is asked for, and nothing else."
)
DMARC_RIGHT = marked("A DMARC record stands.")
DMARC_ABOVE = marked("The DMARC record of the domain above holds here as well.")
DMARC_MISSING = marked("There is no DMARC record. Add at least this one; large mail services ask for it.")
DMARC_WRONG = marked("This is no valid DMARC record, or there is more than one. Keep one, at least as is asked for.")
SPF_COVERED = marked("Nothing to do: SPF is checked for the return path, and that record stands.")
SPF_RIGHT = marked("Our servers stand in the SPF record.")
SPF_NOT_CHECKED = marked(
    "Not checked yet. Not needed with the return path's record. There can be only one SPF record: if you have one, add "
    "the include to it."
)
SPF_HINT = marked(
    "Not needed: SPF is checked for the return path, so add that record instead. If you want this one as well, for servers "
    "that look here all the same: there can be only one SPF record, so add the include to the one that you have."
)
SPF_SEVERAL = marked("More than one SPF record stands here, which makes all of them invalid. Keep one.")


@dataclass(frozen=True, slots=True)
class SenderKey:
    """A signature key of the domain: its selector, its public half (SubjectPublicKeyInfo, DER), whether it is in use."""

    selector: str
    public_key: bytes
    active: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """One record: what is asked, what was seen, how it stands.

    Args:
        record: ``dkim``, ``dkim_next``, ``return_path``, ``dmarc`` or ``spf``.
        type: ``TXT`` or ``CNAME``.
        name: where, without a final dot.
        expected: the value that is asked for.
        seen: what stood there, shortened, printable ASCII.
        state: ``unknown`` when the DNS did not answer, or was not asked yet; ``optional``: not there, and not needed.
        words: one English sentence, a message id of the catalogue.
        alternative: the target of a CNAME that does as well; empty: none.
        since: since when it stands so; None: not known.
    """

    record: str
    type: str
    name: str
    expected: str
    seen: tuple[str, ...] = ()
    state: State = "unknown"
    words: str = NOT_CHECKED
    alternative: str = ""
    since: datetime | None = None


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()  # a tenth of a second: only where a domain is looked at


def organisational(domain: str) -> str | None:
    """The domain that somebody registered (``example.co.uk``); None: it is a public suffix itself."""
    return _suffixes().privatesuffix(domain)


def key_name(selector: str, domain: str) -> str:
    """Where a key's TXT record is."""
    return f"{selector}._domainkey.{domain}"


def key_target(selector: str, domain: str, mail_domain: str) -> str:
    """Where the service publishes the key of a sender's domain, for those who point a CNAME there.

    Two domains never share a label: a label has no hyphen at its ends, so ``-`` for a dot and ``--`` for a hyphen can be
    told apart. What is too long for a label is a hash.
    """
    label = domain.replace("-", "--").replace(".", "-")
    if len(label) > _LABEL:
        label = sha256(domain.encode("ascii")).hexdigest()[:40]
    return f"{selector}.{label}._domainkey.{mail_domain}"


def return_domain(domain: str) -> str:
    """The domain of return paths, where its record stands."""
    return f"{RETURN_LABEL}.{domain}"


def asked(domain: str, mail_domain: str, keys: Sequence[SenderKey]) -> tuple[Finding, ...]:
    """All records of a domain, not checked yet.

    Args:
        domain: the sender's, lower case, A-labels.
        mail_domain: the service's.
        keys: the one in use and, while it is being replaced, the next one.
    """
    return (
        *(
            Finding(
                "dkim" if key.active else "dkim_next",
                "TXT",
                key_name(key.selector, domain),
                public_txt(key.public_key),
                alternative=key_target(key.selector, domain, mail_domain),
            )
            for key in keys
        ),
        Finding("return_path", "CNAME", return_domain(domain), mail_domain),
        Finding("dmarc", "TXT", f"_dmarc.{domain}", "v=DMARC1; p=none"),
        # A whole record: what is printed is pasted. Any record with this term in it is as good.
        Finding("spf", "TXT", domain, f"v=spf1 {_term(mail_domain)} ~all", words=SPF_NOT_CHECKED),
    )


def _term(mail_domain: str) -> str:
    return f"include:{mail_domain}"


async def check(dns: Dns, domain: str, mail_domain: str, keys: Sequence[SenderKey]) -> tuple[Finding, ...]:
    """Looks all records up, at the same time.

    Args:
        dns: where to ask.
        domain: as for ``asked``.
        mail_domain: as for ``asked``.
        keys: as for ``asked``.

    Returns:
        A finding for each record, in the order of ``asked``.
    """
    wanted = asked(domain, mail_domain, keys)
    found = await asyncio.gather(*(_check(dns, domain, mail_domain, one) for one in wanted))
    covered = any(one.record == "return_path" and one.state == "right" for one in found)
    return tuple(_covered(one) if covered and one.record == "spf" else one for one in found)


async def _check(dns: Dns, domain: str, mail_domain: str, one: Finding) -> Finding:
    answer = await dns.look_up(one.name, "CNAME" if one.type == "CNAME" else "TXT")
    if answer.status == "failed":
        return replace(one, state="unknown", words=NO_ANSWER)
    match one.record:
        case "return_path":
            state, words = _judge_path(answer, one)
        case "dmarc":
            return await _check_dmarc(dns, domain, one, answer)
        case "spf":
            return _judge_spf(answer, one, _term(mail_domain))
        case _:
            state, words = _judge_key(answer, one)
    return replace(one, seen=_shown(answer.values), state=state, words=words)


def _shown(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(_UNPRINTABLE.sub("?", value[:_SEEN_LENGTH]) for value in values[:_SEEN])


def _judge_key(answer: Answer, one: Finding) -> tuple[State, str]:
    first = next(iter(answer.values), None)
    if first is None:
        pointed = answer.name.rstrip(".").lower() == one.alternative
        return "missing", KEY_UNPUBLISHED if pointed else KEY_MISSING
    if len(answer.values) > 1:  # RFC 6376 3.6.2.2: what a server makes of several is undefined
        return "wrong", KEY_SEVERAL
    tags, wanted = _tags(first), _tags(one.expected)
    if tags is None or wanted is None or not _same_key(tags, wanted):
        return "wrong", KEY_WRONG
    if "y" in _listed(tags.get("t", "")):
        return "wrong", KEY_TESTING
    return "right", KEY_RIGHT


def _same_key(tags: dict[str, str], wanted: dict[str, str]) -> bool:
    """RFC 6376 3.6.1: what is left out has a default; what is there must let our signatures through."""
    return (
        (tags.get("v", "DKIM1") == "DKIM1" and ("v" not in tags or next(iter(tags)) == "v"))
        and tags.get("k", "rsa") == wanted["k"]
        and ("h" not in tags or "sha256" in _listed(tags["h"]))
        and not {"*", "email"}.isdisjoint(_listed(tags.get("s", "*")))
        and _octets(tags.get("p", "")) == _octets(wanted["p"])
    )


def _octets(text: str) -> bytes | None:
    try:
        return b64decode("".join(text.split()), validate=True)
    except (Base64Error, ValueError):
        return None


def _listed(text: str) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split(":"))


def _tags(text: str) -> dict[str, str] | None:
    """A tag list (RFC 6376 3.2), in its order; None: it is none."""
    if len(text) > _TXT_LIMIT or text.count(";") > _TAGS:
        return None
    parts = text.split(";")
    if not parts[-1].strip():  # a semicolon at the end is usual
        parts.pop()
    found = dict[str, str]()
    for part in parts:
        name, equals, value = part.partition("=")
        name = name.strip()
        if not equals or not _TAG_NAME.fullmatch(name) or name in found:
            return None
        found[name] = value.strip()
    return found or None


def _judge_path(answer: Answer, one: Finding) -> tuple[State, str]:
    if not answer.values:
        return "missing", PATH_MISSING
    targets = [value.rstrip(".").lower() for value in answer.values]
    return ("right", PATH_RIGHT) if targets == [one.expected] else ("wrong", PATH_WRONG)


async def _check_dmarc(dns: Dns, domain: str, one: Finding, answer: Answer) -> Finding:
    records = list(_dmarc(answer))
    above = organisational(domain)
    if records or above is None or above == domain:
        state, words = _judge_dmarc(records, answer)
        return replace(one, seen=_shown(answer.values), state=state, words=words)
    inherited = await dns.look_up(f"_dmarc.{above}", "TXT")
    if inherited.status == "failed":
        return replace(one, state="unknown", words=NO_ANSWER)
    if _judge_dmarc(list(_dmarc(inherited)), inherited)[0] == "right":
        return replace(one, seen=_shown(inherited.values), state="right", words=DMARC_ABOVE)
    return replace(one, seen=_shown(answer.values), state="missing", words=DMARC_MISSING)


def _dmarc(answer: Answer) -> Iterator[str]:
    return (value for value in answer.values if _DMARC.match(value))


def _judge_dmarc(records: list[str], answer: Answer) -> tuple[State, str]:
    if not records:
        return ("wrong", DMARC_WRONG) if answer.values else ("missing", DMARC_MISSING)
    tags = _tags(records[0])
    if len(records) > 1 or tags is None or tags.get("p", "").lower() not in _POLICIES:
        return "wrong", DMARC_WRONG
    return "right", DMARC_RIGHT


def _judge_spf(answer: Answer, one: Finding, wanted: str) -> Finding:
    records = [value for value in answer.values if _SPF.match(value)]  # of many texts that stand at a domain
    one = replace(one, seen=_shown(records))
    if len(records) > 1:
        return replace(one, state="wrong", words=SPF_SEVERAL)
    terms = records[0].lower().split() if records else []
    found = any(term.lstrip("+") == wanted for term in terms)
    return replace(one, state="right" if found else "optional", words=SPF_RIGHT if found else SPF_HINT)


def _covered(spf: Finding) -> Finding:
    """The return path's record makes SPF a matter of ours; only a domain with two records is told so all the same."""
    return spf if spf.words == SPF_SEVERAL else replace(spf, state="right", words=SPF_COVERED)

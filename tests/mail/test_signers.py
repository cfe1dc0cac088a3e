"""Who signed a mail that came back: valid signatures, each way in which one is not, and mails made to cost time."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from sealpost.mail import signers
from sealpost.mail.dkim import DkimKey, public_txt
from sealpost.mail.dkim import signed as signed_by_us
from sealpost.mail.dns import Answer, Kind
from sealpost.mail.signers import MOST_SETS, MOST_SIGNATURES, Signer, find_signers
from tests.handing import WEAK_PEM, WEAK_RECORD
from tests.mail.signing import Hanging, Names, key, rsa, sealed, signed

HERE, THERE = "mx.example.com", "forward.example.net"
MAIL = (
    b"From: MAILER-DAEMON@mx.example.com\r\nTo: b-1@post.example.org\r\nSubject: Undelivered\r\n"
    b"Date: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@mx.example.com>\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/plain\r\n\r\nSorry,  \r\n\tno  Bob here.\r\n\r\n\r\n"
)


@pytest.fixture
def dns() -> Names:
    found = Names()
    for domain in (HERE, THERE):
        found.texts[f"s1._domainkey.{domain}"] = (key()[1],)
    return found


async def result(dns: Any, octets: bytes) -> str:
    return (await find_signers(dns, octets)).result


@pytest.mark.parametrize("body", [b"relaxed", b"simple"])
@pytest.mark.parametrize("head", [b"relaxed", b"simple"])
@pytest.mark.parametrize("end", [b"", b"\r\n", b"  \r\n\r\n", b"x", b"\r\n\r\nSorry.\r\n", b"\r\nSorry.\r\n \r\n\r\n"])
async def test_a_valid_signature(dns: Names, head: bytes, body: bytes, end: bytes) -> None:
    mail = signed(MAIL.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + end, canonicalize=(head, body))
    found = await find_signers(dns, mail)
    fields = ("from", "to", "subject", "date", "message-id", "mime-version", "content-type")
    assert found.result == "pass"
    assert found.found == (Signer("dkim", HERE, "s1", "pass", fields, key()[1]),)
    assert dns.asked == [f"s1._domainkey.{HERE}"]


async def test_keys_of_other_kinds_and_sizes(dns: Names) -> None:
    secret = Ed25519PrivateKey.generate()
    dns.texts[f"e1._domainkey.{HERE}"] = (public_txt(secret),)
    dns.texts[f"s2._domainkey.{HERE}"] = (key(4096)[1],)
    assert await result(dns, signed_by_us(MAIL, [DkimKey(HERE, "e1", secret)], datetime.now(UTC))) == "pass"
    assert await result(dns, signed(MAIL, pem=key(4096)[0], selector=b"s2")) == "pass"
    broken = signed_by_us(MAIL, [DkimKey(HERE, "e1", secret)], datetime.now(UTC)).replace(b"no  Bob", b"one Bob")
    assert await result(dns, broken) == "fail"
    other = signed_by_us(MAIL, [DkimKey(HERE, "e1", Ed25519PrivateKey.generate())], datetime.now(UTC))
    assert await result(dns, other) == "fail"


async def test_nothing_signed(dns: Names) -> None:
    for octets in (MAIL, b"", b"\r\n", b"x", MAIL.partition(b"\r\n\r\n")[0], b"\xff" * 99, b"From: x\n\nSorry.\n"):
        assert (await find_signers(dns, octets)) == signers.Signers()
    assert dns.asked == []


async def test_whose_domain_it_is_is_only_told(dns: Names) -> None:
    """The signature of one domain under a mail that claims to be another's is that of the one."""
    found = await find_signers(dns, signed(MAIL, THERE))
    assert [(one.domain, one.result) for one in found.found] == [(THERE, "pass")]


async def test_one_of_two_is_enough(dns: Names) -> None:
    found = await find_signers(dns, signed(signed(MAIL, "unknown.example"), THERE))
    assert [(one.domain, one.result) for one in found.found] == [(THERE, "pass"), ("unknown.example", "permerror")]
    assert found.result == "pass"


@cache
def once() -> bytes:
    return signed(MAIL)


def changed(old: bytes, new: bytes, octets: bytes | None = None) -> bytes:
    made = once() if octets is None else octets
    assert old in made
    return made.replace(old, new, 1)


def in_signature(pattern: bytes, new: bytes) -> bytes:
    made = once()
    end = made.index(b"From: MAILER")
    head, count = re.subn(pattern, new, made[:end], count=1)
    assert count
    return head + made[end:]


WRONG: dict[str, tuple[bytes, str]] = {
    "the body": (changed(b"no  Bob", b"one Bob"), "fail"),
    "a field": (changed(b"Undelivered", b"Delivered"), "fail"),
    "a second From": (changed(b"To: b-1", b"From: <bob@example.com>\r\nTo: b-1"), "fail"),
    "something behind": (signed(MAIL) + b"more\r\n", "fail"),
    "the signature": (in_signature(rb";\s+b=\s*....", b"; b=AAAA"), "fail"),
    "the domain": (in_signature(rb"d=mx.example.com;\s+i=@mx.example.com", b"d=forward.example.net"), "fail"),
    "not from the domain's user": (in_signature(rb"i=@mx.example.com", b"i=@example.net"), "fail"),
    "over": (in_signature(rb"t=\d+", b"t=1500000000; x=1500000001"), "fail"),
    "in future": (in_signature(rb"t=\d+", b"t=9500000000"), "fail"),
    "a part of the body": (signed(MAIL, length=True), "policy"),
    "no octet of the body": (in_signature(rb";\s+q=", b"; l=0; q="), "policy"),
    "SHA-1": (signed(MAIL, signature_algorithm=b"rsa-sha1"), "policy"),
    "another way to the key": (in_signature(rb"q=dns/txt", b"q=http"), "policy"),
    "without From": (in_signature(rb";\s+h=[^;]*;", b"; h=to : subject;"), "permerror"),
    "without a domain": (in_signature(rb"d=mx.example.com;", b""), "permerror"),
    "a domain of one label": (in_signature(rb"d=mx.example.com;", b"d=com;"), "permerror"),
    "a domain that is none": (in_signature(rb"d=mx.example.com;", b"d=a..b;"), "permerror"),
    "this machine": (in_signature(rb"d=mx.example.com;", b"d=localhost;"), "permerror"),
    "a tag twice": (in_signature(rb"d=mx.example.com;", b"d=mx.example.com; d=mx.example.com;"), "permerror"),
    "a selector that leads away": (in_signature(rb"s=s1", b"s=s1._domainkey.example.net. TXT"), "permerror"),
    "another version": (in_signature(rb"v=1", b"v=2"), "permerror"),
    "another form": (in_signature(rb"c=relaxed/relaxed", b"c=relaxed/free"), "permerror"),
    "rubbish": (b"DKIM-Signature: rubbish\r\n" + MAIL, "permerror"),
    "nothing": (b"DKIM-Signature:\r\n" + MAIL, "permerror"),
    "octets that are no text": (b"DKIM-Signature: v=1; \xff\r\n" + MAIL, "permerror"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_what_is_wrong(dns: Names, name: str) -> None:
    octets, expected = WRONG[name]
    assert await result(dns, octets) == expected


GOOD = key()[1]
KEYS: dict[str, tuple[tuple[str, ...], str]] = {
    "none": ((), "permerror"),
    "another one": ((key(2048)[1],), "fail"),
    "two": ((GOOD, GOOD), "permerror"),
    "revoked": (("v=DKIM1; p=",), "permerror"),
    "no key": (("v=DKIM1; p=AAAA",), "permerror"),
    "no base64": (("v=DKIM1; p=%%%%",), "permerror"),
    "no record": (("rubbish",), "permerror"),
    "of another version": ((GOOD.replace("DKIM1", "DKIM2"),), "permerror"),
    "of another kind": ((public_txt(Ed25519PrivateKey.generate()),), "permerror"),
    "of an unknown kind": ((GOOD.replace("k=rsa", "k=new"),), "policy"),
    "for tests": ((GOOD + "; t=y",), "policy"),
    "for others": ((GOOD + "; s=tlsrpt",), "policy"),
    "for SHA-1": ((GOOD + "; h=sha1",), "policy"),
    "of 8,192 bits": ((rsa(2**8191 + 1, 65537),), "policy"),
    "with a huge exponent": ((rsa(2**2047 + 1, 2**2040 + 1),), "policy"),
    "of 23,000 bits": ((rsa(2**23000 + 1, 65537),), "policy"),
    "of 60,000 octets": (("v=DKIM1; p=" + "A" * 60_000,), "permerror"),
    "said with blanks": ((GOOD.replace("p=", "p= ").replace("MIGf", "MIGf "),), "pass"),
    "said shortly": ((GOOD.replace("v=DKIM1; k=rsa; ", ""),), "pass"),
}


@pytest.mark.parametrize("name", KEYS)
async def test_keys(dns: Names, name: str) -> None:
    texts, expected = KEYS[name]
    dns.texts[f"s1._domainkey.{HERE}"] = texts
    assert await result(dns, signed(MAIL)) == expected


async def test_a_weak_key(dns: Names) -> None:
    dns.texts[f"s1._domainkey.{HERE}"] = (WEAK_RECORD,)
    assert await result(dns, signed(MAIL, pem=WEAK_PEM)) == "policy"


async def test_a_domain_that_is_not_to_be_had(dns: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    dns.away = True
    assert await result(dns, signed(MAIL)) == "temperror"
    assert await result(dns, sealed(MAIL, HERE)) == "temperror"
    monkeypatch.setattr(signers, "MOST_SECONDS", 0.05)
    hanging = Hanging()
    assert await result(hanging, sealed(signed(signed(MAIL)), HERE)) == "temperror"
    assert len(hanging.asked) == 1  # each name once

    class Stumbling:
        async def look_up(self, name: str, kind: Kind) -> Answer:
            raise OSError(name, kind)

    assert await result(Stumbling(), signed(MAIL)) == "temperror"


async def test_of_a_thousand_signatures_few_are_looked_at(dns: Names) -> None:
    one = signed(MAIL)[: -len(MAIL)]
    names = [f"s{number}._domainkey.{HERE}" for number in range(1000)]
    many = b"".join(one.replace(b"s=s1", f"s=s{number}".encode()) for number in range(100))
    found = await find_signers(dns, many + MAIL)
    assert (len(found.found), found.left_out) == (MOST_SIGNATURES, 100 - MOST_SIGNATURES)
    assert set(dns.asked) == set(names[:MOST_SIGNATURES])
    dns.asked.clear()
    found = await find_signers(dns, one * 1000 + MAIL)
    assert (found.found, found.left_out, found.result, dns.asked) == ((), 1000, "policy", [])


async def test_a_head_that_is_too_large_is_not_looked_at(dns: Names) -> None:
    filler = b"X-Filler: " + b"x" * 60_000 + b"\r\n"
    assert await result(dns, signed(MAIL).replace(b"To: ", filler + b"To: ")) == "pass"
    assert await result(dns, signed(MAIL).replace(b"To: ", filler * 2 + b"To: ")) == "policy"
    assert await result(dns, signed(MAIL).replace(b"To: ", b"X: y\r\n" * 500 + b"To: ")) == "policy"


def blanks(tag: bytes) -> bytes:
    return in_signature(rb";\s+" + tag + b"=", b"; " + tag + b"=" + b" " * 3000)


COSTLY: dict[str, Callable[[], bytes]] = {
    "blanks in h=": lambda: blanks(b"h"),
    "blanks in b=": lambda: blanks(b"b"),
    "blanks in bh=": lambda: blanks(b"bh"),
    "blanks and others in b=": lambda: in_signature(rb";\s+b=", b"; b=" + b" \t" * 900 + b"!"),
    "folds in b=": lambda: in_signature(rb";\s+b=", b"; b=" + b"\r\n " * 900 + b"!"),
    "names in h=": lambda: in_signature(rb"h=from", b"h=from" + b":x" * 1800),
    "a long t=": lambda: in_signature(rb"t=\d+", b"t=" + b"9" * 3500),
    "many fields": lambda: signed(MAIL).replace(b"To: ", b"X: y\r\n" * 400 + b"To: "),
    "a large body of blanks": lambda: signed(MAIL)[:-2] + b" \t" * 4_000_000,
    "a large body of words": lambda: signed(MAIL)[:-2] + b"a " * 4_000_000,
    "a body beyond what is looked at": lambda: signed(MAIL)[:-2] + b"a\r\n" * 4_000_000,
}


@pytest.mark.parametrize("name", COSTLY)
async def test_it_costs_little(dns: Names, name: str) -> None:
    octets = COSTLY[name]()
    five = octets[: octets.index(b"From: MAILER")] * MOST_SIGNATURES + octets[octets.index(b"From: MAILER") :]
    began = time.process_time()
    assert (await find_signers(dns, five)).result in {"pass", "fail", "policy"}
    assert time.process_time() - began < 5


PASSED_ON = sealed(sealed(MAIL, HERE), THERE, "arc=pass")


async def test_passed_on_and_sealed(dns: Names) -> None:
    found = await find_signers(dns, sealed(MAIL, HERE))
    assert found.found == (Signer("arc", HERE, "s1", "pass", (), key()[1]),)
    found = await find_signers(dns, PASSED_ON)
    assert [(one.mechanism, one.domain, one.result) for one in found.found] == [("arc", THERE, "pass")]
    found = await find_signers(dns, sealed(signed(MAIL), THERE))
    assert [(one.mechanism, one.domain) for one in found.found] == [("dkim", HERE), ("arc", THERE)]


async def test_as_long_a_chain_as_is_looked_at(dns: Names) -> None:
    mail = sealed(MAIL, HERE)
    for _ in range(MOST_SETS - 1):
        mail = sealed(mail, HERE, "arc=pass")
    assert await result(dns, mail) == "pass"
    assert await result(dns, sealed(mail, HERE, "arc=pass")) == "policy"


def without(name: bytes, number: int) -> bytes:
    found = re.sub(rb"(?im)^%b: i=%d;.*?\r\n(?=[^ \t])" % (name, number), b"", PASSED_ON, flags=re.DOTALL)
    assert found != PASSED_ON
    return found


def one_of(name: bytes, number: int) -> bytes:
    found = re.search(rb"(?im)^%b: i=%d;.*?\r\n(?=[^ \t])" % (name, number), PASSED_ON, flags=re.DOTALL)
    assert found
    return found[0]


BROKEN: dict[str, tuple[bytes, str]] = {
    "the body": (changed(b"no  Bob", b"one Bob", PASSED_ON), "fail"),
    "a field": (changed(b"Undelivered", b"Delivered", PASSED_ON), "fail"),
    "what the first one found": (changed(b"spf=pass", b"spf=none", PASSED_ON), "fail"),
    "the first seal": (changed(b"cv=none", b"cv=pass", PASSED_ON), "fail"),
    "the last one found it broken": (sealed(sealed(MAIL, HERE), THERE, "arc=fail"), "fail"),
    "the last one saw none": (changed(b"cv=pass", b"cv=none", PASSED_ON), "fail"),
    "the last set's seal is missing": (without(b"ARC-Seal", 2), "permerror"),
    "the first set's seal is missing": (without(b"ARC-Seal", 1), "permerror"),
    "a signature is missing": (without(b"ARC-Message-Signature", 2), "permerror"),
    "results are missing": (without(b"ARC-Authentication-Results", 1), "permerror"),
    "a seal twice": (one_of(b"ARC-Seal", 2) + PASSED_ON, "permerror"),
    "a set that is not the next": (PASSED_ON.replace(b"i=2;", b"i=3;"), "permerror"),
    "a set of a great number": (b"ARC-Seal: i=99999999; cv=pass\r\n" + PASSED_ON, "permerror"),
    "a number that is none": (b"ARC-Seal: i=x; cv=pass\r\n" + PASSED_ON, "permerror"),
    "a set's number in two ways": (changed(b"ARC-Seal: i=2;", b"ARC-Seal: i=2 ; xi=1;", PASSED_ON), "fail"),
    "a seal alone": (b"ARC-Seal: rubbish\r\n" + MAIL, "permerror"),
    "another's seal over one's signature": (PASSED_ON.replace(b"cv=pass; a=rsa-sha256; d=forward.example.net", b"cv=pass; a=rsa-sha256; d=mx.example.com"), "policy"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
async def test_broken_chains(dns: Names, name: str) -> None:
    octets, expected = BROKEN[name]
    found = await find_signers(dns, octets)
    assert [(one.mechanism, one.result) for one in found.found] == [("arc", expected)]


async def test_a_genuine_signature_cannot_vouch_for_another_body(dns: Names) -> None:
    """dkimpy takes a set's number from the first ``i=`` it finds, and looks a signature's field up by its tag.

    So it takes a signature over one body for one over another, if its tags are repeated under another number.
    """
    genuine = sealed(MAIL, THERE)
    body_hash = base64.b64encode(signers.Body(b"Delivered.\r\n").hash(relaxed=True))
    forged = re.sub(rb"bh=[^;]*", b"bh=" + body_hash, _signature(genuine)).replace(b": i=1;", b": ki=2; i=1;")
    other = genuine.partition(b"\r\n\r\n")[0] + b"\r\n\r\nDelivered.\r\n"
    results = b"ARC-Authentication-Results: i=2; seal.test; arc=pass\r\n"
    seal = b"ARC-Seal: i=2; cv=pass; a=rsa-sha256; d=mx.example.com; s=s1; b=AAAA\r\n"
    mail = other.replace(b"From: MAILER", seal + forged + results + b"From: MAILER")
    untyped: Any = dkim
    _, instances, _ = untyped.arc_verify(mail, dnsfunc=lambda *_, **__: key()[1].encode())
    assert instances[0]["ams-valid"], "the library is not fooled any more"
    found = await find_signers(dns, mail)
    assert [(one.mechanism, one.result) for one in found.found] == [("arc", "permerror")]


def _signature(octets: bytes) -> bytes:
    found = re.search(rb"(?im)^ARC-Message-Signature:.*?\r\n(?=[^ \t])", octets, flags=re.DOTALL)
    assert found
    return found[0]


@given(st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), min_size=1, max_size=5))
async def test_a_mangled_mail_never_raises_and_never_passes(changes: list[tuple[int, int]]) -> None:
    dns = Names()
    for domain in (HERE, THERE):
        dns.texts[f"s1._domainkey.{domain}"] = (key()[1],)
    good = sealed(signed(MAIL), THERE)
    octets = bytearray(good)
    for place, octet in changes:
        octets[place % len(octets)] = octet
    found = await find_signers(dns, bytes(octets))
    assert found.result in {"pass", "fail", "policy", "permerror", "temperror", "none"}

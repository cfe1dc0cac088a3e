"""Signs mails with DKIM and ARC as other servers do, and a DNS of the test's with their keys."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass
from typing import Any

import dkim

from sealpost.mail.dns import Answer, Kind
from tests.handing import Names, key

__all__ = ["Hanging", "Names", "key", "rsa", "sealed", "signed"]


class Hanging:
    """A DNS that never answers."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def look_up(self, name: str, kind: Kind) -> Answer:
        del kind
        self.asked.append(name)
        await asyncio.Event().wait()
        raise AssertionError


def signed(octets: bytes, domain: str = "mx.example.com", **options: Any) -> bytes:
    """With a signature in front; ``pem`` and ``selector`` may be given, and what `dkim.sign` takes."""
    options = {"canonicalize": (b"relaxed", b"relaxed"), **options}
    pem, selector = options.pop("pem", key()[0]), options.pop("selector", b"s1")
    return dkim.sign(octets, selector, domain.encode(), pem, **options) + octets


def rsa(modulus: int, exponent: int) -> str:
    """A record with a key of these numbers."""

    def value(tag: int, octets: bytes) -> bytes:
        length = len(octets)
        size = bytes([length]) if length < 128 else b"\x82" + length.to_bytes(2, "big")
        return bytes([tag]) + size + octets

    def number(of: int) -> bytes:
        return value(2, b"\0" + of.to_bytes(-(-of.bit_length() // 8), "big"))

    octets = value(0x30, number(modulus) + number(exponent))
    whole = value(0x30, bytes.fromhex("300d06092a864886f70d0101010500") + value(3, b"\0" + octets))
    return "v=DKIM1; k=rsa; p=" + base64.b64encode(whole).decode()


@dataclass
class _Result:
    method: str
    result: str

    def __str__(self) -> str:
        return f"{self.method}={self.result}"


class _Header:
    authserv_id = "seal.test"

    def __init__(self, results: list[_Result]) -> None:
        self.results = results

    @classmethod
    def parse(cls, text: str) -> _Header:
        return cls([_Result(*one.strip().split("=", 1)) for one in text.split(";")[1:]])


class _Authres:
    """What dkimpy needs of a library that is not here: only for making sets of ARC."""

    AuthenticationResultsHeader = _Header


def sealed(octets: bytes, domain: str, found: str = "spf=pass", **options: Any) -> bytes:
    """With another set of ARC in front; ``found``: what that server says of the mail as it came in."""
    untyped: Any = dkim
    untyped.authres = _Authres
    try:
        head = b"Authentication-Results: seal.test; " + found.encode() + b"\r\n"
        pem = options.pop("pem", key()[0])
        fields = dkim.arc_sign(head + octets, b"s1", domain.encode(), pem, b"seal.test", **options)
    finally:
        del untyped.authres
    assert fields
    return b"".join(fields) + octets

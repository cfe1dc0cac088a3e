"""Mails for the submission gateway, signed or not, and a DNS of the test's with the keys of who signs."""

from __future__ import annotations

import base64
import dataclasses
from email.utils import format_datetime
from functools import lru_cache
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from sealpost.mail.dns import Answer, Kind
from sealpost.mail.submission import Refused
from sealpost.usecases.gateway import Credential, Gateway
from tests.world import World

HOST = "gateway.sealpost.example"
# Of 768 bits, for nothing but this test: libraries make none so small any more.
WEAK_PEM = b"""-----BEGIN RSA PRIVATE KEY-----
MIIByQIBAAJhANUQEktueuy/PGqHVBlIRwz/Sk6Lkq7X0pjFo9WOCrBz2puec0eZSvcERO5bJz5v
J0ZVKxBsHaVDsaY5iZgVmvJRedyy+Q45NGUbDUM3J4+0kPcrcDXxrgW0J66z/asiKQIDAQABAmAX
mjwslwSPDXBH7M3oLxWP3wgAQ33wWIA/5EUN9zo/6dWhv5/NorGnQ5XPQdHLHMztFkiNzC0VtWG4
4SamKSZb5zXgFwuxQryv/XM1kYzAbEM7/AeRbJx56/FSNDRRRjECMQD9lat0+TsPDkl4YUoUJBYy
9TkpcTfrfUzg35jmh943Im3aFCPWbM731EacbtNPML8CMQDXF5hJnalldeKrRmwcR/ZAyTge+/Gl
Hdz7n6BDIONwy44o0ugJnXzL2Y8MJsBhfxcCMC47FyMgPPAlvqc/tW2ulo17v4wapAM+uMFWgl2k
75JFqJlViqMQ+zqbbLQgUE3jqQIwBo0FaliO7DQm7yh56nKWoWp/dxIdTfYW4OL/soux4aGRdtTV
lFVjk6HQpYIYod+JAjA1eQ0iGqnZ50Sb4CtmEpGFZzFKPnGbfK6kYth6BUQh5iah09na0jClGcL3
Rbrwd94=
-----END RSA PRIVATE KEY-----
"""
WEAK_RECORD = "v=DKIM1; k=rsa; p=MHwwDQYJKoZIhvcNAQEBBQADawAwaAJhANUQEktueuy/PGqHVBlIRwz/Sk6Lkq7X0pjFo9WOCrBz2puec0eZSvcERO5bJz5vJ0ZVKxBsHaVDsaY5iZgVmvJRedyy+Q45NGUbDUM3J4+0kPcrcDXxrgW0J66z/asiKQIDAQAB"


class Names:
    """A DNS of the test's."""

    def __init__(self) -> None:
        self.texts: dict[str, tuple[str, ...]] = {}
        self.away = False
        self.asked: list[str] = []

    async def look_up(self, name: str, kind: Kind) -> Answer:
        assert kind == "TXT"
        self.asked.append(name)
        if self.away:
            return Answer("failed", (), secure=False, name=name)
        found = self.texts.get(name, ())
        return Answer("found" if found else "nxdomain", found, secure=False, name=name)


@lru_cache
def key(bits: int = 1024) -> tuple[bytes, str]:
    """A private key as dkimpy reads it, and the record of its public one."""
    made = rsa.generate_private_key(65537, bits)
    pem = made.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    public = made.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return pem, f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}"


class Handing:
    """The gateway of a world, and mails for it."""

    def __init__(self, world: World) -> None:
        self.world, self.dns = world, Names()
        self.dns.texts["s1._domainkey.example.org"] = (key()[1],)
        self.dns.texts["s1._domainkey.example.net"] = (key()[1],)
        self.service = dataclasses.replace(world.service, dns=self.dns)
        self.gateway = Gateway(self.service, world.submitter, HOST)
        self.alice = Credential(world.alice_basic.name, world.alice_basic.secret)

    def to(self, address: str = "bob@example.com", account: int | None = None) -> str:
        return f"{address}.{self.world.alice if account is None else account}.{HOST}"

    def mail(self, body: str = "Dear Bob,\n\nplease read this.\n", **fields: str | None) -> bytes:
        """A mail whose fields can be changed, left out (None) or added."""
        given = {
            "From": "Alice <alice@example.org>", "To": f"Bob <{self.to()}>", "Subject": "Notice of default", "Message-ID": "<1@example.org>",
            "Date": format_datetime(self.world.clock.real_at),
            **{name.replace("_", "-"): value for name, value in fields.items()},
        }  # fmt: skip
        head = "".join(f"{name}: {value}\n" for name, value in given.items() if value is not None)
        return (head + "\n" + body).replace("\n", "\r\n").encode()

    def signed(self, octets: bytes, domain: str = "example.org", **options: Any) -> bytes:
        options = {"canonicalize": (b"relaxed", b"relaxed"), **options}
        pem = options.pop("pem", key()[0])
        return dkim.sign(octets, b"s1", domain.encode(), pem, **options) + octets

    async def take(self, octets: bytes, *recipients: str, credential: Credential | None = None) -> list[str]:
        return await self.gateway.take(credential, recipients or [self.to()], octets)

    async def by_alice(self, octets: bytes, *recipients: str) -> list[str]:
        return await self.take(octets, *recipients, credential=self.alice)

    async def refused(self, octets: bytes, *recipients: str, credential: Credential | None = None) -> str:
        before = await self.count()
        with pytest.raises(Refused) as refused:
            await self.take(octets, *recipients, credential=credential)
        assert await self.count() == before
        return refused.value.reply

    async def count(self, table: str = "tickets") -> int:
        return await self.service.pool.fetchval(f"select count(*) from {table}")

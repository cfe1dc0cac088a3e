"""Opens an SMTP session: connection, greeting, EHLO, TLS, credentials.

For transports. Clauses: RFC 5321 3.1 and 3.2, RFC 3207 (STARTTLS), RFC 4954 (AUTH), RFC 7435 (opportunistic
security), RFC 6125 6.4 (names of a certificate).
"""

import asyncio
import os
import ssl
from collections.abc import Iterator, Sequence
from functools import cache
from hashlib import sha256

from aiosmtplib.esmtp import parse_esmtp_extensions
from cryptography import x509
from pybase64 import b64encode

from sealpost.mail import dane
from sealpost.mail.session import MUST, Over, Peer, Session, Verdict
from sealpost.mail.transport import By, Line, Presented, Tls, Why
from sealpost.mail.wire import Unheard, Wire

MOST_CERTIFICATES = 10
"""Of a chain, that are kept."""
MOST_OCTETS = 65_536
"""Of one of them; the largest that anybody issues, with hash-based signatures, have some 50,000."""
_CREDENTIALS = b"(credentials)"


async def connect(peer: Peer, log: list[Line]) -> Session:
    """A bare connection, before the greeting.

    Raises:
        Over: delayed, unreachable: no connection within the time.
    """
    loop = asyncio.get_running_loop()
    for address in peer.addresses or (peer.host,):
        try:
            async with asyncio.timeout(peer.timeouts.connect):
                _, wire = await loop.create_connection(lambda: Wire(peer.clock, log), address, peer.port)
        except (OSError, TimeoutError, UnicodeError) as error:
            log.append(Line(By.client, peer.clock(), _no_connection(address, peer.port, error)))
            continue
        return Session(wire, peer, address=wire.address)
    raise Over(Verdict("delayed", "connect", "unreachable"))


def _no_connection(address: str, port: int, error: Exception) -> bytes:
    """A remark in the transcript: nobody spoke, but it was tried."""
    if isinstance(error, TimeoutError):
        why = "timed out"
    else:
        number = getattr(error, "errno", None) or 0
        why = os.strerror(number) if number > 0 else "no such address"
    return f"(no connection to {address} port {port}: {why})".encode()


async def open_session(session: Session, *, plain: bool = False) -> None:
    """Greeting, EHLO, STARTTLS and EHLO again, AUTH: as the peer is set up and the server offers.

    Args:
        session: fresh from ``connect``.
        plain: leave STARTTLS out, after a handshake that failed on an opportunistic connection.

    Raises:
        Over: a refusal, or a demand of ours that the server does not meet.
        Unheard: no usable answer; ``session.stage`` says where.
    """
    await session.hear("greeting", 2, session.peer.timeouts.greeting)
    await _greet(session)
    if session.peer.tls != "none" and not plain:
        await _encrypt(session)
    if session.peer.username is not None:
        await _log_in(session)
    session.opening = tuple(session.wire.log)


async def _greet(session: Session) -> None:
    name = session.peer.our_name.encode("ascii")
    try:
        reply = await session.ask("ehlo", b"EHLO " + name)
    except Over as over:
        if over.verdict.reply is None or over.verdict.reply.code // 100 != 5:
            raise
        await session.ask("ehlo", b"HELO " + name)  # RFC 5321 3.2: a server without extensions
        session.extensions, session.logins = {}, []
        return
    session.extensions, session.logins = parse_esmtp_extensions(reply.text)


async def _encrypt(session: Session) -> None:
    required = session.peer.tls in MUST
    if "starttls" not in session.extensions:
        if required:
            raise Over(
                Verdict(
                    "delayed",
                    "starttls",
                    "policy",
                    why=Why("tls-not-offered", "TLS is demanded, and the server does not offer it"),
                )
            )
        return
    try:
        await session.ask("starttls", b"STARTTLS")
    except Over as over:
        if required or (
            over.verdict.reply and over.verdict.reply.code == 421
        ):  # it ends the conversation (RFC 5321 3.8)
            raise
        return
    await _shake_hands(session)
    session.tls = _tls_facts(session.wire, session.peer.host)
    _check_dane(session)
    await _greet(session)  # what was said before the handshake counts no more (RFC 3207 4.2)


async def _shake_hands(session: Session) -> None:
    """Whatever ends it is the server's matter, also a name or a certificate that Python's ``ssl`` cannot decode."""
    try:
        peer = session.peer
        await session.wire.encrypt(_context(peer), peer.sni or peer.host, peer.timeouts.tls)
    except (
        ValueError
    ) as error:  # UnicodeError too: a name with an empty or too long label cannot stand in the handshake
        raise Unheard("no TLS") from error


def _check_dane(session: Session) -> None:
    """RFC 7672 3: the certificate must be one that the domain's owner published.

    Raises:
        Over: delayed, policy: it is not; not a byte of the mail has been written.
    """
    peer = session.peer
    if peer.tls != "dane":
        return
    why = dane.verify(peer.tlsa, session.wire.chain, peer.names, peer.clock())
    if why is not None:
        told = f"the certificate is not what the DNS says (DANE): {why}"
        session.wire.note(told.encode())
        raise Over(Verdict("delayed", "starttls", "policy", why=Why("dane-mismatch", told)))


def _context(peer: Peer) -> ssl.SSLContext:
    if peer.tls == "required":
        return peer.context or _verifying()
    return _any_certificate() if peer.context is None or peer.tls == "dane" else peer.context


@cache
def _verifying() -> ssl.SSLContext:
    return ssl.create_default_context()


@cache
def _any_certificate() -> ssl.SSLContext:
    """RFC 7435: encryption to whoever answers is better than none; DANE looks at the certificate itself."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _tls_facts(wire: Wire, host: str) -> Tls | None:
    tls = wire.tls
    if tls is None:
        return None
    certificate = tls.getpeercert(binary_form=True)
    cipher = tls.cipher()
    fingerprint = sha256(certificate).digest() if certificate else None
    shown = wire.chain
    return Tls(
        version=tls.version() or "",
        cipher=cipher[0] if cipher else "",
        certificate_sha256=fingerprint,
        name_check=_name_check(certificate, host),
        chain=tuple(_kept(shown, certificate)),
        shown=len(shown),
    )


def _kept(shown: Sequence[bytes], own: bytes | None) -> Iterator[Presented]:
    """The beginning of a chain, as far as it is kept: a server may show as much as it likes, and what it likes.

    It begins with the server's own certificate, or is none.
    """
    if not shown or shown[0] != own:
        return
    for octets in shown[:MOST_CERTIFICATES]:
        if len(octets) > MOST_OCTETS:
            return
        yield Presented(sha256(octets).digest(), octets)


def _name_check(certificate: bytes | None, host: str) -> str:
    """RFC 6125 6.4: names of the certificate against the name we asked for; a wildcard stands for one label.

    It is only recorded, so a certificate that cannot be read has no names, and the mail goes on.
    """
    try:
        parsed = x509.load_der_x509_certificate(certificate or b"")
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        known = {name.lower().rstrip(".") for name in names.get_values_for_type(x509.DNSName)}
        known |= {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    except (*dane.UNREADABLE, x509.ExtensionNotFound):
        return "none"
    wanted = host.lower().rstrip(".")
    return "match" if known & {wanted, "*." + wanted.partition(".")[2]} else "mismatch"


async def _log_in(session: Session) -> None:
    """Credentials never travel in clear unless the operator said that there is no TLS."""
    peer, name, secret = session.peer, session.peer.username or "", session.peer.password or ""
    if session.tls is None and peer.tls != "none":
        raise Over(Verdict("delayed", "auth", "policy"))
    if "plain" in session.logins or "login" not in session.logins:
        token = b64encode(f"\0{name}\0{secret}".encode())
        await session.ask("auth", b"AUTH PLAIN " + token, shown=b"AUTH PLAIN " + _CREDENTIALS)
        return
    await session.ask("auth", b"AUTH LOGIN", 3)
    await session.ask("auth", b64encode(name.encode()), 3, shown=_CREDENTIALS)
    await session.ask("auth", b64encode(secret.encode()), shown=_CREDENTIALS)

"""One mail through an open SMTP session.

For transports. Clauses: RFC 5321 3.3 (order), RFC 1870 (SIZE), RFC 6152 (8BITMIME), RFC 6531 (SMTPUTF8), RFC 2920
(PIPELINING, of MAIL and RCPT only, so that no data is ever offered for a refused recipient), RFC 3461 and 6533 (DSN).
"""

import re
from collections.abc import Awaitable, Callable

from sealpost.mail.session import Over, Session, Verdict
from sealpost.mail.transport import Envelope, Why
from sealpost.mail.wire import Unheard

_SIZE = re.compile("[0-9]{1,20}")  # RFC 1870 3
_EMBEDDED = str.maketrans({special: rf"\x{{{ord(special):02X}}}" for special in "\\+="})


async def send(session: Session, envelope: Envelope, mail: bytes, before_dot: Callable[[], Awaitable[None]]) -> Verdict:
    """One mail through an open session.

    Args:
        session: open, and idle.
        envelope: checked by ``check_handover``, as the mail is.
        mail: the exact bytes, unstuffed.
        before_dot: awaited with all written but the final dot.

    Returns:
        The verdict of the server's answer to the dot.

    Raises:
        Over: the attempt ended before.
        Unheard: no usable answer; ``session.stage`` says where.
    """
    times = session.peer.timeouts
    session.stage, session.mails = "mail", session.mails + 1
    await _offer(session, *_commands(session, envelope, mail))
    session.stage = "data"
    session.wire.say(b"DATA")
    await session.hear("data", 3, times.data)
    session.stage = "body"
    await session.wire.pour(_stuffed(mail), times.block)
    await _listen(session)
    await before_dot()
    await _listen(session)
    _put_dot(session, len(mail))
    reply = await session.hear("dot", 2, times.dot)
    return session.judged(reply).verdict


async def _offer(session: Session, mail: bytes, rcpt: bytes) -> None:
    if "pipelining" not in session.extensions:
        await session.ask("mail", mail)
        await session.ask("rcpt", rcpt)
        return
    session.wire.say(mail)
    session.wire.say(rcpt)
    await session.hear("mail", 2, session.peer.timeouts.command)
    await session.hear("rcpt", 2, session.peer.timeouts.command)


def _stuffed(mail: bytes) -> bytes:
    """RFC 5321 4.5.2."""
    return (b"." if mail.startswith(b".") else b"") + mail.replace(b"\r\n.", b"\r\n..")


async def _listen(session: Session) -> None:
    """Before the dot a server has nothing to say; if it speaks, it refuses, and a 250 from there is worth nothing."""
    if session.wire.unread:
        raise session.judged(await session.wire.reply(session.peer.timeouts.command))
    if not session.wire.alive:
        raise Unheard("the connection has ended")


def _put_dot(session: Session, octets: int) -> None:
    """From the moment that the dot is written, silence means *uncertain*; a crash here leaves the caller's mark."""
    session.wire.say(b".", shown=b"(%d octets, final dot)" % octets)
    session.stage = "dot"


def _commands(session: Session, envelope: Envelope, mail: bytes) -> tuple[bytes, bytes]:
    """MAIL and RCPT with the parameters that the server offers.

    Raises:
        Over: failed, because the server cannot take this mail: too large, or its address or bytes beyond ASCII.
    """
    offered = session.extensions
    utf8 = envelope.smtputf8 or not (envelope.mail_from + envelope.rcpt_to).isascii()
    eight_bit = utf8 or not mail.isascii()
    _check_offered(offered, len(mail), utf8=utf8, eight_bit=eight_bit)
    verified = envelope.tls_verified and _requires_tls(session)
    sender, recipient = [f"MAIL FROM:<{envelope.mail_from}>"], [f"RCPT TO:<{envelope.rcpt_to}>"]
    if "size" in offered:
        sender.append(f"SIZE={len(mail)}")
    if eight_bit:
        sender.append("BODY=8BITMIME")
    if utf8:
        sender.append("SMTPUTF8")
    if verified:
        sender.append("REQUIRETLS")
    if "dsn" in offered:
        sender += ["RET=HDRS", *([f"ENVID={_xtext(envelope.envid)}"] if envelope.envid else [])]
        recipient += ["NOTIFY=SUCCESS,FAILURE,DELAY", f"ORCPT={_original(envelope.rcpt_to)}"]
    return " ".join(sender).encode(), " ".join(recipient).encode()


def _requires_tls(session: Session) -> bool:
    """Whether the demand for verified TLS can be passed on to this server (RFC 8689).

    Raises:
        Over: the connection is not verified; or a relay is to carry the mail on and cannot promise it.
    """
    if session.tls is None or session.peer.tls not in {"required", "dane"}:
        raise Over(
            Verdict(
                "delayed",
                "mail",
                "policy",
                why=Why("not-verified", "the connection is not verified, and the sender demands that"),
            )
        )
    offered = "requiretls" in session.extensions
    if session.peer.relay and not offered:
        raise Over(
            Verdict(
                "failed",
                "mail",
                "policy",
                None,
                "5.7.30",
                Why("not-promised", "the relay cannot promise verified TLS (REQUIRETLS)"),
            )
        )
    return offered


def _check_offered(offered: dict[str, str], size: int, *, utf8: bool, eight_bit: bool) -> None:
    if utf8 and "smtputf8" not in offered:
        raise Over(
            Verdict(
                "failed",
                "mail",
                "other",
                None,
                "5.6.7",
                Why("ascii-address", "the server takes no addresses beyond ASCII (SMTPUTF8)"),
            )
        )
    if eight_bit and "8bitmime" not in offered:
        raise Over(
            Verdict(
                "failed",
                "mail",
                "other",
                None,
                "5.6.3",
                Why("ascii-mail", "the server takes no mail beyond ASCII (8BITMIME)"),
            )
        )
    limit = offered.get("size", "").strip()
    if _SIZE.fullmatch(limit) and 0 < int(limit) < size:
        raise Over(Verdict("failed", "mail", "too_large", None, "5.3.4", Why("size", "larger than the server's SIZE")))


def _xtext(text: str) -> str:
    """RFC 3461 4."""
    return "".join(c if "!" <= c <= "~" and c not in "+=" else f"+{ord(c):02X}" for c in text)


def _original(address: str) -> str:
    """RFC 3461 4.2; beyond ASCII as UTF-8 itself, which SMTPUTF8 allows (utf-8-addr-unitext of RFC 6533 3)."""
    return f"rfc822;{_xtext(address)}" if address.isascii() else f"utf-8;{address.translate(_EMBEDDED)}"

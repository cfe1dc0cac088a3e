"""Every stage of an SMTP conversation with every kind of answer, and what the transcript says about it."""

import asyncio
import socket
import ssl
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from sealpost.mail import connections
from sealpost.mail.letter import UnsafeMail
from sealpost.mail.opening import _name_check
from sealpost.mail.session import Timeouts
from sealpost.mail.transport import Envelope

MAIL = b"Subject: x\r\n\r\nHello Bob\r\n.\r\n..two\r\n"
OFFER = [b"MAIL FROM:<b+token@bounce.sealpost.test>"]
STAGES = ("greeting", "ehlo", "mail", "rcpt", "data", "dot")
REFUSALS = {
    b"421 4.3.2 closing\r\n": "delayed",
    b"450 4.2.1 busy\r\n": "delayed",
    b"451 4.7.1 Greylisted\r\n": "delayed",
    b"452-4.2.2 mailbox\r\n452 4.2.2 full\r\n": "delayed",
    b"500 5.5.2 what\r\n": "failed",
    b"550 5.1.1 no such user\r\n": "failed",
    b"552 5.2.2 full\r\n": "failed",
    b"554 5.7.1 spam\r\n": "failed",
    b"550\r\n": "failed",
}
NOT_WHOLE = b"(the line before is not whole)"
ENDS = {
    "close": "close",
    "garbage": b"HTTP/1.1 400 Bad Request\r\n",
    "no code": b"25 0 ok\r\n",
    "codes that disagree": b"250-yes\r\n550 no\r\n",
    "huge line": b"250 " + b"x" * 1_000_000 + b"\r\n",
    "endless reply": b"250-more\r\n" * 5000,
    "binary": bytes(range(256)) + b"\r\n",
    "half a line": b"250 2.0.0 Ok: que...",
}


async def nothing() -> None:
    """A mark that is made without effort."""


class Once(dict[str, bytes | str]):
    """A script of answers that are given once each."""

    def get(self, stage: str, usual: Any = None, /) -> Any:
        return self.pop(stage, usual)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("answer", REFUSALS, ids=lambda answer: answer[:12].decode().strip())
async def test_refusal_at_each_stage(stage, answer, scripted, relays, envelope):
    server = await scripted({stage: answer})
    got = await relays(server.port).hand_over(envelope, MAIL, nothing)
    about_us = stage in {"greeting", "ehlo", "mail"}  # and not about the recipient, so never final
    assert (got.outcome, got.stage, got.code) == ("delayed" if about_us else REFUSALS[answer], stage, int(answer[:3]))
    assert got.final == b"\n".join(answer.split(b"\r\n")[:-1])
    assert got.final.rpartition(b"\n")[2] in [line.line for line in got.transcript if line.by == "s"]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("end", ENDS)
async def test_no_usable_answer_at_each_stage(stage, end, scripted, relays, envelope):
    server = await scripted({stage: ENDS[end]})
    got = await relays(server.port).hand_over(envelope, MAIL, nothing)
    assert (got.outcome, got.stage) == ("uncertain" if stage == "dot" else "delayed", stage)
    assert (got.code, got.final) == (None, b"")
    if end == "half a line":
        assert [line.line for line in got.transcript[-2:]] == [b"250 2.0.0 Ok: que...", NOT_WHOLE]
    assert all(len(line.line) <= 4096 for line in got.transcript)
    assert len(got.transcript) < 200


@pytest.mark.parametrize("stage", STAGES)
async def test_silence_at_each_stage(stage, scripted, relays, envelope):
    server = await scripted({stage: "silence"})
    short = Timeouts(connect=5, greeting=0.2, command=0.2, data=0.2, block=0.2, dot=0.2)
    got = await relays(server.port, timeouts=short).hand_over(envelope, MAIL, nothing)
    assert (got.outcome, got.stage) == ("uncertain" if stage == "dot" else "delayed", stage)
    assert got.reason == ("other" if stage == "dot" else "unreachable")


async def test_nobody_listens(relays, envelope):
    with socket.socket() as bound:  # bound but not listening: the port is ours, and refuses
        bound.bind(("127.0.0.1", 0))
        got = await relays(bound.getsockname()[1]).hand_over(envelope, MAIL, nothing)
    assert (got.outcome, got.stage, got.reason, got.address) == ("delayed", "connect", "unreachable", None)
    assert [line.line.endswith(b": Connection refused)") for line in got.transcript] == [True]


async def test_accepted_with_a_literal_transcript(scripted, relays, envelope):
    ticks, start = count(), datetime(2026, 11, 23, tzinfo=UTC)
    server = await scripted({"dot": b"250-2.0.0 first\r\n250 2.0.0 \xff Ok:  queued\t\r\n"})
    got = await relays(server.port, clock=lambda: start + timedelta(seconds=next(ticks))).hand_over(
        envelope, MAIL, nothing
    )
    assert (got.outcome, got.stage, got.code, got.enhanced, got.reason) == ("accepted", "dot", 250, "2.0.0", "accepted")
    assert got.final == b"250-2.0.0 first\n250 2.0.0 \xff Ok:  queued\t"
    assert [(line.by, line.line) for line in got.transcript] == [
        ("s", b"220 mx.test ESMTP"),
        ("c", b"EHLO out.sealpost.test"),
        ("s", b"250-mx.test"),
        ("s", b"250-PIPELINING"),
        ("s", b"250-SIZE 1000000"),
        ("s", b"250 ENHANCEDSTATUSCODES"),
        ("c", b"MAIL FROM:<b+token@bounce.sealpost.test> SIZE=35"),
        ("c", b"RCPT TO:<bob@example.com>"),
        ("s", b"250 2.1.0 Ok"),
        ("s", b"250 2.1.5 Ok"),
        ("c", b"DATA"),
        ("s", b"354 go on"),
        ("c", b"(35 octets, final dot)"),
        ("s", b"250-2.0.0 first"),
        ("s", b"250 2.0.0 \xff Ok:  queued\t"),
    ]
    assert [line.at for line in got.transcript] == sorted(line.at for line in got.transcript)
    assert got.ended_at == got.transcript[-1].at
    assert (got.address, got.tls, got.our_name) == ("127.0.0.1", None, "out.sealpost.test")
    assert server.mails == [b"Subject: x\r\n\r\nHello Bob\r\n..\r\n...two\r\n"]


async def test_the_mark_is_made_when_all_but_the_dot_is_out(scripted, relays, envelope):
    server = await scripted({})
    seen: list[tuple[bytes, int]] = []

    async def mark() -> None:
        seen.append((server.commands[-1], len(server.mails)))

    await relays(server.port).hand_over(envelope, MAIL, mark)
    assert seen == [(b"DATA", 0)]
    assert len(server.mails) == 1


async def test_a_mark_that_fails_sends_no_dot(scripted, relays, envelope):
    server = await scripted({})

    async def mark() -> None:
        raise LookupError("the database is away")

    relay = relays(server.port)
    with pytest.raises(LookupError):
        await relay.hand_over(envelope, MAIL, mark)
    await server.ended[0].wait()
    assert server.mails == []
    assert (await relay.hand_over(envelope, MAIL, nothing)).outcome == "accepted"
    assert server.connections == 2


async def test_no_mark_without_a_mail_to_finish(scripted, relays, envelope):
    server = await scripted({"rcpt": b"550 5.1.1 unknown\r\n"})

    async def mark() -> None:
        pytest.fail("the mark was made")

    assert (await relays(server.port).hand_over(envelope, MAIL, mark)).reason == "unknown"


@pytest.mark.parametrize("said", [b"250 2.0.0 Ok: queued as early\r\n", b"421 4.3.2 closing\r\n", b"half a line"])
async def test_what_a_server_says_during_the_mark_is_no_acceptance(said, scripted, relays, envelope):
    server, heard = await scripted({}), asyncio.Semaphore(0)

    def clock() -> datetime:  # read for each line that arrives
        heard.release()
        return datetime.now(UTC)

    async def mark() -> None:
        while not heard.locked():
            await heard.acquire()
        server.writers[0].write(said)
        server.writers[0].close()
        await heard.acquire()
        if b"\r\n" not in said:  # once for the half line, once for its end
            await heard.acquire()

    got = await relays(server.port, clock=clock).hand_over(envelope, MAIL, mark)
    assert (got.outcome, got.stage, server.mails) == ("delayed", "body", [])
    left = [said.strip()] if b"\r\n" in said else [said, NOT_WHOLE]
    assert [line.line for line in got.transcript[-len(left) :]] == left


async def test_a_250_before_the_dot_is_worth_nothing(scripted, relays, envelope):
    server = await scripted({"data": b"354 go on\r\n250 2.0.0 Ok: queued as early\r\n"})
    marks: list[bool] = []

    async def mark() -> None:
        marks.append(True)

    got = await relays(server.port).hand_over(envelope, MAIL, mark)
    assert (got.outcome, got.stage, marks, server.mails) == ("delayed", "body", [], [])


async def test_a_refusal_during_the_mail_is_heard(scripted, relays, envelope):
    server = await scripted({"data": b"354 go on\r\n552 5.3.4 too big\r\n"})
    got = await relays(server.port).hand_over(envelope, MAIL, nothing)
    assert (got.outcome, got.stage, got.reason) == ("failed", "body", "too_large")


async def test_connection_is_used_again_and_its_opening_is_in_each_transcript(scripted, relays, envelope):
    server = await scripted({})
    relay = relays(server.port)
    first = await relay.hand_over(envelope, MAIL, nothing)
    second = await relay.hand_over(envelope, MAIL, nothing)
    assert server.connections == 1
    assert [line.line for line in first.transcript] == [line.line for line in second.transcript]
    assert first.transcript[0] == second.transcript[0]
    assert second.transcript[-1].at > first.transcript[-1].at


async def test_a_connection_that_the_server_closed_meanwhile_is_replaced(scripted, relays, envelope):
    server = await scripted({})
    relay = relays(server.port)
    await relay.hand_over(envelope, MAIL, nothing)
    server.writers[0].write(b"421 4.4.2 idle too long\r\n")
    server.writers[0].close()
    await server.ended[0].wait()
    assert (await relay.hand_over(envelope, MAIL, nothing)).outcome == "accepted"
    assert (server.connections, len(server.mails)) == (2, 2)


@pytest.mark.parametrize(
    ("goodbye", "left"),
    [
        (b"421 4.7.0 too many mails\r\n", [b"421 4.7.0 too many mails", b"QUIT", b"221 2.0.0 Bye"]),
        (b"421-4.7.0 too\r\n421 4.7.0 many\r\n", [b"421-4.7.0 too", b"421 4.7.0 many", b"QUIT", b"221 2.0.0 Bye"]),
        (b"421 4.7.0 t...", [b"421 4.7.0 t...", NOT_WHOLE]),
        ("close", []),
    ],
)
async def test_what_a_replaced_connection_said_is_in_that_transcript_alone(goodbye, left, scripted, relays, envelope):
    ticks, start = count(), datetime(2026, 11, 23, tzinfo=UTC)
    server = await scripted(Once({"greeting": b"220 the first\r\n", "ehlo": PLAIN}))
    relay = relays(server.port, clock=lambda: start + timedelta(seconds=next(ticks)))
    first = await relay.hand_over(envelope, MAIL, nothing)
    server.script["mail"] = goodbye
    second = await relay.hand_over(envelope, MAIL, nothing)
    third = await relay.hand_over(envelope, MAIL, nothing)
    assert (second.outcome, server.connections, len(server.mails)) == ("accepted", 2, 3)
    lines = [line.line for line in second.transcript]
    before = [line.line for line in first.transcript[:3]] + OFFER + left
    assert before[0] == b"220 the first"
    assert lines == before + [line.line for line in third.transcript]
    assert third.transcript[0].line == b"220 mx.test ESMTP"
    assert [line.at for line in second.transcript] == sorted(line.at for line in second.transcript)
    assert first.ended_at < second.started_at < second.transcript[3].at


async def test_what_a_replaced_connection_said_is_told_where_no_other_came_about(scripted, relays, envelope):
    server = await scripted(Once({"ehlo": PLAIN}))
    relay = relays(server.port)
    await relay.hand_over(envelope, MAIL, nothing)
    server.script |= {"mail": b"421 4.7.0 too many mails\r\n", "greeting": b"421 4.7.0 go away\r\n"}
    got = await relay.hand_over(envelope, MAIL, nothing)
    assert (got.outcome, got.stage, got.final) == ("delayed", "greeting", b"421 4.7.0 go away")
    told = [line.line for line in got.transcript if line.line.startswith(b"421")]
    assert told == [b"421 4.7.0 too many mails", b"421 4.7.0 go away"]


async def test_a_connection_that_was_idle_for_long_is_not_trusted(scripted, relays, envelope, monkeypatch):
    monkeypatch.setattr(connections, "IDLE_SECONDS", -1)
    server = await scripted({})
    relay = relays(server.port)
    await relay.hand_over(envelope, MAIL, nothing)
    assert (await relay.hand_over(envelope, MAIL, nothing)).outcome == "accepted"
    assert server.connections == 2


@pytest.mark.parametrize("limit", [1, 3])
async def test_a_connection_is_used_a_limited_number_of_times(limit, scripted, relays, envelope, monkeypatch):
    monkeypatch.setattr(connections, "_MAILS_PER_CONNECTION", limit)
    server = await scripted({})
    relay = relays(server.port)
    for _ in range(6):
        assert (await relay.hand_over(envelope, MAIL, nothing)).outcome == "accepted"
    assert server.connections == 6 / limit
    assert server.commands.count(b"QUIT") == 6 / limit


async def test_no_more_connections_than_allowed(scripted, relays, envelope):
    server = await scripted({})
    relay = relays(server.port, max_connections=3)
    got = await asyncio.gather(*(relay.hand_over(envelope, MAIL, nothing) for _ in range(20)))
    assert {one.outcome for one in got} == {"accepted"}
    assert server.connections <= 3
    assert len(server.mails) == 20


PLAIN = b"250 mx.test\r\n"
FULL = b"250-mx.test\r\n250-SIZE 100\r\n250-8BITMIME\r\n250-DSN\r\n250 SMTPUTF8\r\n"


async def test_parameters_follow_what_is_offered(scripted, relays):
    server = await scripted({"ehlo": FULL})
    envelope = Envelope("p+1@bounce.test", "bób@example.com", smtputf8=True, envid="a+b=c")
    assert (await relays(server.port).hand_over(envelope, b"x\r\n", nothing)).outcome == "accepted"
    assert [line.decode() for line in server.commands[1:3]] == [
        "MAIL FROM:<p+1@bounce.test> SIZE=3 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb+3Dc",
        "RCPT TO:<bób@example.com> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=utf-8;bób@example.com",
    ]


@pytest.mark.parametrize(
    ("address", "original"),
    [
        ("bob@example.com", "rfc822;bob@example.com"),
        ("bob+tag@example.com", "rfc822;bob+2Btag@example.com"),
        ("a=b@example.com", "rfc822;a+3Db@example.com"),
        (r"b\o{b}@example.com", r"rfc822;b\o{b}@example.com"),
        ("+2B@example.com", "rfc822;+2B2B@example.com"),
        ("bób@example.com", "utf-8;bób@example.com"),
        ("bób+tag@example.com", r"utf-8;bób\x{2B}tag@example.com"),
        ("bób=tag@example.com", r"utf-8;bób\x{3D}tag@example.com"),
        (r"b\ób@example.com", r"utf-8;b\x{5C}ób@example.com"),
        (r"\x{2B}+@exämple.com", r"utf-8;\x{5C}x{2B}\x{2B}@exämple.com"),
        ("📮+=@例.test", "utf-8;📮\\x{2B}\\x{3D}@例.test"),
    ],
)
async def test_the_original_recipient_can_be_read_back(address, original, scripted, relays):
    server = await scripted({"ehlo": FULL})
    envelope = Envelope("p@bounce.test", address, smtputf8=False, envid="")
    assert (await relays(server.port).hand_over(envelope, b"x\r\n", nothing)).outcome == "accepted"
    assert server.commands[2].decode() == f"RCPT TO:<{address}> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT={original}"


@pytest.mark.parametrize(
    ("size", "outcome"),
    [
        (b"SIZE 4", "failed"),
        (b"SIZE 5", "accepted"),
        (b"SIZE 00000000000000000004", "failed"),
        (b"SIZE 0", "accepted"),
        (b"SIZE", "accepted"),
        (b"SIZE -1", "accepted"),
        (b"SIZE 1e0", "accepted"),
        ("SIZE ٤".encode(), "accepted"),
        (b"SIZE " + b"9" * 4080, "accepted"),
        (b"SIZE " + b"0" * 4000 + b"1", "accepted"),  # no number of RFC 1870's
    ],
    ids=lambda one: one[:12].decode() if isinstance(one, bytes) else "",
)
async def test_the_size_that_a_server_takes(size, outcome, scripted, relays, envelope):
    server = await scripted({"ehlo": b"250-mx.test\r\n250 " + size + b"\r\n"})
    assert (await relays(server.port).hand_over(envelope, b"abc\r\n", nothing)).outcome == outcome


@pytest.mark.parametrize(
    ("ehlo", "recipient", "mail", "reason", "enhanced"),
    [
        (PLAIN, "bób@example.com", b"x\r\n", "other", "5.6.7"),
        (PLAIN, "bob@example.com", "é\r\n".encode(), "other", "5.6.3"),
        (FULL, "bob@example.com", b"x" * 99 + b"\r\n", "too_large", "5.3.4"),
    ],
)
async def test_what_the_server_cannot_take_is_never_sent(ehlo, recipient, mail, reason, enhanced, scripted, relays):
    server = await scripted({"ehlo": ehlo})
    envelope = Envelope("p@bounce.test", recipient, smtputf8=False, envid="")
    got = await relays(server.port).hand_over(envelope, mail, nothing)
    assert (got.outcome, got.code, got.reason, got.enhanced) == ("failed", None, reason, enhanced)
    assert [command for command in server.commands if command.startswith(b"MAIL")] == []


async def test_a_server_without_extensions(scripted, relays, envelope):
    server = await scripted({"ehlo": b"250 hello\r\n"})
    await relays(server.port).hand_over(envelope, MAIL, nothing)
    assert server.commands[1:3] == [b"MAIL FROM:<b+token@bounce.sealpost.test>", b"RCPT TO:<bob@example.com>"]


@pytest.mark.parametrize(
    "address",
    [
        "bob@example.com>\r\nRCPT TO:<charlie@example.com",
        "bob@example.com\n",
        "bob@example.com> ORCPT=x",
        "bob example@example.com",
        "<bob@example.com",
        "bob",
        "",
        "b\0b@example.com",
        "bob\u2028@example.com",
        "b\x85b@example.com",
    ],
)
async def test_an_address_cannot_carry_a_command(address, scripted, relays):
    server = await scripted({})
    for envelope in (
        Envelope("p@bounce.test", address, smtputf8=True, envid=""),
        Envelope(address, "bob@example.com", smtputf8=True, envid=""),
    ):
        with pytest.raises(UnsafeMail):
            await relays(server.port).hand_over(envelope, MAIL, nothing)
    assert server.connections == 0


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\r\n", b"\n\r", b"\0\r\n", b"x", b"\r\n.\n\r\n"])
async def test_bytes_with_other_line_ends_are_refused(end, scripted, relays, envelope):
    server = await scripted({})
    with pytest.raises(UnsafeMail):
        await relays(server.port).hand_over(envelope, b"Subject: x\r\n\r\nHello" + end, nothing)
    assert server.connections == 0


WITH_TLS = b"250-mx.test\r\n250-AUTH PLAIN LOGIN\r\n250 STARTTLS\r\n"


async def test_tls_facts(scripted, relays, envelope, server_tls):
    server = await scripted({"ehlo": WITH_TLS}, server_tls)
    got = await relays(server.port).hand_over(envelope, MAIL, nothing)
    assert got.outcome == "accepted"
    assert got.tls is not None
    assert (got.tls.version, got.tls.name_check, len(got.tls.certificate_sha256 or b"")) == ("TLSv1.3", "match", 32)
    assert [line.line[:4] for line in got.transcript if line.by == "c"][:3] == [b"EHLO", b"STAR", b"EHLO"]


async def test_tls_with_any_number_of_writes_does_not_stall(scripted, relays, envelope, server_tls):
    """At a write buffer limit of zero the event loop's TLS paused at each second write: it depended on the number."""
    for ehlo in (WITH_TLS, b"250-mx.test\r\n250-PIPELINING\r\n250-DSN\r\n250 STARTTLS\r\n"):
        server = await scripted({"ehlo": ehlo}, server_tls)
        for _ in range(4):
            got = await relays(server.port, timeouts=Timeouts(block=1)).hand_over(envelope, MAIL, nothing)
            assert got.outcome == "accepted"
        relay = relays(server.port, timeouts=Timeouts(block=1))
        assert [(await relay.hand_over(envelope, MAIL, nothing)).outcome for _ in range(4)] == ["accepted"] * 4


async def test_another_name_in_the_certificate_is_recorded(scripted, relays, envelope, server_tls):
    server = await scripted({"ehlo": WITH_TLS}, server_tls)
    got = await relays(server.port, host="localhost").hand_over(envelope, MAIL, nothing)
    assert got.outcome == "accepted"
    assert got.tls is not None
    assert got.tls.name_check == "mismatch"


@pytest.mark.parametrize(
    ("host", "result"),
    [
        ("mx.test", "match"), ("MX.test.", "match"), ("127.0.0.1", "match"), ("a.wild.test", "match"),
        ("wild.test", "mismatch"), ("a.b.wild.test", "mismatch"), ("*.wild.test", "match"), ("test", "mismatch"),
        ("127.0.0.2", "mismatch"), ("", "mismatch"),
    ],
)  # fmt: skip
def test_names_in_a_certificate(host, result, certificate: Path):
    der = ssl.PEM_cert_to_DER_cert(certificate.read_text()[certificate.read_text().index("-----BEGIN CERT") :])
    assert _name_check(der, host) == result
    assert _name_check(None, host) == _name_check(b"rubbish", host) == "none"


async def test_required_tls_with_a_known_authority(scripted, relays, envelope, server_tls, certificate: Path):
    server = await scripted({"ehlo": WITH_TLS}, server_tls)
    context = ssl.create_default_context(cafile=str(certificate))
    got = await relays(server.port, tls="required", context=context).hand_over(envelope, MAIL, nothing)
    assert got.outcome == "accepted"


@pytest.mark.parametrize("ehlo", [WITH_TLS, PLAIN], ids=["unknown authority", "stripped"])
async def test_required_tls_sends_nothing_in_clear(ehlo, scripted, relays, envelope, server_tls):
    server = await scripted({"ehlo": ehlo}, server_tls)
    got = await relays(server.port, tls="required").hand_over(envelope, MAIL, nothing)
    assert (got.outcome, got.stage) == ("delayed", "starttls")
    assert not any(command.startswith(b"MAIL") for command in server.commands)


async def test_plaintext_behind_starttls_is_an_injection(scripted, relays, envelope, server_tls, certificate: Path):
    server = await scripted({"ehlo": WITH_TLS, "starttls": b"220 go\r\n250 injected\r\n"}, server_tls)
    context = ssl.create_default_context(cafile=str(certificate))
    got = await relays(server.port, tls="required", context=context).hand_over(envelope, MAIL, nothing)
    assert (got.outcome, got.stage, got.tls, server.mails) == ("delayed", "starttls", None, [])


async def test_opportunistic_falls_back_when_the_handshake_fails(scripted, relays, envelope):
    server = await scripted({"ehlo": WITH_TLS, "starttls": b"220 go\r\nthis is no handshake\r\n"})
    got = await relays(server.port).hand_over(envelope, MAIL, nothing)
    assert (got.outcome, got.tls, server.connections) == ("accepted", None, 2)
    assert [line.line for line in got.transcript].count(b"STARTTLS") == 1


async def test_credentials_travel_encrypted_and_are_not_written_down(scripted, relays, envelope, server_tls):
    server = await scripted({"ehlo": WITH_TLS}, server_tls)
    got = await relays(server.port, username="alice", password="hunter2").hand_over(envelope, MAIL, nothing)
    assert got.outcome == "accepted"
    assert b"AUTH PLAIN AGFsaWNlAGh1bnRlcjI=" in server.commands
    assert b"AUTH PLAIN (credentials)" in [line.line for line in got.transcript]
    assert not any(b"AGFs" in line.line for line in got.transcript)


async def test_credentials_never_travel_in_clear(scripted, relays, envelope):
    server = await scripted({"ehlo": b"250-mx.test\r\n250 AUTH PLAIN\r\n"})
    got = await relays(server.port, username="alice", password="hunter2").hand_over(envelope, MAIL, nothing)
    assert (got.outcome, got.stage) == ("delayed", "auth")
    assert not any(command.startswith(b"AUTH") for command in server.commands)


async def test_refused_credentials_say_nothing_about_bob(scripted, relays, envelope):
    script: dict[str, bytes | str] = {"ehlo": b"250-mx.test\r\n250 AUTH PLAIN\r\n", "auth": b"535 5.7.8 no\r\n"}
    server = await scripted(script)
    got = await relays(server.port, tls="none", username="a", password="b").hand_over(envelope, MAIL, nothing)
    assert (got.outcome, got.stage, got.code, got.reason) == ("delayed", "auth", 535, "policy")


async def test_a_cancelled_attempt_leaves_no_mail_behind(scripted, relays, envelope):
    server = await scripted({})
    reached = asyncio.Event()

    async def mark() -> None:
        reached.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(relays(server.port).hand_over(envelope, MAIL, mark))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await server.ended[0].wait()
    assert server.mails == []


async def test_a_large_mail_arrives_whole(scripted, relays, envelope):
    server = await scripted({"ehlo": PLAIN})
    mail = b"Subject: x\r\n\r\n" + b"." * 70 + b"\r\n" + b"y" * 76 + b"\r\n" * 3 + (b"z" * 76 + b"\r\n") * 100_000
    assert (await relays(server.port).hand_over(envelope, mail, nothing)).outcome == "accepted"
    assert server.mails[0].replace(b"\r\n..", b"\r\n.") == mail

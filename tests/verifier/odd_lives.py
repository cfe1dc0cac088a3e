"""Lives that are odd and genuine: as the service writes them when servers, networks and processes behave badly."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any

from sealpost.domain.canonical import instant
from tests.verifier.forgeries import DELIVERED, FAILED, OFFERED, REFUSED, TAKEN, UNCERTAIN
from tests.verifier.lives import LIFE, Value, bounce, dialogue, extension_of, lines_of, smtp_of, write_life

Change = Callable[[list[Value]], Any]
DELAYED = ("submitted", "announcement_offered", "announcement_delayed")
QUIT = ("c QUIT", "s 221 2.0.0 Bye")


def _said(value: Value, *lines: str) -> list[Value]:
    """Lines in which all is said at the time of the event."""
    return [{"by": one[0], "at": value["EventTime"], "line": one[2:]} for one in lines]


def _speak(value: Value, *lines: str) -> None:
    lines_of(value)[:] = _said(value, *lines)


def _answer(value: Value, reply: str, reason: str) -> None:
    """The claimed answer, in both places where a failure has its class."""
    smtp_of(value).update({"final": reply, "class": reason})
    smtp_of(value).pop("enhanced", None)
    if "EventReasons" in value:
        value["EventReasons"]["EventReason"][-1]["Code"] = f"https://sealpost.example/evidence/reason#{reason}"


def _kept_connection(all_: list[Value]) -> None:
    """Its greeting is of long before; a goodbye follows the answer."""
    for one in lines_of(all_[TAKEN])[:6]:
        one["at"] = instant(datetime.fromisoformat(one["at"]) - timedelta(days=1))
    lines_of(all_[TAKEN]).extend(_said(all_[TAKEN], *QUIT))


def _second_connection(all_: list[Value]) -> None:
    """The idle one was closed; what it said stays told."""
    first = _said(all_[TAKEN], "s 220 mx.example.com", "c EHLO out.sealpost.example", "s 250 mx.example.com")
    first += _said(all_[TAKEN], "c MAIL FROM:<b@bounce.sealpost.example>", "s 421 4.4.2 idle for too long")
    lines_of(all_[TAKEN])[:0] = first


def _fallback_in_clear(all_: list[Value]) -> None:
    """The handshake failed, and nothing demanded encryption."""
    del smtp_of(all_[TAKEN])["tls"]
    lines = lines_of(all_[TAKEN])
    second = next(number for number, one in enumerate(lines) if one["line"].startswith("220 2.0.0 Ready"))
    lines.insert(second + 1, {**lines[second], "line": "220 mx.example.com ESMTP"})


def _no_answer_to_start_tls(all_: list[Value]) -> None:
    """The server hung up at STARTTLS, and got the mail over a second connection, in clear."""
    del smtp_of(all_[TAKEN])["tls"]
    lines = lines_of(all_[TAKEN])
    answer = next(number for number, one in enumerate(lines) if one["line"].startswith("220 2.0.0 Ready"))
    first = [one for one in deepcopy(lines[:answer]) if not one["line"].startswith("STARTTLS")]
    lines[answer : answer + 1] = first


def _half_an_answer(all_: list[Value]) -> None:
    """The connection ended within the line that might have become the answer."""
    _unheard(all_)
    half = {**lines_of(all_[TAKEN])[-1], "by": "s", "line": "250 2.0.0 O"}
    lines_of(all_[TAKEN]).append(half)
    if extension_of(all_[TAKEN])["suite"] != "2026-1":
        lines_of(all_[TAKEN]).append({**half, "by": "c", "line": "(the line before is not whole)"})


def _refused_encryption(all_: list[Value]) -> None:
    del smtp_of(all_[TAKEN])["tls"]
    line = next(one for one in lines_of(all_[TAKEN]) if one["line"].startswith("220 2.0.0 Ready"))
    line["line"] = "454 4.7.0 TLS not available"


def _pipelined_refusal(all_: list[Value]) -> None:
    """MAIL and RCPT were sent together: what decided is not the last reply."""
    _speak(
        all_[TAKEN],
        *("s 220 mx.example.com", "c EHLO out.sealpost.example", "s 250 PIPELINING"),
        *("c MAIL FROM:<b@bounce.sealpost.example>", "c RCPT TO:<bob@example.com>"),
        *("s 550 5.7.1 not from you", "s 503 5.5.1 no sender", *QUIT),
    )
    del smtp_of(all_[TAKEN])["tls"]
    _answer(all_[TAKEN], "550 5.7.1 not from you", "policy")


def _strange_to_data(all_: list[Value]) -> None:
    """A 250 where 354 was due is no answer to the mail."""
    _speak(
        all_[TAKEN],
        *("s 220 mx.example.com", "c HELO out.sealpost.example", "s 250 hello"),
        *("c MAIL FROM:<b@bounce.sealpost.example>", "s 250 ok", "c RCPT TO:<bob@example.com>", "s 250 ok"),
        *("c DATA", "s 250 ok", *QUIT),
    )
    del smtp_of(all_[TAKEN])["tls"]
    _answer(all_[TAKEN], "250 ok", "other")


def _refused_at_greeting(all_: list[Value]) -> None:
    _speak(all_[TAKEN], "s 554-mx.example.com", "s 554 no service for you", *QUIT)
    del smtp_of(all_[TAKEN])["tls"]
    _answer(all_[TAKEN], "554-mx.example.com\n554 no service for you", "policy")


def _refused(reply: str, reason: str) -> Change:
    """Refused at the dot in other words; what class they have is the matter of the service that recorded it."""

    def change(all_: list[Value]) -> None:
        at = datetime.fromisoformat(all_[TAKEN]["EventTime"])
        lines_of(all_[TAKEN])[:] = dialogue(at, (reply,), smtp_of(all_[TAKEN])["sent"]["size"])
        _answer(all_[TAKEN], reply, reason)
        smtp_of(all_[TAKEN])["enhanced"] = reply.split(" ")[1]

    return change


def _not_utf8(all_: list[Value]) -> None:
    octets = b64encode(b"250 2.0.0 g\xfcltig").decode()
    del lines_of(all_[TAKEN])[-1]["line"], smtp_of(all_[TAKEN])["final"]
    lines_of(all_[TAKEN])[-1]["lineB64"] = smtp_of(all_[TAKEN])["finalB64"] = octets


def _never_reached(all_: list[Value]) -> list[Value]:
    """No host took the connection; given up after the queue's time."""
    failed = all_[TAKEN]
    _speak(failed, "c (no connection to 192.0.2.25 port 25: timed out)")
    _answer(failed, "", "unreachable")
    smtp_of(failed).update(attempt=9, earlier=[{"attempt": 8, "at": failed["EventTime"], "class": "unreachable"}])
    extension_of(failed).get("mail", {}).update(attempt=9)
    for name in ("tls", "address"):
        del smtp_of(failed)[name]
    return all_[:1] + all_[TAKEN:]


def _not_even_tried(all_: list[Value]) -> list[Value]:
    """Ended by a fault of ours: no attempt, no dialogue, a reason."""
    failed = all_[TAKEN]
    for name in ("smtp", "mail"):
        extension_of(failed).pop(name, None)
    failed.pop("TransactionLogInformation")
    _answer_reason(failed, "other")
    return all_[:1] + all_[TAKEN:]


def _answer_reason(value: Value, reason: str) -> None:
    value["EventReasons"]["EventReason"][-1]["Code"] = f"https://sealpost.example/evidence/reason#{reason}"


def _several_hosts(all_: list[Value]) -> None:
    log = all_[TAKEN]["TransactionLogInformation"]["TransactionLog"]
    smtp_of(all_[TAKEN])["mx"]["hosts"].insert(0, {"preference": 5, "host": "mx0.example.com"})
    log.insert(0, {"type": "smtp", "lines": _said(all_[TAKEN], "c (no connection to 192.0.2.9 port 25: timed out)")})


def _cut(all_: list[Value]) -> None:
    lines = lines_of(all_[TAKEN])
    del lines[:16]
    lines.insert(0, {"by": "c", "at": all_[TAKEN]["EventTime"], "line": "(16 lines before are left out)"})


def _endless_answer(all_: list[Value]) -> None:
    """Of a reply that is too long the record has the end."""
    at = datetime.fromisoformat(all_[TAKEN]["EventTime"])
    reply = [f"250-2.0.0 {'x' * 990} {number}" for number in range(40)] + ["250 2.0.0 done"]
    lines_of(all_[TAKEN])[:] = dialogue(at, reply, smtp_of(all_[TAKEN])["sent"]["size"])
    smtp_of(all_[TAKEN]).update(final="\n".join(reply[-30:]), enhanced="2.0.0")


def _by_relay(all_: list[Value]) -> None:
    for place in (OFFERED, TAKEN):
        del smtp_of(all_[place])["mx"]
        smtp_of(all_[place]).update(by="relay", host="out.sealpost.example")


def _failed_by_bounce(all_: list[Value]) -> None:
    """After an acceptance; the report speaks of another attempt than the last."""
    extension_of(all_[3])["bounce"] = bounce("announcement", "failed", "5.1.1")
    all_[3]["ERDSEventId"] = "http://uri.etsi.org/19522/Event/NotificationForAcceptanceFailure"
    all_[3]["EventReasons"] = {"EventReason": [{"Code": "https://sealpost.example/evidence/reason#unknown"}]}


def _own_words(all_: list[Value]) -> None:
    """Refused by ourselves, since the server's SIZE is too small: an enhanced code of ours, and no reply."""
    failed = all_[TAKEN]
    lines = lines_of(failed)
    end = next(number for number, one in enumerate(lines) if one["line"].startswith("MAIL"))
    del lines[end:]
    _answer(failed, "", "too_large")
    smtp_of(failed).update(enhanced="5.3.4", why="larger than the server's SIZE")


def _international(given: str, domain: str) -> Change:
    """The sender gave a domain in letters of its own, and servers get its A-labels."""

    def change(all_: list[Value]) -> None:
        for value in all_:
            value["RecipientDetails"][0]["Identifier"]["value"] = f"Bob@{given}"
            if "smtp" in extension_of(value):
                smtp = smtp_of(value)
                smtp["rcptTo"], smtp["mx"]["domain"] = f"Bob@{domain}", domain
                smtp["sent"]["DigestValue"] = "A" * 43 + "="  # another mail, which the bundle does not hold
        for value in all_:
            for one in lines_of(value) if "TransactionLogInformation" in value else ():
                if one["line"].startswith("RCPT"):
                    one["line"] = f"RCPT TO:<Bob@{domain}> ORCPT=rfc822;Bob@{domain}"

    return change


def _unheard(all_: list[Value]) -> None:
    """The dot was written, and nothing came back."""
    uncertain = all_[TAKEN]
    at = datetime.fromisoformat(uncertain["EventTime"])
    smtp_of(uncertain).update(deepcopy(smtp_of(all_[OFFERED])), **{"class": "other", "final": ""})
    lines = dialogue(at, ("250 never said",), smtp_of(uncertain)["sent"]["size"])[:-1]
    uncertain["TransactionLogInformation"] = {"TransactionLog": [{"type": "smtp", "lines": lines}]}


def _nothing(_all: list[Value]) -> None:
    """As it is."""


ODD: dict[str, tuple[Change, tuple[str, ...]]] = {
    "a connection that is used again": (_kept_connection, LIFE),
    "a second connection": (_second_connection, LIFE),
    "in clear after a handshake that failed": (_fallback_in_clear, LIFE),
    "no answer to STARTTLS": (_no_answer_to_start_tls, LIFE),
    "half an answer to the dot": (_half_an_answer, UNCERTAIN),
    "encryption offered and refused": (_refused_encryption, LIFE),
    "MAIL refused, and RCPT after it": (_pipelined_refusal, FAILED),
    "a 250 to DATA": (_strange_to_data, DELAYED),
    "refused at the greeting": (_refused_at_greeting, FAILED),
    "our address refused": (_refused("550 5.7.1 blocked using a list", "reputation"), FAILED),
    "our address refused, as it was classed before": (_refused("550 5.7.1 blocked using a list", "policy"), FAILED),
    "a problem of the server": (_refused("554 5.3.0 something is wrong here", "server"), FAILED),
    "a problem of the server, as it was classed before": (_refused("554 5.3.0 something is wrong here", "unreachable"), FAILED),
    "an answer that is not UTF-8": (_not_utf8, LIFE),
    "never reached": (_never_reached, FAILED),
    "not even tried": (_not_even_tried, FAILED),
    "several hosts": (_several_hosts, LIFE),
    "a dialogue that is too long": (_cut, LIFE),
    "an answer that is too long": (_endless_answer, LIFE),
    "a relay of our own name": (_by_relay, LIFE[:3]),
    "failed by a bounce": (_failed_by_bounce, DELIVERED),
    "refused by ourselves": (_own_words, FAILED),
    "an international domain": (_international("B\u00fccher.Example", "xn--bcher-kva.example"), LIFE),
    "a sharp s, as IDNA 2003 has it": (_international("stra\u00dfe.example", "strasse.example"), LIFE),
    "a sharp s, as UTS 46 has it": (_international("stra\u00dfe.example", "xn--strae-oqa.example"), LIFE),
    "a sharp s, and dots of another script": (_international("Stra\u00dfe\u3002example", "xn--strae-oqa.example"), LIFE),
    "no answer to the dot": (_unheard, UNCERTAIN),
    "the process ended": (_nothing, (*UNCERTAIN, "announcement_accepted")),
    "delayed, then taken": (_nothing, (*DELAYED, "announcement_accepted")),
    "refused": (_nothing, REFUSED),
    "reminded, and expired": (_nothing, (*LIFE[:3], "reminder_offered", "reminder_accepted", "reminder_delivered", "expired")),
    "erased": (_nothing, (*LIFE, "content_erased")),
    "withdrawn": (_nothing, (*LIFE[:3], "withdrawn")),
    "the content failed": (_nothing, (*LIFE[:6], "content_failed")),
}  # fmt: skip


def write_odd(name: str, suite: str) -> list[Value]:
    """The records of an odd life in the form of a suite."""
    change, kinds = ODD[name]
    values = write_life(kinds, suite=suite)
    changed = change(values)
    values = changed if isinstance(changed, list) else values
    if suite == "2026-1":
        for value in values:
            smtp = extension_of(value).get("smtp", {})
            if "final" in smtp:
                smtp["final"] = smtp["final"].split("\n")[-1]
    return values

"""A record of every kind and outcome, in the form of each suite: what all projections of records are tested with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sealpost.domain.content import Part
from sealpost.domain.records import EVENTS, Event, Issuer, Link, Subject, evidence, has_reasons

AT = datetime(2026, 11, 23, 10, 15, 2, 481_000, tzinfo=UTC)
ISSUER = Issuer("https://sealpost.example/evidence", "Voorbeeld Post B.V.", "", "test", {"name": "sealpost"})
SUBJECT = Subject(
    "K.Zk3vQ9pR7mX2sL8tYb4wHd", AT, "Alice Incasso N.V.", "alice@example.org", "client:1", "basic", AT, "bob@example.com",
    "Bob", "", (Part("message_body", "text/plain", 5, bytes(32)),),
)  # fmt: skip
ID = UUID("019abca1-0000-7000-8000-000000000000")
SUITES = ("2026-1", "2026-2")
GMAIL = (
    "550-5.7.26 This mail has been blocked because the sender is unauthenticated.",
    "550-5.7.26 Gmail requires all senders to authenticate",
    "550 5.7.26 with either SPF or DKIM. - gsmtp",
)
SIGNS = ("prefetch-header", "no-accept-language")


@dataclass(frozen=True)
class Case:
    """One kind of record with what it shall be read as.

    Args:
        said: the lines of the server's reply, or one line of a returned mail's words.
        why: our own explanation where no reply decided.
    """

    kind: str
    source: str = ""
    purpose: str = ""
    code: str = ""
    said: tuple[str, ...] = ()
    why: str = ""
    cause: str = ""
    recipients_words: str = ""
    given_up: bool = False
    signs: tuple[str, ...] = ()
    suspended: bool = False

    def __str__(self) -> str:
        told = (self.kind, self.source, self.code, "given up" * self.given_up, *self.signs[:1])
        return " ".join(filter(None, (*told, self.recipients_words)))

    @property
    def reasons(self) -> tuple[str, ...]:
        if self.kind == "expired":
            return ("term-over", "account-suspended") if self.suspended else ("term-over",)
        if self.kind == "refused":
            return ("refused-by-recipient",)
        return (self.code,) if self.kind.endswith("_failed") else ()

    def reply(self, suite: str) -> str:
        return "\n".join(self.said[-1:] if suite == "2026-1" else self.said)


def _of_mail(purpose: str) -> list[Case]:
    taken = "content_delivered" if purpose == "content" else f"{purpose}_accepted"
    one = Case("", purpose=purpose)
    accepted = replace(
        one, kind=taken, code="accepted", said=("250-2.0.0 first", "250 2.0.0 Ok: queued as 4XsT9k2n1zB")
    )
    failed = replace(one, kind=f"{purpose}_failed")
    delayed = replace(one, kind=f"{purpose}_delayed")
    greylisted = ("451 4.7.1 Greylisted, come back later",)
    bounced = replace(failed, source="bounce", said=("550 5.1.1 No Bob here",))
    classes = ("unknown", "full", "policy", "reputation", "server", "unreachable", "content", "too_large", "other")
    return [
        accepted,
        replace(accepted, source="relay"),
        replace(one, kind=f"{purpose}_offered"),
        replace(one, kind=f"{purpose}_offered", source="relay"),
        replace(
            one,
            kind=f"{purpose}_uncertain",
            code="other",
            why="no answer after the final dot",
            cause="no-answer-after-dot",
        ),
        replace(delayed, code="greylisted", said=greylisted),
        replace(delayed, code="unreachable", why="no connection", cause="no-connection"),
        replace(failed, code="greylisted", said=greylisted, given_up=True),
        replace(failed, code="unreachable", why="no connection", cause="no-connection", given_up=True),
        replace(failed, code="policy", said=GMAIL, source="relay"),
        *(replace(failed, code=code, said=GMAIL) for code in classes),
        *(replace(bounced, code=code) for code in classes),
        *(
            [replace(one, kind=f"{purpose}_delivered", source="bounce", said=("250 2.1.5 Ok",))]
            * (purpose != "content")
        ),
    ]


CASES: list[Case] = [
    *(one for purpose in ("announcement", "reminder", "content") for one in _of_mail(purpose)),
    Case("announcement_opened"),
    Case("announcement_opened", signs=SIGNS),
    Case("accepted"),
    Case("accepted", signs=SIGNS),
    Case("refused"),
    Case("refused", recipients_words="Not mine.\nReally."),
    Case("refused", recipients_words="unknown", signs=SIGNS),
    Case("expired"),
    Case("expired", suspended=True),
    *(Case(kind) for kind in ("submitted", "withdrawn", "content_downloaded", "content_erased")),
]


def record(case: Case, suite: str) -> dict[str, Any]:
    """The members of a record, as that suite's software made them."""
    made = evidence(ISSUER, SUBJECT, Link(2, bytes(32)), _event(case), ID, {"source": "none"})
    return made if suite == "2026-2" else _of_suite_1(made, case)


def _event(case: Case) -> Event:
    details = case.recipients_words or case.why or (case.said[0] if case.source == "bounce" else "")
    reasons = tuple((code, details) for code in case.reasons)
    mail = (case.purpose, 2) if case.purpose else None
    return Event(case.kind, AT, AT, reasons, extension=_extension(case), mail=mail)


def _extension(case: Case) -> dict[str, Any]:
    if case.source == "bounce":
        told = {"class": case.code} if case.kind.endswith("_failed") else {}
        return {"bounce": {"diagnostic": case.said[0], "by": "report", "attempt": 2, **told}}
    if case.purpose:
        final = {"final": "\n".join(case.said), "class": case.code} if case.code else {}
        why = {"why": case.why, "cause": case.cause} if case.why else {}
        return {"smtp": {"attempt": 2, "host": "mx.example", "by": case.source or "direct", **final, **why}}
    act = {"act": case.kind, "address": "192.0.2.0/24", "automation": list(case.signs)}
    return {"web": act} if case.kind in {"announcement_opened", "accepted", "refused"} else {}


def _of_suite_1(members: dict[str, Any], case: Case) -> dict[str, Any]:
    ours = members["Extensions"][0]["sealpost/1"]
    ours["suite"] = "2026-1"
    ours.pop("mail", None)
    ours.get("smtp", {}).pop("cause", None)
    if "final" in ours.get("smtp", {}):
        ours["smtp"]["final"] = ours["smtp"]["final"].rpartition("\n")[2]
    reasons = members.pop("EventReasons", {}).get("EventReason", [])
    if case.purpose:
        reasons = [_reason(case.purpose, f"{case.purpose}, attempt 2{', no more tries' * case.given_up}")]
        if case.source == "bounce":
            reasons += [_reason(case.code, "")] if case.kind.endswith("_failed") else []
            reasons += [_reason("bounce", case.said[0])]
        elif case.code not in {"", "accepted"}:
            reasons += [_reason(case.code, case.why)]
    if case.kind == "withdrawn":
        reasons = [_reason("withdrawn-by-sender", "")]
    return members | ({"EventReasons": {"EventReason": reasons}} if reasons else {})


def _reason(code: str, detail: str) -> dict[str, Any]:
    return {"Code": f"{ISSUER.base}/reason#{code}", **({"Details": [detail]} if detail else {})}


assert {case.kind for case in CASES} == set(EVENTS)
assert all(has_reasons(case.kind) == bool(case.reasons) for case in CASES)

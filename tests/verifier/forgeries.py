"""What an operator who lies can make with the real keys: records changed, moved, left out or put in, all sealed anew.

Each forgery says which code of the verifier it must get; its twin, the same life unforged, is exit 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sealpost.domain.canonical import instant
from tests.verifier.lives import (
    EXPIRE_AT,
    LIFE,
    START,
    Value,
    bounce,
    dialogue,
    extension_of,
    lines_of,
    set_times,
    smtp_of,
    write_life,
)

Change = Callable[[list[Value]], Any]
SEPTEMBER = datetime.fromisoformat("2026-09-01T10:00:00Z")
REFUSED, EXPIRED, WITHDRAWN = (*LIFE[:3], "refused"), (*LIFE[:3], "expired"), (*LIFE[:3], "withdrawn")
FAILED = ("submitted", "announcement_offered", "announcement_failed")
DELIVERED = (*LIFE[:3], "announcement_delivered")
UNCERTAIN = ("submitted", "announcement_offered", "announcement_uncertain")
REMINDED = (*LIFE[:3], "reminder_offered", "reminder_accepted")
TAKEN, OFFERED, OPENED, ACCEPTED, CONTENT_OFFERED, CONTENT = 2, 1, 3, 4, 5, 6  # places in LIFE
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Forgery:
    """One forged life.

    Args:
        name: what was done.
        code: that the verifier must say, and no other FAIL.
        change: of the records; what it returns, if anything, are the records instead.
        kinds: of the life.
        suite: form of its records.
        options: of `lives.make_bundle`.
    """

    name: str
    code: str
    change: Change = lambda _: None
    kinds: Sequence[str] = LIFE
    suite: str = "2026-2"
    options: dict[str, Any] = field(default_factory=dict[str, Any])

    def values(self) -> list[Value]:
        """The records."""
        values = write_life(self.kinds, suite=self.suite)
        changed = self.change(values)
        return changed if isinstance(changed, list) else values  # pyright: ignore[reportUnknownVariableType]


def _line(value: Value, begins: str) -> Value:
    """The last line that begins so."""
    return [one for one in lines_of(value) if one["line"].startswith(begins)][-1]


def set_line(value: Value, begins: str, line: str) -> None:
    """Another line in place of the last that begins so."""
    _line(value, begins)["line"] = line


def set_final(value: Value, line: str) -> None:
    """Another answer, in the dialogue too."""
    set_line(value, smtp_of(value)["final"].split("\n")[-1], line)
    smtp_of(value)["final"] = line


def _both(values: list[Value], change: Callable[[Value], Any]) -> None:
    """Of the announcement's offer and answer alike."""
    for value in values[OFFERED : TAKEN + 1]:
        change(value)


def _without(values: list[Value], *places: int) -> list[Value]:
    return [value for place, value in enumerate(values) if place not in places]


def _event_at(value: Value, at: datetime) -> None:
    """Another time of the event alone; it was recorded when it was."""
    value["EventTime"] = instant(at)


def _minutes(count: float) -> datetime:
    return START + timedelta(minutes=count)


def _drop_tls(values: list[Value]) -> None:
    del smtp_of(values[TAKEN])["tls"]


def _drop_start_tls(values: list[Value]) -> None:
    lines = lines_of(values[TAKEN])
    begin = next(number for number, one in enumerate(lines) if one["line"] == "STARTTLS")
    del lines[begin : begin + 2]


def _in_clear(values: list[Value]) -> None:
    _drop_tls(values)
    _drop_start_tls(values)
    smtp_of(values[TAKEN])["policy"] = {"type": "mta-sts", "id": "1", "mode": "enforce"}


def _to_charlie(values: list[Value]) -> None:
    _both(values, lambda one: smtp_of(one).update(rcptTo="charlie@example.com"))
    set_line(values[TAKEN], "RCPT TO", "RCPT TO:<charlie@example.com>")


def _other_message_id(values: list[Value]) -> None:
    _both(values, lambda one: smtp_of(one).update(messageId="<9@sealpost.example>"))


def _failed_with_good_reply(values: list[Value]) -> None:
    value = values[TAKEN]
    value["TransactionLogInformation"]["TransactionLog"][-1]["lines"] = dialogue(
        datetime.fromisoformat(value["EventTime"]), ("250 2.1.5 Ok",), smtp_of(value)["sent"]["size"]
    )
    smtp_of(value).update(final="250 2.1.5 Ok", enhanced="2.1.5")


def _uncertain_though_taken(values: list[Value]) -> None:
    value, at = values[TAKEN], datetime.fromisoformat(values[TAKEN]["EventTime"])
    smtp_of(value).update(deepcopy(smtp_of(values[OFFERED])))
    size = smtp_of(value)["sent"]["size"]
    value["TransactionLogInformation"] = {
        "TransactionLog": [{"type": "smtp", "lines": dialogue(at, ("250 2.0.0 Ok: queued as 4XsT9k2n1zB",), size)}]
    }
    smtp_of(value).update({"class": "other", "final": ""})


def _reason(value: Value, *codes: str) -> None:
    base = "https://sealpost.example/evidence/reason#"
    value["EventReasons"] = {"EventReason": [{"Code": base + code} for code in codes]}


def _earlier_by_lines(value: Value, by: timedelta) -> None:
    for one in lines_of(value):
        one["at"] = instant(datetime.fromisoformat(one["at"]) - by)


def _offered_later(values: list[Value]) -> None:
    """Both are recorded at the end, and by their times the answer came first."""
    _event_at(values[OFFERED], _minutes(19.9))
    set_times(values[TAKEN], _minutes(15), _minutes(20))
    extension_of(values[OFFERED])["recordedAt"] = instant(_minutes(20))


def _taken_twice(values: list[Value]) -> list[Value]:
    again = deepcopy(values[TAKEN])
    again["EvidenceIdentifier"] = again["EvidenceIdentifier"][:-3] + "fff"
    smtp_of(again)["attempt"] = extension_of(again)["mail"]["attempt"] = 2
    set_times(again, _minutes(25))
    return [*values[: TAKEN + 1], again, *values[TAKEN + 1 :]]


def _attempts_backwards(values: list[Value]) -> None:
    smtp_of(values[OFFERED])["attempt"] = extension_of(values[OFFERED])["mail"]["attempt"] = 2


def _short_term_later(values: list[Value]) -> None:
    """The record of an announcement cannot shorten the term."""
    extension_of(values[OFFERED])["term"] = {
        "reminderAt": instant(_minutes(11)),
        "expiryAt": instant(_minutes(30)),
        "zone": "UTC",
    }
    set_times(values[3], _minutes(30))


def _report_before_offer(values: list[Value]) -> list[Value]:
    report = values[3]
    set_times(report, _minutes(5))
    return [values[0], report, *values[1:3]]


def _failed_as_delivered(values: list[Value]) -> None:
    extension_of(values[3])["bounce"] = bounce("announcement", "failed", "5.1.1")


TIMES = (
    Forgery(
        "records of March, every token of September",
        "dating.late",
        options={"tokens_at": SEPTEMBER, "own_tokens_at": SEPTEMBER, "closed": SEPTEMBER + HOUR},
    ),
    Forgery(
        "every token two hours late",
        "dating.late",
        options={"tokens_at": _minutes(190), "own_tokens_at": _minutes(190), "closed": _minutes(200)},
    ),
    Forgery(
        "an expiry a week late that no term explains",
        "dating.late",
        lambda all_: (extension_of(all_[0]).pop("term"), set_times(all_[3], EXPIRE_AT, EXPIRE_AT + timedelta(days=7)))[
            2:
        ],
        EXPIRED,
    ),
)

CONTRADICTIONS = (
    Forgery("accepted with a final 550", "agreement.final", lambda all_: smtp_of(all_[TAKEN]).update(final="550 5.1.1 no")),
    Forgery("accepted with 550 throughout", "agreement.code", lambda all_: set_final(all_[TAKEN], "550 5.1.1 nobody")),
    Forgery("a dialogue with 550, a final 250", "agreement.final", lambda all_: set_line(all_[TAKEN], "250 2.0.0", "550 5.1.1 no")),
    Forgery("a word changed in the answer", "agreement.final", lambda all_: smtp_of(all_[TAKEN]).update(final="250 2.0.0 Ok")),
    Forgery("no dialogue", "agreement.dialogue", lambda all_: all_[TAKEN].pop("TransactionLogInformation")),
    Forgery("a dialogue without lines", "agreement.dialogue", lambda all_: lines_of(all_[TAKEN]).clear()),
    Forgery("no answer at all", "agreement.unanswered", lambda all_: smtp_of(all_[TAKEN]).pop("final")),
    Forgery("no facts about the mail", "agreement.unanswered", lambda all_: extension_of(all_[TAKEN]).pop("smtp")),
    Forgery("RCPT of another person", "agreement.rcpt", lambda all_: set_line(all_[TAKEN], "RCPT TO", "RCPT TO:<charlie@example.com>")),
    Forgery("no RCPT", "agreement.rcpt", lambda all_: set_line(all_[TAKEN], "RCPT TO", "NOOP")),
    Forgery("a mail to another person", "agreement.recipient", _to_charlie),
    Forgery("another return path in the dialogue", "agreement.sender", lambda all_: set_line(all_[TAKEN], "MAIL FROM", "MAIL FROM:<x@other.example>")),
    Forgery("accepted by ourselves", "agreement.host", lambda all_: smtp_of(all_[TAKEN]).update(host="OUT.sealpost.example.")),
    Forgery("a server that the domain does not name", "agreement.mx", lambda all_: smtp_of(all_[TAKEN]).update(host="mx.charlie.example")),
    Forgery("the servers of another domain", "agreement.mx", lambda all_: smtp_of(all_[TAKEN])["mx"].update(domain="charlie.example")),
    Forgery("content forwarded to another server", "agreement.forwarded", lambda all_: all_[CONTENT].update(ForwardedToExternalSystem="mx.charlie.example")),
    Forgery("content forwarded to nobody", "agreement.forwarded", lambda all_: all_[CONTENT].pop("ForwardedToExternalSystem")),
    Forgery("an announcement that was forwarded", "agreement.forwarded", lambda all_: all_[TAKEN].update(ForwardedToExternalSystem="mx.example.com")),
    Forgery("attempt 0", "agreement.attempt", lambda all_: _both(all_, lambda one: smtp_of(one).update(attempt=0))),
    Forgery("two numbers of one attempt", "agreement.attempt", lambda all_: extension_of(all_[TAKEN])["mail"].update(attempt=2)),
    Forgery("an earlier attempt with a later number", "agreement.attempt", lambda all_: smtp_of(all_[TAKEN]).update(earlier=[{"attempt": 1, "at": instant(_minutes(15))}])),
    Forgery("another kind of mail", "agreement.purpose", lambda all_: extension_of(all_[TAKEN])["mail"].update(purpose="content")),
    Forgery("a class that does not fit its code", "agreement.class", lambda all_: smtp_of(all_[TAKEN]).update({"class": "unknown"})),
    Forgery("a full mailbox under 5.1.1", "agreement.class", lambda all_: (smtp_of(all_[TAKEN]).update({"class": "full"}), _reason(all_[TAKEN], "full"))[2:], FAILED),
    Forgery("nobody reached, though a server names the address", "agreement.class", lambda all_: (smtp_of(all_[TAKEN]).update({"class": "unreachable"}), _reason(all_[TAKEN], "unreachable"))[2:], FAILED),
    Forgery("a failure without its reason", "agreement.reasonless", lambda all_: all_[TAKEN].pop("EventReasons"), FAILED),
    Forgery("a failure with another reason", "agreement.reason", lambda all_: _reason(all_[TAKEN], "full"), FAILED),
    Forgery("a success with a reason", "agreement.reason", lambda all_: _reason(all_[TAKEN], "unknown")),
    Forgery("a success with its purpose as reason, in the new form", "agreement.reason", lambda all_: _reason(all_[TAKEN], "announcement")),
    Forgery("an old success with a second reason", "agreement.reason", lambda all_: _reason(all_[TAKEN], "announcement", "unknown"), suite="2026-1"),
    Forgery("a refusal without a reason", "agreement.reasonless", lambda all_: all_[3].pop("EventReasons"), REFUSED),
    Forgery("a refusal for a failure's reason", "agreement.reason", lambda all_: _reason(all_[3], "unknown"), REFUSED),
    Forgery("an expiry without a reason", "agreement.reasonless", lambda all_: all_[3].pop("EventReasons"), EXPIRED),
    Forgery("an acceptance with a reason", "agreement.reason", lambda all_: _reason(all_[ACCEPTED], "term-over")),
    Forgery("a line after the record", "agreement.time", lambda all_: lines_of(all_[TAKEN])[0].update(at=instant(_minutes(21)))),
    Forgery("a command from before the submission", "agreement.time", lambda all_: _line(all_[TAKEN], "MAIL").update(at=instant(START - HOUR))),
    Forgery("another moment than the answer's", "agreement.moment", lambda all_: _event_at(all_[TAKEN], _minutes(19))),
    Forgery("encryption that the dialogue does not have", "agreement.tls", _drop_start_tls),
    Forgery("no encryption where the dialogue has it", "agreement.tls", _drop_tls),
    Forgery("in clear though a policy forbids it", "agreement.tls", _in_clear),
    Forgery("a mail of another size", "agreement.size", lambda all_: set_line(all_[TAKEN], "(", "(99 octets, final dot)")),
    Forgery("another name in the greeting", "agreement.name", lambda all_: set_line(all_[TAKEN], "EHLO", "EHLO mail.charlie.example")),
    Forgery("an enhanced code that nobody said", "agreement.enhanced", lambda all_: smtp_of(all_[TAKEN]).update(enhanced="2.6.0")),
    Forgery("the last line of three", "agreement.final", lambda all_: smtp_of(all_[TAKEN]).update(final=smtp_of(all_[TAKEN])["final"].split("\n")[-1]), FAILED),
    Forgery("a failure with a good answer", "agreement.code", _failed_with_good_reply, FAILED),
    Forgery("unknown though it was answered", "agreement.final", _uncertain_though_taken, UNCERTAIN),
    Forgery("accepted by another act", "agreement.act", lambda all_: extension_of(all_[ACCEPTED])["web"].update(act="opened")),
    Forgery("accepted without an act", "agreement.act", lambda all_: extension_of(all_[ACCEPTED]).pop("web")),
    Forgery("delivered by a report of failure", "agreement.report", _failed_as_delivered, DELIVERED),
    Forgery("delivered without a report", "agreement.unanswered", lambda all_: extension_of(all_[3]).pop("bounce"), DELIVERED),
    Forgery("a report about attempt 0", "agreement.attempt", lambda all_: extension_of(all_[3])["bounce"].update(attempt=0), DELIVERED),
    Forgery("another mail than the one in the bundle", "agreement.header", _other_message_id),
)  # fmt: skip

LIVES = (
    Forgery("content before acceptance, by its time", "order.content", lambda all_: _event_at(all_[CONTENT_OFFERED], _minutes(35))),
    Forgery("downloaded before acceptance, by its time", "order.content", lambda all_: _event_at(all_[7], _minutes(35))),
    Forgery("opened before announced, by its time", "order.opened", lambda all_: _event_at(all_[OPENED], _minutes(9))),
    Forgery("opened and never announced", "order.opened", lambda all_: [all_[0], all_[OPENED]]),
    Forgery("a 250 before it was offered, by its time", "order.offered", _offered_later),
    Forgery("a 250 that was never offered", "order.offered", lambda all_: _without(all_, OFFERED), LIFE[:3]),
    Forgery("a report before it was offered", "order.offered", _report_before_offer, DELIVERED),
    Forgery("an expiry a minute after submission", "order.early", lambda all_: (set_times(all_[3], _minutes(21)), set_times(all_[0], START))[2:], EXPIRED),
    Forgery("an expiry an hour too early", "order.early", lambda all_: set_times(all_[3], EXPIRE_AT - HOUR), EXPIRED),
    Forgery("an expiry a minute after submission, no term", "order.early", lambda all_: (extension_of(all_[0]).pop("term"), set_times(all_[3], _minutes(21)))[2:], EXPIRED, "2026-1"),
    Forgery("a term made shorter by another record", "order.early", _short_term_later, EXPIRED),
    Forgery("an expiry without any announcement", "order.unannounced", lambda all_: _without(all_, 1, 2), EXPIRED),
    Forgery("an expiry without a term", "order.termless", lambda all_: extension_of(all_[0]).pop("term") and None, EXPIRED, "2026-1"),
    Forgery("refused after the term", "order.over", lambda all_: set_times(all_[3], EXPIRE_AT), REFUSED),
    Forgery("withdrawn after the term", "order.over", lambda all_: set_times(all_[3], EXPIRE_AT + HOUR), WITHDRAWN),
    Forgery("a reminder before its day", "order.reminder", lambda all_: [set_times(one, _minutes(30 + 10 * n)) for n, one in enumerate(all_[3:])] and None, REMINDED),
    Forgery("a term that ends before it begins", "order.term", lambda all_: extension_of(all_[0])["term"].update(expiryAt=instant(START))),
    Forgery("a term that is none", "order.term", lambda all_: extension_of(all_[0]).update(term="two weeks")),
    Forgery("taken twice", "order.ended", _taken_twice),
    Forgery("attempts that run backwards", "order.attempt", _attempts_backwards),
    Forgery("erased while open", "order.erased", lambda all_: _without(all_, 3), (*WITHDRAWN, "content_erased")),
    Forgery("erased before the end, by its time", "order.erased", lambda all_: _event_at(all_[4], _minutes(20)), (*WITHDRAWN, "content_erased")),
    Forgery("submitted at another time than all say", "order.submitted", lambda all_: _event_at(all_[0], START + timedelta(minutes=5)) or extension_of(all_[0]).update(recordedAt=instant(_minutes(5)))),
    Forgery("bundle and certificate stamped twelve hours before", "order.closed", options={"closed": _minutes(60) - 12 * HOUR}),
    Forgery("the certificate alone stamped before its records", "order.closed", options={"pdf_at": _minutes(30)}),
    Forgery("the bundle stamped before its certificate", "order.closed", options={"pdf_at": _minutes(200)}),
    Forgery("the bundle stamped before its checkpoints", "order.closed", options={"tokens_at": _minutes(80), "closed": _minutes(75)}),
)  # fmt: skip


def _event(value: Value, uri: str) -> None:
    value["ERDSEventId"] = uri
    extension_of(value).pop("web")


CIRCUMSTANCES = (
    Forgery("a test environment", "environment.test", lambda all_: [extension_of(one).update(environment="test") for one in all_] and None),
    Forgery("no second source of time", "clock.none", lambda all_: extension_of(all_[3]).update(clock={"source": "none"})),
    Forgery("a second source that was silent", "clock.silent", lambda all_: extension_of(all_[3])["clock"].pop("offsetMs") and None),
    Forgery("a clock two seconds off", "clock.off", lambda all_: extension_of(all_[3])["clock"].update(offsetMs=-2000)),
    Forgery("a clock that was moved", "clock.shifted", lambda all_: extension_of(all_[3])["clock"].update(demoShiftSeconds=60)),
    Forgery("an event of our own that is not known", "structure.event", lambda all_: _event(all_[7], "https://sealpost.example/evidence/event#term_extended")),
    Forgery("an event of a later standard", "structure.event", lambda all_: _event(all_[7], "http://uri.etsi.org/19522/Event/Invented")),
    Forgery("an event of somebody else", "structure.event", lambda all_: _event(all_[7], "urn:other:event")),
)  # fmt: skip

FORGERIES = (*TIMES, *CONTRADICTIONS, *LIVES, *CIRCUMSTANCES)

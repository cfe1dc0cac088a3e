"""What must hold of one ticket after kills (I1 to I6), with the recipients' server as the witness of every mail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sealpost.content.placement import ContentDamaged, ContentUnavailable
from sealpost.store import tickets
from sealpost.usecases.deliver import split
from sealpost.usecases.mail_bytes import opened
from tests.faults.installation import Installation, Sink
from tests.faults.invariants import TAKEN, check_chain, check_copies, demand, extension_of
from tests.faults.site import Violation
from tests.world import parsed

BOUNCE = (
    "From: MAILER-DAEMON@mx.example.com\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\n"
    'Content-Type: multipart/report; report-type=delivery-status; boundary="B"\r\n\r\n--B\r\n\r\nSorry.\r\n--B\r\n'
    "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.com\r\n\r\n"
    "Final-Recipient: rfc822; {}\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--B--\r\n"
)
UNFINISHED = """
    select m.purpose, m.state, m.claimed_by is not null as claimed, m.tries,
        exists (select from workers w where w.id = m.claimed_by) as by_a_living, m.epoch, m.due_at - now() as due_in,
        (select array_agg(a.state || ' ' || date_trunc('second', now() - a.prepared_at) order by number)
         from attempts a where a.mail_id = m.id) as attempts
    from mails m join tickets t on t.id = m.ticket_id
    where t.recipient_key = $1 and (m.state in ('planned', 'built') or m.claimed_by is not null
        or exists (select from attempts a where a.mail_id = m.id and a.state in ('prepared', 'dot_due')))
"""
MAILS = """
    select m.*, (select array_agg(a.state order by a.number) from attempts a where a.mail_id = m.id) as states,
        (select a.handover from attempts a where a.mail_id = m.id and a.state = 'accepted') as handover
    from mails m where m.ticket_id = $1
"""
EXPECTED: dict[str | None, set[str]] = {
    None: {"announcement", "confirmation"},
    "accepted": {"announcement", "confirmation", "content", "notice:accepted", "notice:content_delivered"},
    "refused": {"announcement", "confirmation", "notice:refused"},
}
BOUNCED = "notice:announcement_failed"


async def check_ticket(
    at: Installation, token: str, sent: Mapping[str, tuple[bytes, bytes]], decision: str | None, *, gone: bool = False
) -> list[tuple[Any, int]]:
    """Everything about a ticket of which all is worked off; its mails, and how often each came.

    Args:
        at: with an observer.
        token: of the ticket.
        sent: own id → (body, PDF).
        decision: that it must have.
        gone: its content was erased.

    Raises:
        Violation: the first promise found broken.
    """
    pool = at.service.pool
    row = await pool.fetchrow("select * from tickets where token = $1", token)
    records = await pool.fetch("select * from records where ticket_id = $1 order by seq", row["id"])
    check_chain(row, records)
    demand(row["decision"] == decision, f"I2: {token} is {row['decision']}, not {decision}")
    kinds = [record["kind"] for record in records]
    demand(kinds.count("content_erased") == gone, f"erased: {kinds}")
    if not gone:
        await _check_content(at, row, sent)
    bounces = kinds.count("announcement_failed")
    demand(bounces <= 1, f"I2: one bounce is {bounces} times in the record")
    mails = await pool.fetch(MAILS, row["id"])
    ended = {mail["purpose"]: mail["state"] for mail in mails}
    expected = dict.fromkeys(EXPECTED[decision] | ({BOUNCED} if bounces else set()), "sent")
    if decision and ended.get("announcement") == "cancelled":
        expected["announcement"] = "cancelled"
    demand(ended == expected, f"I6: mails ended as {ended}, not as {sorted(expected)}")
    finals = [extension_of(record)["smtp"]["final"] for record in records if record["kind"] in TAKEN]
    demand(len(set(finals)) == len(finals), f"I2: recorded twice: {finals}")
    for mail in mails:
        _check_mail(at.sink, mail, set(kinds), finals)
        if mail["purpose"] == "content":
            raw = at.sink.received[mail["message_header"]][0]
            arrived = tuple(part.get_payload(decode=True) for part in parsed(raw).iter_attachments())
            demand(arrived == sent[row["own_id"]], f"I1: {row['own_id']} arrived as something else")
    return [(mail, len(at.sink.received[mail["message_header"]])) for mail in mails]


async def _check_content(at: Installation, row: Any, sent: Mapping[str, tuple[bytes, bytes]]) -> None:
    stored = await tickets.by_id(at.service.pool, row["id"])
    try:
        octets = await opened(at.service, at.service.content_vault.open, stored.content)
    except (ContentDamaged, ContentUnavailable) as error:
        raise Violation(f"I1: the content of {row['own_id']} is gone: {error}") from error
    parts = tuple(split(stored.evidence.parts, octets))
    demand(parts == sent[row["own_id"]], f"I1: {row['own_id']} has other content than was sent")


def _check_mail(sink: Sink, mail: Any, kinds: set[str], finals: list[str]) -> None:
    """I3 and I5, against what the recipients' server says of itself."""
    given, copies = sink.given[mail["message_header"]], sink.received[mail["message_header"]]
    demand(len(given) == len(copies), f"the server gave {given} for {len(copies)} copies")
    if mail["state"] == "cancelled":
        # Bob decided on it before the next worker could send it again: that it came stays uncertain, and is said.
        unanswered = mail["states"].count("uncertain")
        demand("announcement_uncertain" in kinds and len(copies) <= unanswered, f"I5: cancelled, {mail['states']}")
        return
    check_copies(mail, copies, kinds)
    final = mail["handover"]["final"]
    demand(final in given and final.startswith("250"), f"I3: {final} was never given, but {given}")
    if mail["purpose"] in {"announcement", "content"}:
        demand(final in finals, f"I3: the server gave {final}, and no record says so")

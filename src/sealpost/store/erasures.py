"""Erasure in the database: which tickets it is time for, and the keys that go: of content, and of what people answered.

What remains of a row is what the evidence says as well: parties, subject, names, sizes and fingerprints of the parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sealpost.store.pool import Connection, Runner

CARRIERS = ("content", "collection")
"""Purposes of the mails that carry the content, or a link to it."""
TELLS = ("failed", "delivered", "delayed")
"""Kinds of what came back that are evidence about an announcement or a reminder: they stay."""

_TO_BE_SENT = """exists (select from mails m where m.ticket_id = t.id and m.purpose = any($1)
                 and m.state in ('planned', 'built'))"""
# What came back for a mail with content may hold that content.
_WORDS = "m.id = i.mail_id and i.wrapped_key is not null and (i.kind <> all($2) or m.purpose = any($3))"
_REPLIES = """update mails set wrapped_key = null, due_at = null,
                  state = case when state in ('planned', 'built') then 'cancelled' else state end
              where starts_with(purpose, 'reply:')"""


async def due(runner: Runner, now: datetime, accepted_before: datetime, limit: int) -> list[tuple[UUID, UUID]]:
    """Tickets (id, message) whose content's time is over, longest ago first.

    Args:
        runner: any.
        now: the service's time.
        accepted_before: content that was accepted later can still be downloaded.
        limit: how many at most.
    """
    rows = await runner.fetch(
        f"""select t.id, t.message_id from accounts a join tickets t on t.account_id = a.id
            where t.erased_at is null and t.decided_at <= $2::timestamptz - make_interval(days => a.keep_days)
              and (t.decision <> 'accepted' or t.decided_at <= $3) and not {_TO_BE_SENT}
            order by t.decided_at limit $4""",
        list(CARRIERS), now, accepted_before, limit,
    )  # fmt: skip
    return [(row["id"], row["message_id"]) for row in rows]


async def is_open(connection: Connection, ticket_id: UUID) -> bool:
    """Whether the content of a locked ticket is neither erased nor about to be sent."""
    return await connection.fetchval(
        f"select erased_at is null and not {_TO_BE_SENT} from tickets t where id = $2", list(CARRIERS), ticket_id
    )


async def erase(connection: Connection, ticket_id: UUID, message_id: UUID, now: datetime) -> None:
    """Destroys the keys of a locked ticket's content and of the mails that carried it."""
    await connection.execute("update messages set wrapped_key = null where id = $1", message_id)
    await connection.execute(
        "update mails set wrapped_key = null where ticket_id = $1 and purpose = any($2)", ticket_id, list(CARRIERS)
    )
    await connection.execute("update tickets set erased_at = $2 where id = $1", ticket_id, now)


async def erase_words(connection: Connection, ticket_id: UUID) -> bool:
    """Destroys the keys of what came back for a locked ticket, evidence excepted, and of the mails that pass replies on.

    False: one of those is being handed over. Its worker locks the mail's row first and the ticket's then, so it cannot be
    waited for here; what was destroyed stays so.
    """
    await connection.execute(
        f"""{_REPLIES} and id in (
                select id from mails where ticket_id = $1 and starts_with(purpose, 'reply:') and claimed_by is null
                and not exists (select from attempts a where a.mail_id = mails.id and a.state in ('prepared', 'dot_due'))
                for no key update skip locked)""",
        ticket_id,
    )
    await connection.execute(
        f"update inbound_mails i set wrapped_key = null from mails m where {_WORDS} and i.ticket_id = $1",
        ticket_id, list(TELLS), list(CARRIERS),
    )  # fmt: skip
    return not await connection.fetchval(
        """select exists (select from mails where ticket_id = $1 and starts_with(purpose, 'reply:')
           and (wrapped_key is not null or state in ('planned', 'built')))""",
        ticket_id,
    )


async def erase_late_words(runner: Runner, now: datetime) -> None:
    """The same for what came after a ticket's erasure, or for a mail of no ticket, once it was kept as long as content.

    Args:
        runner: a statement of its own: a crash leaves the rest for the next time.
        now: the service's time.
    """
    await runner.execute(
        f"""with gone as (
                update inbound_mails i set wrapped_key = null
                from mails m join accounts a on a.id = m.account_id left join tickets t on t.id = m.ticket_id
                where {_WORDS} and i.received_at <= $1::timestamptz - make_interval(days => a.keep_days)
                  and (m.ticket_id is null or t.erased_at is not null)
                  and not exists (select from mails p where p.ticket_id = i.ticket_id and p.state in ('planned', 'built')
                                  and p.purpose = 'reply:' || left(i.id::text, 8))
                returning i.ticket_id, 'reply:' || left(i.id::text, 8) as purpose
            )
            update mails m set wrapped_key = null from gone
            where m.ticket_id = gone.ticket_id and m.purpose = gone.purpose""",
        now, list(TELLS), list(CARRIERS),
    )  # fmt: skip


async def erase_again(connection: Connection, message_ids: Sequence[UUID]) -> int:
    """Destroys keys that a database which was put back has again; how many messages had one.

    Their tickets stay unmarked: the next erasure records what the restored chains do not know. Nobody else is at work.
    """
    its = "in (select id from tickets where message_id = any($1))"
    await connection.execute(
        f"update mails set wrapped_key = null where wrapped_key is not null and purpose = any($2) and ticket_id {its}",
        list(message_ids), list(CARRIERS),
    )  # fmt: skip
    await connection.execute(f"{_REPLIES} and ticket_id {its}", list(message_ids))
    await connection.execute(
        f"update inbound_mails i set wrapped_key = null from mails m where {_WORDS} and i.ticket_id {its}",
        list(message_ids), list(TELLS), list(CARRIERS),
    )  # fmt: skip
    done = await connection.execute(
        "update messages set wrapped_key = null where id = any($1) and wrapped_key is not null", list(message_ids)
    )
    return int(done.rpartition(" ")[2])


async def set_keep_days(connection: Connection, account_id: int, days: int) -> None:
    """Changes how long an account's content is kept after a ticket's end."""
    await connection.execute("update accounts set keep_days = $2 where id = $1", account_id, days)

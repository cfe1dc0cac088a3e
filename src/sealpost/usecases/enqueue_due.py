"""The timers' one act: enqueue what is due.

Deadlines and retry times are columns (design D12), so a job row that is lost, or a whole queue, delays by minutes.
"""

from __future__ import annotations

from datetime import timedelta

from sealpost.store import jobs, mails, tickets, workers
from sealpost.usecases.database import transaction
from sealpost.usecases.service import Service

LOOK_AGAIN = timedelta(minutes=5)
BATCH = 500


async def enqueue_due(service: Service) -> int:
    """Enqueues a batch of everything whose time has come; how many jobs that was."""
    now = service.clock.now()
    async with transaction(service) as connection:
        due_tickets = await tickets.take_due(connection, now, now + LOOK_AGAIN, BATCH)
        due_mails = await mails.take_due(connection, now, now + LOOK_AGAIN, BATCH)
        found: list[jobs.Job] = [("expire", str(due.id)) for due in due_tickets if due.expire]
        found.extend(("plan_reminder", str(due.id)) for due in due_tickets if due.remind)
        found.extend((jobs.for_mail(purpose), str(mail_id)) for mail_id, purpose in due_mails)
        await jobs.enqueue(connection, found)
    return len(found)


async def give_up_dead(service: Service) -> int:
    """Frees the claims of workers that died or froze, and the locks of those that froze; how many mails that was."""
    async with transaction(service) as connection:
        await workers.end_sessions_of_frozen(connection)
    async with transaction(service) as connection:
        return await workers.give_up_dead(connection, service.clock.now())

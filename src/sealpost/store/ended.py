"""What has ended and proves nothing, from sessions to MTA-STS policies. Its rows are removed in small pieces."""

from __future__ import annotations

from datetime import datetime

from sealpost.store.pool import Runner

PIECE = 1_000
# Table, its key, and the column that says when a row ended or began.
SESSIONS = ("sessions", "hash", "expires_at")
TOKENS = ("access_tokens", "hash", "expires_at")
USER_LINKS = ("user_links", "hash", "expires_at")
PICKUP_LINKS = ("link_tokens", "hash", "expires_at")
ADDRESS_LINKS = ("address_links", "hash", "expires_at")
KEYS = ("idempotency_keys", "(client_id, key_sha256)", "created_at")
GATEWAY_MAILS = ("gateway_mails", "(account_id, message_sha256, recipient_key)", "taken_at")
POLICIES = ("mta_sts_policies", "domain", "until")


async def remove(runner: Runner, kind: tuple[str, str, str], before: datetime) -> int:
    """Removes a piece of the rows that are older; how many.

    Args:
        runner: a statement of its own: a crash leaves rows, which nobody takes for live, for the next time.
        kind: one of the above.
        before: what is older goes.
    """
    table, key, column = kind
    done = await runner.execute(
        f"delete from {table} where {key} in (select {key.strip('()')} from {table} where {column} < $1 limit {PIECE})",
        before,
    )
    return int(done.rpartition(" ")[2])

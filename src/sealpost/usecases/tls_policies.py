"""Remember what recipients' domains demand of encryption, so that a restart does not forget to enforce it (RFC 8461 5)."""

from __future__ import annotations

import structlog

from sealpost.mail.mta_sts import StsPolicy
from sealpost.store import mta_sts_policies
from sealpost.store.pool import AWAY, Pool

log = structlog.get_logger()


class TlsPolicies:
    """``mail.mta_sts.Memory`` in the database; while that is away, nothing is known and nothing kept."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def recall(self, domain: str) -> StsPolicy | None:
        """The domain's policy as it was last fetched, whether ended or not."""
        try:
            row = await mta_sts_policies.read(self._pool, domain)
        except AWAY:
            return None
        return StsPolicy(domain, row["id"], row["mode"], tuple(row["hosts"]), row["until"]) if row else None

    async def remember(self, policy: StsPolicy) -> None:
        """A crash before this forgets the policy: the next mail to the domain fetches it again."""
        try:
            await mta_sts_policies.save(
                self._pool, policy.domain, policy.id, policy.mode, list(policy.hosts), policy.until
            )
        except AWAY:
            log.warning("a domain's TLS policy was not kept", domain=policy.domain)

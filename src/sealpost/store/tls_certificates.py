"""Certificates that mail servers showed, each once for the whole installation: records name them by their hashes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sealpost.store.pool import Connection, Runner


async def keep(connection: Connection, certificates: Mapping[bytes, bytes]) -> None:
    """Keeps what is not kept yet.

    As the last statement of its transaction: another one that brings the same certificate waits here for this one's
    end. In the order of the hashes, so that two that bring several do not wait for each other.

    Args:
        connection: in the transaction of the records that name them.
        certificates: SHA-256 → octets.
    """
    known = sorted(certificates.items())
    await connection.execute(
        """insert into tls_certificates (sha256, octets)
           select * from unnest($1::bytea[], $2::bytea[]) on conflict do nothing""",
        [sha256 for sha256, _ in known],
        [octets for _, octets in known],
    )


async def octets_of(runner: Runner, hashes: Sequence[bytes]) -> dict[bytes, bytes]:
    """Octets by SHA-256, of those that are kept."""
    rows = await runner.fetch("select sha256, octets from tls_certificates where sha256 = any($1)", list(hashes))
    return {row["sha256"]: row["octets"] for row in rows}

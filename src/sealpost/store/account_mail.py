"""How an account's mail goes out: what it demands of encryption and of sender addresses, and its own relay."""

from __future__ import annotations

from dataclasses import dataclass

from sealpost.store.pool import Connection, Runner


@dataclass(frozen=True, slots=True)
class OwnRelay:
    """A relay that an account has instead of the installation's way; ``secret`` is the sealed password, or None."""

    host: str
    port: int
    tls: str
    user: str
    secret: bytes | None


async def own_relay(runner: Runner, account_id: int) -> OwnRelay | None:
    """The account's relay, or None: its mail goes as the installation's does."""
    row = await runner.fetchrow(
        "select relay_host, relay_port, relay_tls, relay_user, relay_secret from accounts where id = $1", account_id
    )
    return OwnRelay(*row) if row and row["relay_host"] else None


async def set_relay(connection: Connection, account_id: int, relay: OwnRelay) -> bool:
    """Whether there is such an account. An empty host ends the own relay."""
    done = await connection.execute(
        """update accounts set relay_host = $2, relay_port = $3, relay_tls = $4, relay_user = $5, relay_secret = $6
           where id = $1""",
        account_id,
        relay.host,
        relay.port,
        relay.tls,
        relay.user,
        relay.secret,
    )
    return done == "UPDATE 1"


async def set_demands(connection: Connection, account_id: int, *, tls_verified: bool, domain_demanded: bool) -> None:
    """Verified TLS or no delivery; and only addresses of the account's verified domains may send."""
    await connection.execute(
        "update accounts set tls_verified = $2, domain_demanded = $3 where id = $1",
        account_id,
        tls_verified,
        domain_demanded,
    )

"""Ask the policy's witnesses to cosign the newest checkpoint (C2SP tlog-witness), and publish it with their lines."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from sealpost.domain.errors import Unavailable
from sealpost.domain.note import Signature, key_id, read, signature_line
from sealpost.domain.policy import Policy
from sealpost.seal.log.folder import LogDamaged
from sealpost.store import logs
from sealpost.store.logs import Settled
from sealpost.usecases.database import as_writer
from sealpost.usecases.service import Service


async def ask_witnesses(service: Service) -> int | None:
    """Asks until the policy's quorum is met; how many lines came, None: another process is at it.

    A witness that knows another tree of this log, or a larger one, has no way to prove it, so it stops nothing: it is said
    aloud, because whoever put database and folder back from a copy has nobody else who could tell.

    Raises:
        Unavailable: the database or the disk is away, or a witness disagrees and the quorum is not met.
    """
    return await as_writer(service, _cosigned) if service.evidence.policy else 0


async def _cosigned(service: Service) -> int:
    policy, tree = service.evidence.policy, await logs.newest(service.pool)
    newest = await logs.newest_signed(service.pool, tree.id) if tree else None
    if policy is None or tree is None or newest is None or newest.note is None:
        return 0
    have = lines_of(newest)
    if is_met(policy, have):
        return 0
    folder, size, note = service.evidence.log(tree.name), newest.size, newest.note

    async def prove(old: int) -> list[bytes]:
        return await asyncio.to_thread(folder.consistency, old, size)

    try:
        given = await service.evidence.witnesses.collect(policy, note, prove, service.clock.real())
    except LogDamaged as error:
        raise Unavailable(f"witnesses cannot be asked: {error}") from error
    known = {(one.name, one.key_id) for one in have}
    new = [one for one in given if (one.name, one.key_id) not in known]
    if new:
        lines = "".join(signature_line(one) for one in [*have, *new]).encode()
        await logs.keep_cosigned(service.pool, tree.id, size, lines)
        # A crash before this leaves the checkpoint without these lines in the folder; proofs have them.
        await asyncio.to_thread(folder.publish, note + lines)
    disagreeing = service.evidence.witnesses.disagreeing
    if disagreeing and not is_met(policy, [*have, *new]):
        raise Unavailable(
            f"{', '.join(disagreeing)} knows another tree of the log {tree.name}: was it put back from a copy?"
        )
    return len(new)


def lines_of(settled: Settled) -> list[Signature]:
    """The witnesses' lines that a checkpoint has already."""
    if not settled.cosigned or settled.note is None:
        return []
    own = len(read(settled.note).signatures)
    return list(read(settled.note + settled.cosigned).signatures[own:])


def is_met(policy: Policy, lines: Sequence[Signature]) -> bool:
    """Whether the quorum is met; without one every line counts, so one is enough.

    Args:
        policy: of today; lines by keys that it names no longer count for nothing, as they do for whoever verifies.
        lines: checked when they came.
    """
    if policy.quorum is None:
        return bool(lines) or not policy.witnesses
    keys = {(one.name, one.key_id) for one in lines}
    seen = [one for one in policy.witnesses if (one.name, key_id(one.name, one.kind, one.key)) in keys]
    return policy.is_met({one.label for one in seen})

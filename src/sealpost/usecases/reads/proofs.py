"""What proves a record: its place in the log, and the checkpoint that covers it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sealpost.domain.checkpoint import written_proof
from sealpost.domain.policy import Policy
from sealpost.seal.bundle.bundle import SealedRecord, StampedCheckpoint
from sealpost.seal.log.folder import LogDamaged
from sealpost.store import logs
from sealpost.store.logs import Log, Settled
from sealpost.store.pool import Connection, Runner
from sealpost.usecases.cosign import is_met, lines_of
from sealpost.usecases.database import transaction
from sealpost.usecases.service import Service


@dataclass(frozen=True, slots=True)
class Proven:
    """The records of a chain with their proofs, and the checkpoints that these use."""

    records: list[SealedRecord]
    checkpoints: list[StampedCheckpoint]


@dataclass(frozen=True, slots=True)
class Covered:
    """Rows of ``records.with_seals``, and by ``seq`` the checkpoint that covers each; what waits has none."""

    rows: Sequence[Any]
    logs: Mapping[int, Log]
    checkpoints: Mapping[int, Settled]


async def covered(runner: Runner, rows: Sequence[Any]) -> Covered:
    """Finds the checkpoints: for each record the first that covers it; `proven` looks for witnesses."""
    known = {one.id: one for one in await logs.all_of(runner)}
    found = dict[int, Settled]()
    for row in rows:
        if row["log_id"] is not None and (one := await logs.covering(runner, row["log_id"], row["log_index"])):
            found[row["seq"]] = one
    return Covered(rows, known, found)


async def proven(service: Service, found: Covered, *, damaged_too: bool = False) -> Proven:
    """Makes the proofs from the log's tiles.

    Args:
        service: the parts.
        found: by `covered`.
        damaged_too: a record whose log has lost tiles is given without its proof.

    Raises:
        LogDamaged, OSError: tiles are missing or cannot be read.
        Unavailable: the database is away.
    """
    found = await _witnessed(service, found)
    kept = await asyncio.to_thread(_records, service, found, damaged_too=damaged_too)
    used = {(one.log_id, one.size): one for one in found.checkpoints.values()}
    return Proven(kept, [_checkpoint(found.logs[log_id].name, one) for (log_id, _), one in sorted(used.items())])


async def _witnessed(service: Service, found: Covered) -> Covered:
    """Where too few witnesses have seen a checkpoint, the first later one that meets the policy's quorum, if any does."""
    policy = service.evidence.policy
    if policy is None:
        return found
    chosen, better = dict(found.checkpoints), dict[tuple[int, int], Settled]()
    async with transaction(service) as connection:
        for seq, first in chosen.items():
            if not is_met(policy, lines_of(first)):
                key = (first.log_id, first.size)
                if key not in better:  # records of one minute share their checkpoint
                    better[key] = await _later(connection, policy, first)
                chosen[seq] = better[key]
    return replace(found, checkpoints=chosen)


async def _later(connection: Connection, policy: Policy, first: Settled) -> Settled:
    for size, cosigned in await logs.cosigned_after(connection, first):
        if is_met(policy, lines_of(replace(first, cosigned=cosigned))):
            return await logs.settled_at(connection, first.log_id, size) or first
    return first


def _records(service: Service, found: Covered, *, damaged_too: bool) -> list[SealedRecord]:
    made = list[SealedRecord]()
    for row in found.rows:
        try:
            proof = _proof(service, found, row)
        except (LogDamaged, OSError):
            if not damaged_too:
                raise
            proof = None
        made.append(SealedRecord(row["seq"], row["octets"], row["seal"] or b"", row["salt"], proof))
    return made


def _proof(service: Service, found: Covered, row: Any) -> bytes | None:
    """The proof of a record, or None while no signed checkpoint covers it."""
    covering = found.checkpoints.get(row["seq"])
    if covering is None or covering.note is None:
        return None
    folder = service.evidence.log(found.logs[row["log_id"]].name)
    path = folder.inclusion(row["log_index"], covering.size)
    return written_proof(row["log_index"], path, covering.note + covering.cosigned)


def _checkpoint(name: str, settled: Settled) -> StampedCheckpoint:
    tokens = () if settled.token is None else (settled.token, *settled.renewals)
    return StampedCheckpoint(name, settled.size, settled.note or b"", tokens)

"""Writes the bundle of a ticket: ASiC-E with CAdES (ETSI EN 319 162-1; evidence format, section 5).

For the use case that hands evidence out; pure: it is given everything, the certificate included. Everything that can
fail (a content that cannot be read, a key, a time stamp authority that is away) fails before the first octet goes out.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sealpost.seal.bundle import names
from sealpost.seal.bundle.archive import Archive
from sealpost.seal.bundle.cms import Stamp, detached
from sealpost.seal.bundle.manifest import Listed, manifest
from sealpost.seal.bundle.readme import readme
from sealpost.seal.signer import Signer

MEDIA_TYPE = "application/vnd.etsi.asic-e+zip"
FREELY = nullcontext()


@dataclass(frozen=True, slots=True)
class SealedRecord:
    """A record with all that proves it.

    Args:
        seq: its number in the ticket's chain, from 1.
        octets: canonical.
        seal: JSON octets; empty while no key was to be had.
        salt: 32 octets.
        proof: a C2SP tlog-proof with the checkpoint as it is served, or None while the log has not taken it.
    """

    seq: int
    octets: bytes
    seal: bytes
    salt: bytes
    proof: bytes | None


@dataclass(frozen=True, slots=True)
class StampedCheckpoint:
    """A checkpoint that a proof uses, and its time.

    Args:
        log: the log's name: 2026, or 2026-2 where that year's first one could not go on.
        size: leaves.
        text: the note with the log's own two lines, without cosignatures: what the token is over.
        tokens: the authority's answers (TimeStampResp, DER), each over the text and the ones before it; none while no
            authority has answered.
    """

    log: str
    size: int
    text: bytes
    tokens: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class File:
    """A mail as it was sent, or a content.

    Args:
        number: of a mail, the seq of the record that carries its hash; of a content, its place in the list of parts,
            from 1.
        name: as somebody gave it; made safe here.
        chunks: its octets, read once.
    """

    number: int
    name: str
    chunks: AsyncIterable[bytes]


@dataclass(frozen=True, slots=True)
class BundleParts:
    """What goes into a bundle.

    Args:
        ticket_token: the reference.
        records: all of the ticket, by seq.
        checkpoints: one for each that a proof uses.
        mails: announcements whose links are all dead.
        contents: what this receiver may see.
        trust: name inside ``trust/`` → octets.
        certificate: the sealed PDF.
    """

    ticket_token: str
    records: Sequence[SealedRecord]
    checkpoints: Sequence[StampedCheckpoint]
    mails: Sequence[File]
    contents: Sequence[File]
    trust: Mapping[str, bytes]
    certificate: bytes


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that is complete and has only to be given out, once or several times.

    Args:
        archive: the whole of it.
    """

    archive: Archive

    @property
    def size(self) -> int:
        """Octets."""
        return self.archive.size

    def chunks(self) -> AsyncIterator[bytes]:
        """Its octets, in pieces."""
        return self.archive.chunks()


@asynccontextmanager
async def prepared(
    parts: BundleParts,
    signer: Signer,
    stamp: Stamp,
    now: datetime,
    folder: Path | None = None,
    working: AbstractAsyncContextManager[object] = FREELY,
) -> AsyncGenerator[Bundle]:
    """The bundle, complete on an unnamed file of disk that is gone when the context ends.

    Args:
        parts: what goes in.
        signer: of purpose ``pdf-seal``.
        stamp: gives a checked TimeStampResp over octets.
        now: aware; when the container is signed, and the members' time.
        folder: where that file is; the contents are in it.
        working: entered while it costs CPU and memory, not while the time stamp authority is asked.

    Raises:
        SigningFailed: no key, or no valid certificate.
        Unavailable: no time token, without which there is no bundle (B-T).
        ValueError: two members of one name, or more than a zip can hold.
        OSError: the disk is full.
    """
    with tempfile.TemporaryFile(dir=folder) as spool:
        archive = Archive(spool, now)
        async with working:
            archive.add(names.MIMETYPE, MEDIA_TYPE.encode())
            await asyncio.to_thread(_add_small, archive, parts, now)
            for file in parts.mails:
                await archive.stream(names.mail(file.number, file.name), file.chunks)
            for file in parts.contents:
                await archive.stream(names.content(file.number, file.name), file.chunks)
        listed = manifest([Listed(one.name, one.sha256) for one in archive.members[1:]])
        signature = await detached(listed, signer, stamp, now)
        archive.add(names.MANIFEST, listed)
        archive.add(names.SIGNATURE, signature)
        yield Bundle(archive)


async def written(parts: BundleParts, signer: Signer, stamp: Stamp, now: datetime) -> AsyncGenerator[bytes]:
    """The bundle's octets in pieces; arguments and errors as `prepared`, all errors before the first piece.

    Who stops reading early closes it (``aclose``), and with it the file on disk.
    """
    async with prepared(parts, signer, stamp, now) as bundle:
        async for piece in bundle.chunks():
            yield piece


def _add_small(archive: Archive, parts: BundleParts, now: datetime) -> None:
    archive.add(names.README, readme(parts.ticket_token, now))
    archive.add(names.CERTIFICATE, parts.certificate)
    for record in parts.records:
        archive.add(names.record(record.seq), record.octets)
        if record.seal:
            archive.add(names.seal(record.seq), record.seal)
        archive.add(names.salt(record.seq), record.salt)
        if record.proof is not None:
            archive.add(names.proof(record.seq), record.proof)
    for checkpoint in parts.checkpoints:
        archive.add(names.checkpoint(checkpoint.log, checkpoint.size), checkpoint.text)
        for number, token in enumerate(checkpoint.tokens, 1):
            archive.add(names.token(checkpoint.log, checkpoint.size, number), token)
    for name, octets in sorted(parts.trust.items()):
        archive.add(f"trust/{name}", octets)

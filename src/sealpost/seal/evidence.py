"""What evidence is made with, beside the key of the seals: bootstrap builds it, use cases work with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from pathlib import Path

from cryptography import x509

from sealpost.domain.policy import Policy
from sealpost.seal.key_files import FileSigner, KeyFolder
from sealpost.seal.log.folder import LogFolder
from sealpost.seal.timestamps.client import Stamper
from sealpost.seal.timestamps.guard import ClockGuard
from sealpost.seal.witness.client import Witnesses


@dataclass(frozen=True, slots=True)
class Evidence:
    """The parts.

    Args:
        keys: of seals and of the log.
        logs: the folder that has a folder for each log.
        stamper: the time stamp authority, or None: then when a seal was made is not proven.
        tsa_roots: what its tokens must lead to; published in the trust folder.
        guard: whether the system's clock can be trusted.
        grace: how long the log or the authority may be out of order before nothing new is taken in.
        policy: which witnesses there are, or None.
        policy_text: the same as the operator wrote it, or empty.
        witnesses: what asks them.
    """

    keys: KeyFolder
    logs: Path
    stamper: Stamper | None
    tsa_roots: tuple[x509.Certificate, ...]
    guard: ClockGuard
    grace: timedelta
    policy: Policy | None
    policy_text: str
    witnesses: Witnesses
    folders: dict[str, LogFolder] = field(default_factory=dict[str, LogFolder])

    def log(self, name: str) -> LogFolder:
        """The folder of a log."""
        return self.folders.setdefault(name, LogFolder(self.logs / name))

    def signer(self, purpose: str, number: int | None = None) -> FileSigner:
        """What signs for a purpose; a key is decrypted once.

        Raises:
            KeysRefused, OSError: it cannot be had.
        """
        return _signer(self.keys, purpose, number or max(self.keys.numbers(purpose), default=0))


@lru_cache(maxsize=32)  # decrypting a key takes milliseconds, and a number's key never changes
def _signer(keys: KeyFolder, purpose: str, number: int) -> FileSigner:
    return keys.signer(purpose, number)

"""What a process remembers of the keys that sign mails; ``usecases/sign_mail`` fills it and reads it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from sealpost.mail.dkim import DkimKey


@dataclass(frozen=True, slots=True)
class VerifiedDomain:
    """A domain that an account may show as its own.

    Args:
        name: lower case, A-labels; equal to the From address's domain.
        return_path: the domain of return paths, if its record stands; empty: use the service's.
        key: signs for it.
    """

    name: str
    return_path: str
    key: DkimKey


@dataclass(slots=True)
class SigningCache:
    """Keys and until when they are believed, by account and domain, and the service's own; one for each process."""

    known: dict[tuple[int, str], tuple[datetime, VerifiedDomain | None]] = field(
        default_factory=dict[tuple[int, str], tuple[datetime, VerifiedDomain | None]]
    )
    own: tuple[datetime, DkimKey] | None = None
    loading: asyncio.Lock = field(default_factory=asyncio.Lock)  # mails that come at once ask the database once

"""What a domain demands of whoever sends to it: its MTA-STS policy, found in the DNS, fetched, remembered, obeyed.

For ``mail/direct``. Clause: RFC 8461. Both the TXT record and the policy come from strangers: they are read strictly,
and one that is refused counts as none. A policy once had stays in force until it ends, whatever happens to record and
web server meanwhile: whoever can suppress them must not be able to switch encryption off (section 10.2).
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol, cast

import httpx2

from sealpost.mail.dns import Dns, Shared, covers, is_name

Mode = Literal["enforce", "testing", "none"]
Fetch = Callable[[str], Awaitable[bytes]]

MOST_OCTETS = 65_536
MOST_SECONDS = 30.0
MOST_AGE = 31_557_600
MOST_KNOWN = 10_000
AFTER_FAILURE = timedelta(minutes=5)
_AFTER_FETCH = timedelta(hours=1)
_RECALL_AFTER = timedelta(minutes=5)
_RENEW_BEFORE = timedelta(days=1)

_VERSION = "v=STSv1;"
_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_FIELD = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,31})=([\x21-\x3a\x3c\x3e-\x7e]+)")
_LINE = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,31}):[ \t]*([^\x00-\x1f\x7f]*)")
_SECONDS = re.compile(r"[0-9]{1,10}")


@dataclass(frozen=True, slots=True)
class StsPolicy:
    """The policy of a domain; ``id`` as its TXT record had it, ``hosts`` are patterns, in force before ``until``."""

    domain: str
    id: str
    mode: Mode
    hosts: tuple[str, ...]
    until: datetime


class Memory(Protocol):
    """Keeps one policy per domain beyond this process."""

    async def recall(self, domain: str) -> StsPolicy | None:
        """The policy of the domain that was remembered last, also one that has ended."""
        ...

    async def remember(self, policy: StsPolicy) -> None:
        """Takes the place of what was known of its domain."""
        ...


def matches(policy: StsPolicy, host: str) -> bool:
    """Whether the policy names this server (RFC 8461 4.1): a wildcard stands for one whole label, the leftmost."""
    return any(covers(pattern, host) for pattern in policy.hosts)


def read_record(values: tuple[str, ...]) -> str | None:
    """Returns the id in the TXT values of ``_mta-sts.<domain>``; None if they are no valid record (RFC 8461 3.1)."""
    records = [value for value in values if value.startswith(_VERSION)]
    if len(records) != 1:
        return None
    found: dict[str, str] = {}
    for field in records[0].removeprefix(_VERSION).rstrip(" \t").removesuffix(";").split(";"):
        match = _FIELD.fullmatch(field.strip(" \t"))
        if match is None:
            return None
        found.setdefault(match[1], match[2])
    policy_id = found.get("id", "")
    return policy_id if _ID.fullmatch(policy_id) else None


def read_policy(text: bytes, domain: str, policy_id: str, at: datetime) -> StsPolicy:
    """Reads the policy of a domain (RFC 8461 3.2).

    Args:
        text: the body as fetched, at most 64 KiB.
        domain: whose it is, lower case.
        policy_id: the id that the domain's TXT record had before the fetch.
        at: the time of the fetch; its life begins here.

    Raises:
        ValueError: it is no policy.
    """
    if len(text) > MOST_OCTETS:
        raise ValueError("the policy is too long")
    fields, hosts = _fields(text.decode())  # UnicodeDecodeError is a ValueError
    mode, age = fields.get("mode"), fields.get("max_age", "")
    if fields.get("version") != "STSv1":
        raise ValueError("the version is not STSv1")
    if mode not in {"enforce", "testing", "none"}:
        raise ValueError("the mode is unknown")
    if not _SECONDS.fullmatch(age) or int(age) > MOST_AGE:
        raise ValueError("max_age is no number of seconds up to a year")
    if mode != "none" and not hosts:
        raise ValueError("no mx")
    return StsPolicy(domain, policy_id, cast("Mode", mode), tuple(hosts), at + timedelta(seconds=int(age)))


def _fields(text: str) -> tuple[dict[str, str], dict[str, None]]:
    """The first of each field counts, but every ``mx``; unknown fields are passed over."""
    fields: dict[str, str] = {}
    hosts: dict[str, None] = {}
    for line in text.split("\n"):
        plain = line.removesuffix("\r").rstrip(" \t")
        if not plain:
            continue
        match = _LINE.fullmatch(plain)
        if match is None:
            raise ValueError("a line is no field")
        if match[1] != "mx":
            fields.setdefault(match[1], match[2])
        elif is_name(match[2].lower().removeprefix("*.")):
            hosts[match[2].lower()] = None
        else:
            raise ValueError("an mx is no name")
    return fields, hosts


@dataclass(slots=True)
class _Known:
    """A domain in this process: its policy as of ``recalled_at``, and until when nothing is fetched again.

    ``paused_for`` is the id which that holds for; None: for any.
    """

    policy: StsPolicy | None
    recalled_at: datetime
    paused_until: datetime
    paused_for: str | None = None


class MtaSts:
    """The policies in force."""

    def __init__(self, dns: Dns, fetch: Fetch, memory: Memory, clock: Callable[[], datetime]) -> None:
        """Asks nothing yet.

        Args:
            dns: for the TXT records.
            fetch: gives the body of a domain's policy, raises OSError or ValueError; see ``fetcher``.
            memory: where policies outlive this process.
            clock: aware times.
        """
        self._dns, self._fetch, self._memory, self._clock = dns, fetch, memory, clock
        self._known: dict[str, _Known] = {}
        self._shared = Shared[str, StsPolicy | None]()

    async def policy(self, domain: str) -> StsPolicy | None:
        """The policy that is to be obeyed for this domain now; None: there is none, or it says *none* (RFC 8461 5).

        Raises:
            Exception: whatever the memory raises; nothing for what DNS and web server do.
        """
        return await self._shared.ask(domain, lambda: self._find(domain))

    async def _find(self, domain: str) -> StsPolicy | None:
        answer = await self._dns.look_up(f"_mta-sts.{domain}", "TXT")
        published = read_record(answer.values) if answer.status == "found" else None
        known = await self._recall(domain)
        now = self._clock()
        if published is not None and self._due(known, published, now):
            known.policy = await self._renewed(domain, published, known) or known.policy
            now = self._clock()
        policy = known.policy
        return policy if policy is not None and policy.mode != "none" and now < policy.until else None

    def _due(self, known: _Known, published: str, now: datetime) -> bool:
        if now < known.paused_until and known.paused_for in {None, published}:
            return False
        policy = known.policy
        return policy is None or policy.id != published or policy.until - now < _RENEW_BEFORE

    async def _recall(self, domain: str) -> _Known:
        """What other processes have learnt counts after five minutes at the latest."""
        now, known = self._clock(), self._known.get(domain)
        if known is None:
            known = self._known[domain] = _Known(await self._memory.recall(domain), now, now)
            while len(self._known) > MOST_KNOWN:
                del self._known[next(iter(self._known))]
        elif now - known.recalled_at > _RECALL_AFTER:
            known.policy, known.recalled_at = await self._memory.recall(domain) or known.policy, now
        return known

    async def _renewed(self, domain: str, published: str, known: _Known) -> StsPolicy | None:
        """Fetches; None if that failed, which is not tried again for a while."""
        try:
            text = await self._fetch(domain)
            policy = read_policy(text, domain, published, self._clock())
        except (OSError, ValueError):
            known.paused_until, known.paused_for = self._clock() + AFTER_FAILURE, None
            return None
        # A crash before this line leaves the former policy in force, and the next mail fetches again.
        await self._memory.remember(policy)
        known.paused_until, known.paused_for = self._clock() + _AFTER_FETCH, published
        return policy


def fetcher(client: httpx2.AsyncClient, allowed: Callable[[str], Awaitable[bool]]) -> Fetch:
    """Returns what fetches a domain's policy over HTTPS (RFC 8461 3.3).

    The fetch raises OSError (no connection, no valid certificate, too slow, an address that is not allowed) or
    ValueError (an answer that is no policy).

    Args:
        client: checks certificates with its own context; its redirects are not used.
        allowed: says, before anything is sent, whether this host may be reached at all.
    """

    async def fetch(domain: str) -> bytes:
        host = f"mta-sts.{domain}"
        if not is_name(host):
            raise ValueError("no domain name")
        try:
            async with asyncio.timeout(MOST_SECONDS):
                if not await allowed(host):
                    raise PermissionError(f"{host} must not be reached")
                return await _get(client, f"https://{host}/.well-known/mta-sts.txt")
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise ConnectionError(repr(error)) from error

    return fetch


async def _get(client: httpx2.AsyncClient, url: str) -> bytes:
    headers = {"Accept": "text/plain", "Accept-Encoding": "identity"}
    async with client.stream("GET", url, headers=headers, follow_redirects=False) as answer:
        kind = answer.headers.get("content-type", "").split(";")[0].strip().lower()
        if answer.status_code != 200 or kind != "text/plain" or "content-encoding" in answer.headers:
            raise ValueError("the answer is no plain text")
        received = b""
        async for chunk in answer.aiter_raw():  # never unpacked: a few octets could become very many
            received += chunk
            if len(received) > MOST_OCTETS:
                raise ValueError("the policy is too long")
        return received

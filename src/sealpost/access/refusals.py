"""Why a request is turned away before any use case has its say: who calls, how often, which method and form, how slow.

For every HTTP face; ``sealpost.access.envelope`` makes the answers (contract, section 7; RFC 9110, section 15.5).
"""

from __future__ import annotations

from typing import ClassVar

from sealpost.domain.errors import SealpostError

REALM = 'realm="sealpost"'
BEARER = f"Bearer {REALM}"
BASIC = f'Basic {REALM}, charset="UTF-8"'


class Refusal(SealpostError):
    """A refusal with an HTTP status of its own.

    Args:
        info: what was wrong, without repeating what the caller sent.
        headers: what belongs to the answer, such as ``Allow``.
    """

    status: ClassVar[int] = 400

    def __init__(self, info: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(info)
        self.info = info
        self.headers = headers


class Unauthenticated(Refusal):
    """No credentials, or wrong ones; the answer names the ways in (RFC 9110, section 11.6.1)."""

    status = 401

    def __init__(self, info: str, ways: tuple[str, ...] = (BEARER, BASIC)) -> None:
        super().__init__(info, tuple((b"www-authenticate", way.encode()) for way in ways))


class MethodNotAllowed(Refusal):
    """The address is right, the method is not.

    Args:
        allow: the methods that are, comma separated.
    """

    status = 405

    def __init__(self, allow: str) -> None:
        super().__init__(f"allowed: {allow}", ((b"allow", allow.encode()),))


class TooSlow(Refusal):
    """The body stopped arriving."""

    status = 408


class UnsupportedMediaType(Refusal):
    """The body is of another type, charset or content coding than this address takes."""

    status = 415


class QuotaExceeded(Refusal):
    """The client has made all calls of this interval (RFC 6585, section 4).

    Args:
        limit: calls in each interval.
        unit: the interval.
        seconds: until the next one begins.
    """

    status = 429

    def __init__(self, limit: int, unit: str, seconds: int) -> None:
        super().__init__(
            f"the quota of {limit} calls in each {unit} is used up", ((b"retry-after", str(seconds).encode()),)
        )


class TooOften(Refusal):
    """Somebody has costly things made faster than anybody needs them (RFC 6585, section 4).

    Args:
        seconds: until it may be tried again.
    """

    status = 429

    def __init__(self, seconds: int) -> None:
        super().__init__("too many in a short time", ((b"retry-after", str(seconds).encode()),))


class UnsupportedGrant(Refusal):
    """A token is asked for in another way than there is (RFC 6749, section 5.2)."""


class Disconnected(Exception):
    """The caller went away before the request was whole: there is nobody to answer, and nothing is stored."""

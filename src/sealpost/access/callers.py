"""Who calls: the ``Authorization`` header as a caller of an account (contract, section 1; RFC 6750, RFC 7617).

For every API face. Strict: one header, one way, base64 without foreign characters, UTF-8. A suspended account is a
known caller that may do nothing: 403, and nothing is counted. Every other call of a known caller takes one from its
quota, whatever becomes of it.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable
from typing import Any

from sealpost.access.quota import count
from sealpost.access.refusals import BASIC, Unauthenticated
from sealpost.domain.errors import NotAllowed
from sealpost.domain.parties import Sender
from sealpost.usecases.reads import callers
from sealpost.usecases.reads.callers import CallerRow
from sealpost.usecases.service import Service

Headers = Iterable[tuple[bytes, bytes]]

LONGEST = 1024  # octets of a header value; ours have below 200
BEARER_TOKEN = re.compile(rb"[A-Za-z0-9._~+/-]+=*")  # b64token of RFC 6750, section 2.1
CONTROL = re.compile("[\x00-\x1f\x7f]")


async def authenticated(service: Service, scope: Any) -> CallerRow:
    """The caller of a request, which is counted.

    Args:
        service: the parts.
        scope: ASGI's; its headers say who calls, and it keeps the caller's standing.

    Raises:
        Unauthenticated: no, several, malformed or wrong credentials.
        NotAllowed: the caller's account is suspended.
        QuotaExceeded: the client has no call left in this interval.
        Unavailable: the database is away.
    """
    scheme, value = credentials(scope["headers"])
    if scheme == "bearer":
        caller = await callers.by_token(service, bearer_token(value))
    else:
        caller = await callers.by_secret(service, *basic_pair(value))
    if caller is None:
        raise Unauthenticated("the credentials are not valid")
    return await _admitted(service, scope, caller)


async def oauth_client(service: Service, scope: Any, client_id: str, client_secret: str) -> CallerRow:
    """The OAuth client of an id and a secret, where it calls without a token; the request is counted.

    Args:
        service: the parts.
        scope: ASGI's; it keeps the client's standing.
        client_id: its public name.
        client_secret: as it was shown once.

    Raises:
        Unauthenticated: there is no such client, or the secret is another.
        NotAllowed, QuotaExceeded, Unavailable: as with ``authenticated``.
    """
    caller = await callers.by_pair(service, client_id, client_secret)
    if caller is None:
        raise Unauthenticated("the client's id and secret are not valid", (BASIC,))
    return await _admitted(service, scope, caller)


async def _admitted(service: Service, scope: Any, caller: CallerRow) -> CallerRow:
    if caller.suspended:
        raise NotAllowed("the account is suspended")
    await count(service, scope, caller.client, caller.quota)
    return caller


async def administrator(service: Service, scope: Any) -> CallerRow:
    """The caller of a request that only an account administrator's client may make.

    Raises:
        NotAllowed: another role; and whatever ``authenticated`` raises.
    """
    caller = await authenticated(service, scope)
    if caller.role != "administrator":
        raise NotAllowed("an account administrator's client is needed")
    return caller


def sender(caller: CallerRow) -> Sender:
    """The caller as the sender that records name."""
    return Sender(caller.account_id, caller.account_name, f"client:{caller.name}", caller.method)


def credentials(headers: Headers) -> tuple[str, bytes]:
    """The scheme, ``bearer`` or ``basic``, and what follows it.

    Raises:
        Unauthenticated: there is no header, more than one, or another scheme.
    """
    values = [value for name, value in headers if name == b"authorization"]
    if not values:
        raise Unauthenticated("there is no Authorization header")
    if len(values) > 1 or len(values[0]) > LONGEST:
        raise Unauthenticated("the Authorization header is malformed")
    scheme, _, rest = values[0].partition(b" ")
    name = scheme.lower().decode("latin-1")
    if name not in {"bearer", "basic"}:
        raise Unauthenticated("the Authorization header is neither Bearer nor Basic")
    return name, rest.strip(b" ")


def bearer_token(value: bytes) -> str:
    """The token of a Bearer header.

    Raises:
        Unauthenticated: it is not a ``b64token``.
    """
    if not BEARER_TOKEN.fullmatch(value):
        raise Unauthenticated("the Bearer token is malformed")
    return value.decode("ascii")


def basic_pair(value: bytes) -> tuple[str, str]:
    """Name and password of a Basic header.

    Raises:
        Unauthenticated: not canonical base64, not UTF-8, no colon, or a control character.
    """
    try:
        raw = b64decode(value, validate=True)
        text = raw.decode()
    except (binascii.Error, UnicodeDecodeError):
        raise Unauthenticated("the Basic credentials are malformed") from None
    name, colon, password = text.partition(":")
    if not colon or b64encode(raw) != value or CONTROL.search(text):
        raise Unauthenticated("the Basic credentials are malformed")
    return name, password

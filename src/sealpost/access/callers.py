"""Who calls: the ``Authorization`` header as a caller of an account (contract, section 1; RFC 6750, RFC 7617).

For every API face. Strict: one header, one way, base64 without foreign characters, UTF-8. A suspended account is a
known caller that may do nothing: 403.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable

from sealpost.access.refusals import Unauthenticated
from sealpost.domain.errors import NotAllowed
from sealpost.domain.parties import Sender
from sealpost.usecases.reads import callers
from sealpost.usecases.reads.callers import CallerRow
from sealpost.usecases.service import Service

Headers = Iterable[tuple[bytes, bytes]]

LONGEST = 1024  # octets of a header value; ours have below 200
BEARER_TOKEN = re.compile(rb"[A-Za-z0-9._~+/-]+=*")  # b64token of RFC 6750, section 2.1
CONTROL = re.compile("[\x00-\x1f\x7f]")


async def authenticated(service: Service, headers: Headers) -> CallerRow:
    """The caller of a request.

    Args:
        service: the parts.
        headers: of the ASGI scope, names in lower case.

    Raises:
        Unauthenticated: no, several, malformed or wrong credentials.
        NotAllowed: the caller's account is suspended.
        Unavailable: the database is away.
    """
    scheme, value = credentials(headers)
    if scheme == "bearer":
        caller = await callers.by_token(service, bearer_token(value))
    else:
        caller = await callers.by_secret(service, *basic_pair(value))
    if caller is None:
        raise Unauthenticated("the credentials are not valid")
    if caller.suspended:
        raise NotAllowed("the account is suspended")
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

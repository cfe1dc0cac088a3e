"""What a request's head must be before anything is made of it: one good ``Host``, a query in ASCII.

For ``sealpost.access.middleware``. RFC 9112, section 3.2: no Host, several, or a bad one is 400. The framework puts the
Host and the query into an address, and fails at some of them in the middle of an answer.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Any

from sealpost.domain.errors import InvalidInput

HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[([0-9A-Fa-f:.]{2,45})\])(?::([0-9]{0,5}))?")
LAST_PORT = 65_535


def check_head(scope: Any) -> None:
    """Refuses a head; what is at fault is taken out of the scope, so that an error page can be made.

    Args:
        scope: ASGI's.

    Raises:
        InvalidInput: naming ``Host`` or ``query``.
    """
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    missing = not hosts and scope.get("http_version") == "1.1"
    if missing or len(hosts) > 1 or not all(map(is_host, hosts)):
        scope["headers"] = [pair for pair in scope["headers"] if pair[0] != b"host"]
        raise InvalidInput("Host", "must be one name or address, perhaps with a port")
    if not scope.get("query_string", b"").isascii():
        scope["query_string"] = b""
        raise InvalidInput("query", "must be percent-encoded")


@lru_cache(maxsize=1_000)
def is_host(value: bytes) -> bool:
    """Whether this can stand in a Host header: a name or an address, and perhaps a port."""
    found = HOST.fullmatch(value.decode("latin-1"))
    if found is None or int(found[2] or 0) > LAST_PORT:
        return False
    try:
        return found[1] is None or bool(IPv6Address(found[1]))
    except ValueError:
        return False

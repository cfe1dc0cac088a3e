"""One id per request: ``transactionId`` of errors, ``x-request-id`` of every answer, the key to the log line.

It is ours, never the caller's (a foreign one could forge or hide log lines), and lives in the ASGI scope.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

KEY = "sealpost.request_id"


def assign(scope: Any) -> str:
    """Gives the request its id, which replaces any."""
    scope[KEY] = name = str(uuid4())
    return name


def request_id(scope: Any) -> str:
    """The request's id; one is assigned where no ``Edge`` stood before."""
    return scope.get(KEY) or assign(scope)

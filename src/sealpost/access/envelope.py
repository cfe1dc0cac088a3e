"""The error envelope (contract, section 7): any exception as a status, headers and a JSON body of five strings.

For every face that is not a page. Nothing of our insides gets out: an exception that we do not know is "internal
error" to the caller and a log line, without its message (which may hold a caller's values), to the operator.
"""

from __future__ import annotations

import json
import traceback
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from litestar.exceptions import HTTPException

from sealpost.access.refusals import Refusal, UnsupportedGrant
from sealpost.content.placement import ContentUnavailable
from sealpost.domain.errors import (
    Conflict,
    InvalidInput,
    KeyBusy,
    KeyReused,
    NoEvidence,
    NotAllowed,
    NotFound,
    PreconditionFailed,
    TooLarge,
    Unavailable,
)

JSON = b"application/json"
RETRY_AFTER = b"5"
KNOWN = frozenset(status.value for status in HTTPStatus)
OAUTH = "/oauth/"
NAMED = frozenset({b"allow", b"retry-after", b"www-authenticate"})

# In this order: the first kind that fits decides.
STATUSES: tuple[tuple[type[Exception], int], ...] = (
    (TooLarge, 413),
    (InvalidInput, 400),
    (NotAllowed, 403),
    (NotFound, 404),
    (PreconditionFailed, 412),
    (Conflict, 409),
    (NoEvidence, 409),
    (KeyReused, 422),
    (Unavailable, 503),
    (ContentUnavailable, 503),
)
MESSAGES = {
    400: "The request is malformed or has invalid input.",
    401: "Credentials are missing or wrong.",
    403: "These credentials do not allow this.",
    404: "There is nothing at this address.",
    405: "This address does not take this method.",
    408: "The request did not arrive in time.",
    409: "The state of this thing does not allow it.",
    411: "The request must declare its length.",
    412: "A condition of the account is not met.",
    413: "The request is larger than the limit.",
    414: "The address is too long.",
    415: "The body is not of a supported type.",
    422: "The request is understood, but it cannot be carried out as it stands.",
    429: "The quota of this interval is used up. Please try again when the next one begins.",
    431: "The headers of the request are too large.",
    500: "The service failed, by a fault of ours.",
    502: "A service that is needed did not answer; nothing was accepted. Please try again.",
    503: "A part of the service is unavailable; nothing was accepted. Please try again.",
}

OAUTH_ERRORS = {
    401: "invalid_client",
    403: "unauthorized_client",
    429: "temporarily_unavailable",
    500: "server_error",
    502: "temporarily_unavailable",
    503: "temporarily_unavailable",
}
"""Codes of RFC 6749, sections 5.2 and 4.1.2.1, by status; every other refusal is *invalid_request*."""

log = structlog.get_logger("sealpost.errors")


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: status, headers in lower case, body octets."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


def envelope(error: Exception, transaction_id: str, path: str) -> Answer:
    """The answer to a request that ended in this exception.

    Args:
        error: any; one that we do not know is logged.
        transaction_id: the request's id.
        path: of the request; below ``/oauth/`` the answer also has what OAuth's clients look for.
    """
    status = status_of(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log_fault(error, status, transaction_id)
    members = {
        "transactionId": transaction_id,
        "status": str(status),
        "name": HTTPStatus(status).phrase,
        "message": MESSAGES.get(status, "The request failed."),
        "info": _info(error, status),
    }
    if path.startswith(OAUTH):
        members |= _oauth_error(error, status, members)
    body = json.dumps(members).encode()  # ASCII, whatever stands in the strings
    length = (b"content-length", str(len(body)).encode())
    return Answer(status, ((b"content-type", JSON), length, *headers_of(error, status)), body)


def status_of(error: Exception) -> int:
    """The HTTP status of an exception; 500 for one that nobody foresaw."""
    if isinstance(error, Refusal):
        return error.status
    if isinstance(error, HTTPException):
        return error.status_code if error.status_code in KNOWN else 500
    return next((status for kind, status in STATUSES if isinstance(error, kind)), 500)


def headers_of(error: Exception, status: int) -> tuple[tuple[bytes, bytes], ...]:
    """The headers that belong to the status: ``Allow``, ``WWW-Authenticate``, ``Retry-After``."""
    if isinstance(error, Refusal):
        return error.headers
    if isinstance(error, HTTPException) and error.headers:
        pairs = ((name.lower().encode(), value) for name, value in error.headers.items())
        return tuple(
            (name, (with_head(value) if name == b"allow" else value).encode()) for name, value in pairs if name in NAMED
        )
    if isinstance(error, KeyBusy):
        return ((b"retry-after", b"1"),)
    return ((b"retry-after", RETRY_AFTER),) if status == HTTPStatus.SERVICE_UNAVAILABLE else ()


def with_head(allow: str) -> str:
    """The methods of an ``Allow`` header of the framework, which does not know that HEAD is taken as GET."""
    methods = sorted({name.strip() for name in allow.split(",")} | ({"HEAD"} if "GET" in allow else set()))
    return ", ".join(methods)


def log_fault(error: Exception, status: int, transaction_id: str) -> None:
    """Logs where an exception came from: its kind and its frames, never its message or its values."""
    frames = traceback.extract_tb(error.__traceback__)[-12:]
    log.error(
        "request failed",
        status=status,
        request_id=transaction_id,
        error=type(error).__qualname__,
        cause=type(error.__cause__).__qualname__ if error.__cause__ else None,
        frames=[f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames],
    )


def _oauth_error(error: Exception, status: int, members: dict[str, str]) -> dict[str, str]:
    """A client that finds no ``error`` takes the answer for a token (RFC 6749, section 5.2)."""
    code = (
        "unsupported_grant_type" if isinstance(error, UnsupportedGrant) else OAUTH_ERRORS.get(status, "invalid_request")
    )
    return {"error": code, "error_description": members["info"] or members["message"]}


def _info(error: Exception, status: int) -> str:
    """The part that names the field; our own words only, since a library's may repeat addresses and values."""
    if isinstance(error, Refusal):
        return error.info
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return "internal error"
    if isinstance(error, ContentUnavailable):
        return "storage is unavailable"
    if isinstance(error, HTTPException):
        allow = (error.headers or {}).get("allow") or (error.headers or {}).get("Allow")
        return f"allowed: {with_head(allow)}" if allow else ""
    return str(error)

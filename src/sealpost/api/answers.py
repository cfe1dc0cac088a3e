"""Answers of the framework's handlers on API addresses: JSON, and the error envelope for every exception.

For ``sealpost.api`` and ``sealpost.xmlapi``, and for bootstrap as the net under unknown addresses and wrong methods.
"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from sealpost.access.envelope import Answer, envelope
from sealpost.access.request_id import request_id
from sealpost.usecases.service import Service

ApiRequest = Request[Any, Any, Any]
Serving = NamedDependency[SkipValidation[Service]]
"""The service, as the framework hands it to a route."""

NO_STORE = {"cache-control": "no-store"}


def api_error(request: ApiRequest, error: Exception) -> Response[bytes]:
    """Any exception as the envelope, 404 and 405 (with ``Allow``) of the framework's router included.

    Args:
        request: the request that failed.
        error: what its handler, or the router, raised.
    """
    return response(envelope(error, request_id(request.scope), request.scope["path"]))


def response(answer: Answer) -> Response[bytes]:
    """An answer in the framework's form, which has one line per header name: several challenges are joined."""
    headers: dict[str, str] = {}
    for name, value in answer.headers:
        key, line = name.decode(), value.decode()
        headers[key] = f"{headers[key]}, {line}" if key in headers else line
    headers.pop("content-length", None)  # the framework counts itself
    return Response(answer.body, status_code=answer.status, media_type=headers.pop("content-type"), headers=headers)


def json_answer(members: dict[str, Any], status: int) -> Response[bytes]:
    """A JSON object that no cache may keep."""
    octets = msgspec.json.encode(members)
    return Response(octets, status_code=status, media_type="application/json", headers=NO_STORE)

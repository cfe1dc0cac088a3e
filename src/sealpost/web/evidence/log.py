"""The log under ``/log/``: a page that explains it, and its tiles and checkpoints for programs (C2SP tlog-tiles).

Static by nature: any web server or cache may serve the folder instead.
"""

from __future__ import annotations

import asyncio
import re
from datetime import UTC
from typing import Any

from litestar import Response, route
from litestar.exceptions import NotFoundException

from sealpost.domain.errors import Unavailable
from sealpost.seal.log.folder import LogDamaged, LogFolder
from sealpost.seal.log.tiles import read_path
from sealpost.usecases.reads.trust import log_views
from sealpost.web.pages import READ, PageRequest, Serving, chosen_language, page

NAME = re.compile("[0-9]{4}(?:-[0-9]{1,3})?", re.ASCII)
SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'",
    "Access-Control-Allow-Origin": "*",
}
FRESH = {"Cache-Control": "public, max-age=5"}
FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}


@route("/log", http_method=READ)
async def log_page(request: PageRequest, service: Serving) -> Response[str]:
    """What the log is, in words, and where the current one stands."""
    logs = await log_views(service)
    return page(request, service.face, "evidence/log.html", chosen_language(request), logs=logs, utc=UTC)


@route("/log/{name:str}/checkpoint", http_method=READ)
async def checkpoint(request: PageRequest, service: Serving) -> Response[bytes]:
    """The newest checkpoint of a log, with its witnesses' lines."""
    try:
        octets = await asyncio.to_thread(_folder(request, service).checkpoint)
    except OSError as error:
        raise Unavailable("the log's folder is away") from error
    if octets is None:
        raise NotFoundException("no such log")
    return Response(octets, media_type="text/plain", headers={**SAFE, **FRESH})


@route("/log/{name:str}/tile/{rest:path}", http_method=READ)
async def tile(request: PageRequest, service: Serving) -> Response[bytes]:
    """A tile, full or partial; it never changes."""
    asked = read_path(f"tile{request.path_params['rest']}")
    folder = _folder(request, service)
    if asked is None:
        raise NotFoundException("no such tile")
    try:
        octets = await asyncio.to_thread(folder.tile, asked)
    except LogDamaged as error:
        raise NotFoundException("no such tile") from error
    except OSError as error:
        raise Unavailable("the log's folder is away") from error
    return Response(octets, media_type="application/octet-stream", headers={**SAFE, **FOR_EVER})


def _folder(request: PageRequest, service: Any) -> LogFolder:
    name = str(request.path_params["name"])
    if not NAME.fullmatch(name) or not (service.evidence.logs / name).is_dir():
        raise NotFoundException("no such log")
    return service.evidence.log(name)

"""The few committed files that pages load: one style sheet and the seal. Named by their hash, so kept for a year."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from litestar import Request, Response, route
from litestar.exceptions import NotFoundException

FOLDER = Path(__file__).parent / "static"
TYPES = {".css": "text/css", ".svg": "image/svg+xml"}
FILES = {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir()) if path.suffix in TYPES}
VERSIONS = {name: hashlib.sha256(octets).hexdigest()[:12] for name, octets in FILES.items()}


def address(name: str) -> str:
    """Where a file is served; it changes with its content.

    Raises:
        KeyError: there is no such file.
    """
    return f"/static/{name}?v={VERSIONS[name]}"


@route("/static/{name:str}", http_method=["GET", "HEAD"])
async def static_file(request: Request[Any, Any, Any]) -> Response[bytes]:
    name = str(request.path_params["name"])
    if name not in FILES:
        raise NotFoundException("no such file")
    current = request.query_params.get("v") == VERSIONS[name]
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable" if current else "no-cache",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    }
    return Response(FILES[name], media_type=TYPES[Path(name).suffix], headers=headers)

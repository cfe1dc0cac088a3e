"""The trust folder under ``/trust/``: what people fetch once, and keep, to check evidence against."""

from __future__ import annotations

import hashlib
import io
import zipfile

from litestar import Response, route
from litestar.exceptions import NotFoundException

from sealpost.domain.anchors import ANCHORS, trust_fingerprint
from sealpost.usecases.reads.trust import trust_folder
from sealpost.web.evidence.log import SAFE
from sealpost.web.pages import READ, PageRequest, Serving, chosen_language, page

ARCHIVE = "sealpost-trust.zip"
TYPES = {".pem": "application/x-pem-file", ".crl": "application/pkix-crl", ".txt": "text/plain"}
SHORT = {"Cache-Control": "public, max-age=300"}


@route("/trust", http_method=READ)
async def trust_page(request: PageRequest, service: Serving) -> Response[str]:
    """What the files are, with their fingerprints."""
    files = await trust_folder(service)
    listed = [(name, len(octets), hashlib.sha256(octets).digest()) for name, octets in sorted(files.items())]
    return page(
        request,
        service.face,
        "evidence/trust.html",
        chosen_language(request),
        files=listed,
        archive=ARCHIVE,
        whole=bytes.fromhex(trust_fingerprint(files)),
        anchors=[name for name in ANCHORS if name in files],
    )


@route("/trust/{rest:path}", http_method=READ)
async def trust_file(request: PageRequest, service: Serving) -> Response[bytes]:
    """One file, or all of them in a zip."""
    name = str(request.path_params["rest"]).removeprefix("/")
    files = await trust_folder(service)
    headers = {**SAFE, **SHORT}
    if name == ARCHIVE:
        headers["Content-Disposition"] = f'attachment; filename="{ARCHIVE}"'
        return Response(_zipped(files), media_type="application/zip", headers=headers)
    if name not in files:
        raise NotFoundException("no such file")
    ending = "." + name.rpartition(".")[2]
    return Response(files[name], media_type=TYPES.get(ending, "text/plain"), headers=headers)


def _zipped(files: dict[str, bytes]) -> bytes:
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(f"sealpost-trust/{name}"), content)
    return octets.getvalue()

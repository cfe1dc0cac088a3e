"""The grammar of the XML interface, published beside it (contract, section 5). For everybody."""

from __future__ import annotations

from importlib.resources import files

from litestar import Response, get

XSD_PATH = "/webservice/xml/sealpost-biljetten.xsd"
OCTETS = files("sealpost.xmlapi").joinpath("sealpost-biljetten.xsd").read_bytes()


@get(XSD_PATH, sync_to_thread=False)
def biljetten_xsd() -> Response[bytes]:
    return Response(OCTETS, media_type="application/xml; charset=utf-8", headers={"cache-control": "max-age=3600"})

"""The two cookies of the pages (RFC 6265bis): named with ``__Host-`` and secure wherever the service has https."""

from __future__ import annotations

from litestar.datastructures import Cookie

from sealpost.usecases.service import Face
from sealpost.web.pages import PageRequest


def cookie_name(face: Face, bare: str) -> str:
    """A browser takes ``__Host-`` names over https only, so the demo, on plain http, does without."""
    return f"__Host-{bare}" if face.secure else bare


def cookie(face: Face, bare: str, value: str) -> Cookie:
    """A cookie that ends with the browser's session, unseen by scripts and not sent with other sites' forms."""
    return Cookie(key=cookie_name(face, bare), value=value, path="/", secure=face.secure, httponly=True, samesite="lax")


def ended(face: Face, bare: str) -> Cookie:
    """The same cookie, to be forgotten at once."""
    return Cookie(
        key=cookie_name(face, bare), value="", path="/", secure=face.secure, httponly=True, samesite="lax", max_age=0
    )


def sent(request: PageRequest, face: Face, bare: str) -> str:
    """The cookie's value as the browser sent it; empty when it sent none."""
    return request.cookies.get(cookie_name(face, bare), "")

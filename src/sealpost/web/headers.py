"""Security headers of every page: CSP Level 3, Referrer Policy, RFC 6797 (HSTS), RFC 9111 (caching).

For every answer of the pages, the error pages included. Nothing inline, nothing from elsewhere, never framed, never
kept by a cache.
"""

from __future__ import annotations

from sealpost.usecases.service import Face

POLICY = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
# A file that a browser shows after all, instead of keeping it, may do nothing.
FILE_POLICY = "sandbox; default-src 'none'"
FIXED = {
    # Not "no-referrer": with it browsers send "Origin: null" with our own forms (Fetch, "append a request Origin
    # header"), and the guard could not tell them from a stranger's. This one tells other sites as little.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


def security_headers(face: Face, policy: str = POLICY) -> dict[str, str]:
    """The headers of one answer.

    Args:
        face: says whether the service is reached over https.
        policy: the content security policy, when it is not the usual one.
    """
    headers = {"Content-Security-Policy": policy, **FIXED}
    if face.secure:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return headers

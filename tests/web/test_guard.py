"""Who may send a form, and how the demo may be called."""

from __future__ import annotations

import pytest

from sealpost.usecases.service import Face
from sealpost.web.guard import is_loopback_host, is_own

LIVE = Face("https://sealpost.example", "sealpost.example", secure=True, demo=False, service_name="S", mail_domain="x")
DEMO = Face("http://127.0.0.1:8025", "127.0.0.1:8025", secure=False, demo=True, service_name="S", mail_domain="x")


@pytest.mark.parametrize(
    ("face", "origin", "site", "own"),
    [
        (LIVE, None, None, True),  # not a browser of our day; it sends no cookie with a stranger's form either
        (LIVE, "https://sealpost.example", None, True),
        (LIVE, "https://sealpost.example", "same-origin", True),
        (LIVE, None, "same-origin", True),
        (LIVE, None, "none", True),  # typed, or loaded again
        (LIVE, "null", "same-origin", True),
        (LIVE, "null", None, False),
        (LIVE, "null", "none", False),
        (LIVE, "null", "cross-site", False),
        (LIVE, None, "cross-site", False),
        (LIVE, None, "same-site", False),
        (LIVE, None, "", False),
        (LIVE, "", None, False),
        (LIVE, "https://evil.example", None, False),
        (LIVE, "https://evil.example", "same-origin", False),
        (LIVE, "http://sealpost.example", None, False),
        (LIVE, "https://sealpost.example:444", None, False),
        (LIVE, "https://sealpost.example.evil.example", None, False),
        (LIVE, "https://sub.sealpost.example", None, False),
        (LIVE, "https://sealpost.example/", None, False),
        (LIVE, "http://127.0.0.1:8025", None, False),
        (DEMO, "http://127.0.0.1:8025", None, True),
        (DEMO, "http://localhost:8025", None, True),
        (DEMO, "http://localhost:8026", None, False),
        (DEMO, "https://localhost:8025", None, False),
        (DEMO, "http://localhost", None, False),
    ],
)
def test_own_forms(face: Face, origin: str | None, site: str | None, own: bool) -> None:
    given = {"origin": origin, "sec-fetch-site": site}
    assert is_own({name: value for name, value in given.items() if value is not None}, face) is own


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("127.0.0.1:8025", True),
        ("127.0.0.1", True),
        ("localhost:8025", True),
        ("LOCALHOST:8025", True),
        ("", False),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example:8025", False),
        ("127.0.0.1:", False),
        ("127.0.0.1:8025@evil.example", False),
        ("localhost:8025\n", False),
        ("x localhost", False),
        ("0.0.0.0:8025", False),
    ],
)
def test_loopback_host(host: str, ours: bool) -> None:
    assert is_loopback_host(host) is ours

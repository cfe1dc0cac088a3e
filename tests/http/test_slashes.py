"""Addresses as base addresses make them: a slash too many at the beginning or, where nothing else stands there, at the end."""

from __future__ import annotations

import pytest

from tests.site import Site


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/webservice/mailsender/send", 415),
        ("//webservice/mailsender/send", 415),
        ("/webservice/mailsender/send/", 415),
        ("//webservice/mailsender/send/", 415),
        ("/webservice/mailsender/send//", 404),
        ("/webservice/mailsender/send%2f", 404),
        ("//api/user/", 401),
        ("///oauth/client_credential/accesstoken", 400),
    ],
)
async def test_a_slash_too_many(quiet_site: Site, path: str, status: int) -> None:
    async with quiet_site.client() as program:
        answer = await program.request("GET" if "user" in path else "POST", str(program.base_url).rstrip("/") + path)
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/webservice/mailsender/send", "OPTIONS, POST"),
        ("/api/user/", "GET, HEAD, OPTIONS, POST"),
        ("/api/user/1", "DELETE, GET, HEAD, OPTIONS, PUT"),
        ("/webservice/xml/", "GET, HEAD, OPTIONS"),
        ("/oauth/revoke", "OPTIONS, POST"),
        ("/signin", "GET, HEAD, OPTIONS, POST"),
        ("/p/x", "GET, HEAD, OPTIONS"),
    ],
)
async def test_options_says_which_methods_there_are(quiet_site: Site, path: str, methods: str) -> None:
    async with quiet_site.client() as program:
        answer = await program.options(path)
    assert (answer.status_code, answer.headers["allow"], answer.content) == (204, methods, b"")

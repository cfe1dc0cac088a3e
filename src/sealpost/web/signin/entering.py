"""Signing in with address and password, signing out, and who is signed in.

For people of an account. Every wrong pair gets the same words and status; the session is a random secret in a cookie.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from litestar import Response, post, route

from sealpost.usecases.reads.session import Session, session
from sealpost.usecases.service import Service
from sealpost.usecases.sign_in import sign_in, sign_out
from sealpost.web.cookies import cookie, ended, sent
from sealpost.web.forms import fields
from sealpost.web.pages import PageRequest, Serving, chosen_language, page, redirect
from sealpost.web.pickup.cookie import is_secret
from sealpost.web.signin.way_back import DASHBOARD, language_in, way_back

SESSION = "session"


async def signed_in(request: PageRequest, service: Service) -> Session | None:
    """The person behind this request, if one is signed in; reads only."""
    secret = sent(request, service.face, SESSION)
    return await session(service, secret) if is_secret(secret) else None


def sign_in_first(service: Service, back: str) -> Response[str]:
    """302 to the sign-in page.

    Args:
        service: the service.
        back: where the person wanted to go; checked again when it is used.
    """
    onward = way_back(back)
    language = language_in(onward)
    query = {"next": onward} if onward != DASHBOARD else {}
    asked = urlencode(query | ({"lang": language} if language else {}))
    return redirect(service.face, f"/signin?{asked}".rstrip("?"), 302)


@route("/signin", http_method=["GET", "HEAD"])
async def sign_in_page(request: PageRequest, service: Serving) -> Response[Any]:
    back = way_back(request.query_params.get("next", ""))
    if await signed_in(request, service):
        return redirect(service.face, back)
    # Whoever signed out holds no cookie; one that opens nothing is of a session that has ended.
    context: dict[str, Any] = {"back": back, "email": "", "wrong": False}
    context["ended"] = is_secret(sent(request, service.face, SESSION))
    return page(request, service.face, "signin/signin.html", chosen_language(request), **context)


@post("/signin")
async def sign_in_form(request: PageRequest, service: Serving) -> Response[Any]:
    """A session and 303 to the way back, or 401 with the form."""
    form = await fields(request)
    email, back = form.get("email", "").strip(), way_back(form.get("next", ""))
    client = request.client.host if request.client else ""
    secret = await sign_in(service, email, form.get("password", ""), client)
    if secret is None:
        context: dict[str, Any] = {"back": back, "email": email, "wrong": True, "ended": False}
        return page(request, service.face, "signin/signin.html", chosen_language(request), status=401, **context)
    return entered(service, secret, back)


@post("/signout")
async def sign_out_form(request: PageRequest, service: Serving) -> Response[str]:
    secret = sent(request, service.face, SESSION)
    if is_secret(secret):
        await sign_out(service, secret)
    onward = redirect(service.face, "/signin")
    onward.set_cookie(ended(service.face, SESSION))
    return onward


def entered(service: Service, secret: str, back: str) -> Response[str]:
    """The answer that begins a session."""
    onward = redirect(service.face, back)
    onward.set_cookie(cookie(service.face, SESSION, secret))
    return onward

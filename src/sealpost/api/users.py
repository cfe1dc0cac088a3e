"""``POST /api/user/``: a new user of the caller's account (contract, section 2)."""

from __future__ import annotations

from litestar import Response, post

from sealpost.access.callers import authenticated
from sealpost.api.answers import ApiRequest, Serving, json_answer
from sealpost.api.json_scan import scan
from sealpost.api.members import Members
from sealpost.api.send import check_form
from sealpost.domain.errors import NotAllowed
from sealpost.domain.parties import address
from sealpost.usecases.add_user import add_user


@post("/api/user", status_code=201)
async def new_user(request: ApiRequest, service: Serving) -> Response[bytes]:
    """Adds a user with the role *user*, who gets a mail to set a password.

    Raises:
        NotAllowed: the caller is not an administrator's client.
        InvalidInput: naming ``email_address``.
        PreconditionFailed: the address belongs to a user already.
    """
    check_form(request.scope["headers"])
    caller = await authenticated(service, request.scope["headers"])
    if caller.role != "administrator":
        raise NotAllowed("an account administrator's client is needed")
    octets = await request.body()
    email = Members(octets, scan(octets)).string("email_address")
    return json_answer({"id": await add_user(service, caller.account_id, address("email_address", email))}, 201)

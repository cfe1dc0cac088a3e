"""``/api/user/``: the users of the caller's account, in the vendor's names (contract, section 2).

For clients of account administrators alone. Members that the record does not have are ignored, so that what was got
can be put back.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from litestar import Response, delete, get, post, put

from sealpost.access.callers import administrator
from sealpost.access.forms import query
from sealpost.api.answers import ApiRequest, Serving, json_answer
from sealpost.api.json_scan import scan
from sealpost.api.lists import cursor, number, wanted
from sealpost.api.members import Members
from sealpost.api.send import check_form
from sealpost.domain.parties import address
from sealpost.usecases.add_user import add_user
from sealpost.usecases.change_user import change_user
from sealpost.usecases.delete_user import delete_user
from sealpost.usecases.invite import invite
from sealpost.usecases.reads import users
from sealpost.usecases.user_fields import UserFields

ONE = "/api/user/{user_id:str}"
DONE = {"message": "OK"}


@get("/api/user")
async def user_list(request: ApiRequest, service: Serving) -> Response[bytes]:
    """A page of the list, or with ``email_address`` in the query only that user.

    Raises:
        InvalidInput: naming ``cursor``, ``limit`` or ``email_address``.
        NotAllowed: the caller is not an administrator's client.
    """
    caller = await administrator(service, request.scope)
    parameters = query(request.scope["query_string"])
    part = wanted(parameters)
    email = parameters.get("email_address")
    key = None if email is None else address("email_address", email).key
    page = await users.users(service, caller.account_id, part.after, part.limit, key)
    return json_answer({"users": [asdict(user) for user in page.users], "next": cursor(page.next)}, 200)


@post("/api/user")
async def new_user(request: ApiRequest, service: Serving) -> Response[bytes]:
    """Adds a user with the role *user*, who gets a mail to set a password.

    Raises:
        InvalidInput: naming the field.
        NotAllowed: the caller is not an administrator's client.
        PreconditionFailed: the address belongs to a user already.
    """
    check_form(request.scope["headers"])
    caller = await administrator(service, request.scope)
    fields = _fields(await _members(request), new=True)
    return json_answer({"id": await add_user(service, caller.account_id, fields)}, 201)


@get(ONE)
async def one_user(request: ApiRequest, service: Serving) -> Response[bytes]:
    """The record.

    Raises:
        NotAllowed: the caller is not an administrator's client.
        NotFound: no such user of this account.
    """
    caller = await administrator(service, request.scope)
    return json_answer(asdict(await users.user(service, caller.account_id, _id(request))), 200)


@put(ONE)
async def changed_user(request: ApiRequest, service: Serving) -> Response[bytes]:
    """The record after the change: members that are absent stay, null empties.

    Raises:
        InvalidInput: naming the field.
        NotAllowed: the caller is not an administrator's client.
        NotFound: no such user of this account.
        PreconditionFailed: the address belongs to another user.
    """
    check_form(request.scope["headers"])
    caller = await administrator(service, request.scope)
    user_id = _id(request)
    fields = _fields(await _members(request), new=False)
    return json_answer(asdict(await change_user(service, caller.account_id, user_id, fields)), 200)


@delete(ONE, status_code=200)
async def deleted_user(request: ApiRequest, service: Serving) -> Response[bytes]:
    """Deletes a user.

    Raises:
        NotAllowed: the caller is not an administrator's client.
        NotFound: no such user of this account.
        PreconditionFailed: the account's last active administrator.
    """
    caller = await administrator(service, request.scope)
    await delete_user(service, caller.account_id, _id(request))
    return json_answer(DONE, 200)


@post(f"{ONE}/activation", status_code=200)
async def activation(request: ApiRequest, service: Serving) -> Response[bytes]:
    """Sends the activation mail again.

    Raises:
        NotAllowed: the caller is not an administrator's client.
        NotFound: no such user of this account.
        PreconditionFailed: active already, or asked for less than five minutes ago.
    """
    caller = await administrator(service, request.scope)
    await invite(service, caller.account_id, _id(request))
    return json_answer(DONE, 200)


USER_ROUTES = (user_list, new_user, one_user, changed_user, deleted_user, activation)


def _id(request: ApiRequest) -> int:
    return number(str(request.path_params["user_id"]), "user")


async def _members(request: ApiRequest) -> Members:
    octets = await request.body()
    return Members(octets, scan(octets))


def _fields(members: Members, *, new: bool) -> UserFields:
    texts: dict[str, Any] = {
        name: _said(members, name) for name in ("username", "real_name", "phone_number", "date_of_birth")
    }
    if not new:
        texts["username"] = members.string("username")
    return UserFields(
        email_address=members.string("email_address"),
        sender_allowed=members.optional_boolean("sender_allowed"),
        **texts,
    )


def _said(members: Members, name: str) -> str | None:
    """None where nothing is said; null says what an empty text says."""
    return members.optional_string(name) or "" if members.stands(name) else None

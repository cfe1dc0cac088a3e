"""``/allowed_email_address/``: sender addresses beyond those of the account's own users (contract, section 2).

For clients of account administrators alone. An address is usable once its owner has confirmed it.
"""

from __future__ import annotations

from dataclasses import asdict

from litestar import Response, delete, get, post

from sealpost.access.callers import administrator
from sealpost.access.forms import query
from sealpost.api.answers import ApiRequest, Serving, json_answer
from sealpost.api.json_scan import scan
from sealpost.api.lists import cursor, number, wanted
from sealpost.api.members import Members
from sealpost.api.send import check_form
from sealpost.domain.parties import address
from sealpost.usecases.allow_address import allow_address
from sealpost.usecases.disallow_address import disallow_address
from sealpost.usecases.reads.addresses import allowed_address, allowed_addresses

ONE = "/allowed_email_address/{address_id:str}"


@get("/allowed_email_address")
async def address_list(request: ApiRequest, service: Serving) -> Response[bytes]:
    """A page of the list.

    Raises:
        InvalidInput: naming ``cursor`` or ``limit``.
        NotAllowed: the caller is not an administrator's client.
    """
    caller = await administrator(service, request.scope)
    part = wanted(query(request.scope["query_string"]))
    page = await allowed_addresses(service, caller.account_id, part.after, part.limit)
    shown = [asdict(one) for one in page.addresses]
    return json_answer({"allowed_email_addresses": shown, "next": cursor(page.next)}, 200)


@post("/allowed_email_address")
async def new_address(request: ApiRequest, service: Serving) -> Response[bytes]:
    """Asks the address's owner by mail; for one that waits, again.

    Raises:
        InvalidInput: naming ``email_address``.
        NotAllowed: the caller is not an administrator's client.
        PreconditionFailed: usable already, asked less than five minutes ago, or too many.
    """
    check_form(request.scope["headers"])
    caller = await administrator(service, request.scope)
    octets = await request.body()
    email = address("email_address", Members(octets, scan(octets)).string("email_address"))
    return json_answer({"id": await allow_address(service, caller.account_id, email)}, 201)


@get(ONE)
async def one_address(request: ApiRequest, service: Serving) -> Response[bytes]:
    """One address.

    Raises:
        NotAllowed: the caller is not an administrator's client.
        NotFound: no such address of this account.
    """
    caller = await administrator(service, request.scope)
    return json_answer(asdict(await allowed_address(service, caller.account_id, _id(request))), 200)


@delete(ONE, status_code=200)
async def removed_address(request: ApiRequest, service: Serving) -> Response[bytes]:
    """Removes an address, which is usable no more.

    Raises:
        NotAllowed: the caller is not an administrator's client.
        NotFound: no such address of this account.
    """
    caller = await administrator(service, request.scope)
    await disallow_address(service, caller.account_id, _id(request))
    return json_answer({"message": "OK"}, 200)


ADDRESS_ROUTES = (address_list, new_address, one_address, removed_address)


def _id(request: ApiRequest) -> int:
    return number(str(request.path_params["address_id"]), "address")

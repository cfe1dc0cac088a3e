"""OAuth 2.0: client credentials in for a token (RFC 6749, section 4.4), and a token ended (RFC 7009); contract, section 1.

``grant_type`` may stand in the query, as the vendor has it, or in the form. The client's id and secret stand in the
form or in a Basic header; where they stand in both they must agree. A token is ended with the same pair (RFC 7009,
section 2.1) or with a token of the client. Errors have the service's own envelope, with OAuth's ``error`` in it.
"""

from __future__ import annotations

from litestar import Response, post
from litestar.exceptions import HTTPException

from sealpost.access.callers import CONTROL, Headers, authenticated, basic_pair, credentials, oauth_client
from sealpost.access.forms import form, query
from sealpost.access.refusals import BASIC, Unauthenticated, UnsupportedGrant
from sealpost.api.answers import NO_STORE, ApiRequest, Serving, json_answer
from sealpost.domain.errors import InvalidInput
from sealpost.usecases.issue_token import issue_token, revoke_token
from sealpost.usecases.reads.callers import CallerRow
from sealpost.usecases.service import Service

GRANT = "client_credentials"
LONGEST = 1024


@post("/oauth/client_credential/accesstoken", status_code=200)
async def access_token(request: ApiRequest, service: Serving) -> Response[bytes]:
    """A bearer token for a client's id and secret.

    Raises:
        InvalidInput: no grant, or two answers to one question.
        UnsupportedGrant: another one.
        Unauthenticated: no pair, or a wrong one.
        QuotaExceeded: the client has no call left in this interval.
    """
    fields = await _form(request)
    grant = _agreed("grant_type", query(request.scope["query_string"]).get("grant_type"), fields.get("grant_type"))
    if grant is None:
        raise InvalidInput("grant_type", "is required")
    if grant != GRANT:
        raise UnsupportedGrant(f"grant_type: must be {GRANT}")
    client = await oauth_client(service, request.scope, *client_pair(request.scope["headers"], fields))
    issued = await issue_token(service, client.client)
    members = {"access_token": issued.access_token, "token_type": "Bearer", "expires_in": issued.expires_in}
    return json_answer(members, 200)


@post("/oauth/revoke", status_code=200)
async def revoke(request: ApiRequest, service: Serving) -> Response[bytes]:
    """Ends a token of the calling client, perhaps the calling token itself.

    200 whether or not there was one, or it was another client's (RFC 7009, section 2.2). ``token_type_hint`` is not
    needed: there is one type.

    Raises:
        InvalidInput: no ``token``, or two ways to say who calls.
        Unauthenticated: no or wrong credentials.
        QuotaExceeded: the client has no call left in this interval.
    """
    fields = await _form(request)
    caller = await _revoking(service, request, fields)
    token = fields.get("token", "")
    if not token or len(token) > LONGEST:
        raise InvalidInput("token", "is required" if not token else "is too long")
    await revoke_token(service, caller.client, token)
    return Response(b"", status_code=200, media_type="application/json", headers=NO_STORE)


async def _revoking(service: Service, request: ApiRequest, fields: dict[str, str]) -> CallerRow:
    headers: Headers = request.scope["headers"]
    named = any(name == b"authorization" for name, _ in headers)
    if not named or credentials(headers)[0] == "basic":
        return await oauth_client(service, request.scope, *client_pair(headers, fields))
    if "client_secret" in fields:
        raise InvalidInput("client_secret", "is given beside a Bearer token")
    return await authenticated(service, request.scope)


def client_pair(headers: Headers, fields: dict[str, str]) -> tuple[str, str]:
    """The client's id and secret.

    Args:
        headers: of the request.
        fields: of its form.

    Raises:
        InvalidInput: the header and the form say different things.
        Unauthenticated: the pair is absent, incomplete or malformed.
    """
    name, secret = None, None
    pairs = list(headers)
    if any(header == b"authorization" for header, _ in pairs):
        scheme, value = credentials(pairs)
        if scheme != "basic":
            raise Unauthenticated("a token is asked for with the client's id and secret", (BASIC,))
        name, secret = basic_pair(value)
    client_id = _agreed("client_id", name, fields.get("client_id"))
    client_secret = _agreed("client_secret", secret, fields.get("client_secret"))
    if not client_id or not client_secret or max(len(client_id), len(client_secret)) > LONGEST:
        raise Unauthenticated("the client's id and secret are required", (BASIC,))
    if CONTROL.search(client_id + client_secret):  # a NUL would not even reach the database's comparison
        raise Unauthenticated("the client's id and secret are not valid", (BASIC,))
    return client_id, client_secret


def _agreed(field: str, first: str | None, second: str | None) -> str | None:
    if first is not None and second is not None and first != second:
        raise InvalidInput(field, "is given twice, with two values")
    return second if first is None else first


async def _form(request: ApiRequest) -> dict[str, str]:
    content_type = request.headers.get("content-type", "")
    if not content_type.lower().startswith("multipart/form-data"):
        return form(content_type, await request.body())
    try:
        pairs = list((await request.form()).multi_items())  # what PHP's curl makes of an array
    except HTTPException:
        raise InvalidInput("body", "is malformed") from None
    fields = {name: value for name, value in pairs if isinstance(value, str)}
    if len(fields) != len(pairs):
        raise InvalidInput("body", "has a name twice, or a file")
    return fields

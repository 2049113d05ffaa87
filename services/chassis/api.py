"""What every route stands on: the caller, strict bodies, and one way to change something over HTTP."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, TypeAlias
from uuid import UUID

from fastapi import Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict

from services.chassis import idempotency
from services.chassis.auth import InvalidToken, Principal
from services.chassis.context import Context
from services.chassis.db import Connection
from services.chassis.idempotency import Claim
from services.chassis.keys import Key
from services.chassis.problems import Problem, Refusal, refuse

# What a change may say in headers, and how long each may be.
CHANGE_HEADERS = {"Idempotency-Key": 200, "If-Match": 100}


class Body(BaseModel):
    """A request body: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Answer:
    """What a route answers: a body, and where the resource is and which version of it, if it has them."""

    body: BaseModel
    version: int | None = None
    location: str | None = None


def context_of(request: Request) -> Context:
    """The running service."""
    context: Context = request.app.state.context
    return context


async def principal(request: Request) -> Principal:
    """The caller, from the bearer token; a problem 401 without a valid one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise _not_authenticated("Send a bearer token in the Authorization header.")
    try:
        return await context_of(request).verifier.verify(token.strip())
    except InvalidToken as error:
        raise _not_authenticated(f"Ask for a new token: {error}.") from None


Caller: TypeAlias = Annotated[Principal, Depends(principal)]


def _not_authenticated(detail: str) -> Problem:
    refusal = Refusal(401, "not-authenticated", detail, field="Authorization")
    return Problem(refusal, headers={"WWW-Authenticate": 'Bearer realm="lotse"'})


@dataclass(frozen=True)
class Change:
    """One request that changes something: who asks, with which Idempotency-Key and If-Match."""

    request: Request
    caller: Principal
    context: Context
    idempotency_key: str | None
    if_match: str | None


async def change(request: Request) -> Change:
    """The dependency of routes that change something; POST requires an Idempotency-Key.

    It looks at the request itself: a dependency and two headers that FastAPI resolved for it were a fifth of all
    function calls of a change.
    """
    caller = await principal(request)
    idempotency_key, if_match = _header(request, "Idempotency-Key"), _header(request, "If-Match")
    if request.method == "POST" and not idempotency_key:
        detail = "Send the header Idempotency-Key with a new random value, and the same value when you try again."
        raise Problem(Refusal(400, "idempotency-key-missing", detail, field="Idempotency-Key"))
    return Change(request, caller, context_of(request), idempotency_key, if_match)


def _header(request: Request, name: str) -> str | None:
    value = request.headers.get(name)
    if value is not None and len(value) > CHANGE_HEADERS[name]:
        detail = f"At most {CHANGE_HEADERS[name]} characters are taken."
        raise Problem(Refusal(422, "not-valid", detail, field=name))
    return value


def describe_changes(document: dict[str, Any]) -> dict[str, Any]:
    """Add the headers that `change` reads to every operation of an OpenAPI document that changes something."""
    for operations in document.get("paths", {}).values():
        for method, operation in operations.items():
            if method != "get":
                given = [each for each in operation.get("parameters", []) if each["in"] != "header"]
                operation["parameters"] = given + [_described(*header) for header in CHANGE_HEADERS.items()]
    return document


def _described(name: str, longest: int) -> dict[str, Any]:
    schema = {"anyOf": [{"type": "string", "maxLength": longest}, {"type": "null"}], "title": name}
    return {"name": name, "in": "header", "required": False, "schema": schema}


Changing: TypeAlias = Annotated[Change, Depends(change)]
FindKeys: TypeAlias = Callable[[Connection], Awaitable[Sequence[Key] | Refusal]]
Act: TypeAlias = Callable[[Connection, datetime], Awaitable[Answer | Refusal]]
Render: TypeAlias = Callable[[Connection, Sequence[str], datetime], Awaitable[Answer]]


async def perform(
    change: Change,
    *,
    ids: Sequence[UUID],
    keys: FindKeys,
    act: Act,
    again: Render,
    status: int = 200,
    urgent: bool = False,
) -> Response:
    """Do one change in one transaction: idempotency row, keys, time, `act`.

    ids: of what the change makes or changes, which are all that is remembered with the Idempotency-Key.
    keys: which keys to lock; may look up immutable ids, or refuse.
    act: decides and writes; returns the answer, or refuses (then nothing is kept).
    again: answers a repeated request from the ids, with the resource as it is now.
    urgent: done even while changes are refused (see `Admission`).
    """
    if not urgent:
        refuse(change.context.admission.refusal())
    claim = await _claim(change, ids)
    for last in (False, False, True):
        try:
            return await _perform_once(change, claim, keys, act, again, status)
        except Exception as error:
            if last or getattr(error, "sqlstate", "")[:2] != "40":
                raise
            await asyncio.sleep(0.01)
    raise AssertionError("unreachable: the last try returns or raises")


async def _claim(change: Change, ids: Sequence[UUID]) -> Claim | None:
    if change.idempotency_key is None:
        return None
    request, caller = change.request, change.caller
    said = "\n".join([request.url.path, caller.unit, change.if_match or ""])
    digest = idempotency.digest(change.context.idempotency_secret, said, await request.body())
    route = f"{request.method} {request.scope['route'].path}"
    return Claim(caller.partner, route, change.idempotency_key, digest, [str(each) for each in ids])


async def _perform_once(
    change: Change, claim: Claim | None, keys: FindKeys, act: Act, again: Render, status: int
) -> Response:
    async with change.context.database.transaction() as conn:
        wanted = await keys(conn)
        try:
            opened = await idempotency.open_change(conn, claim, [] if isinstance(wanted, Refusal) else wanted)
        except idempotency.SwappedKey:
            detail = "This Idempotency-Key belongs to another request of yours; use a new random value."
            raise Problem(Refusal(422, "idempotency-key-reused", detail, field="Idempotency-Key")) from None
        if opened.done_before is not None:
            return _response(await again(conn, opened.done_before, opened.now), status, replayed=True)
        # Only now: to a request that was done before, what has become of its resource since is no refusal.
        refuse(wanted)
        answer = await act(conn, opened.now)
        if isinstance(answer, Refusal):
            raise Problem(answer)
        return _response(answer, status)


def _response(answer: Answer, status: int, *, replayed: bool = False) -> Response:
    headers = {"Idempotency-Replayed": "true"} if replayed else {}
    if answer.version is not None:
        headers["ETag"] = etag(answer.version)
    if answer.location is not None:
        headers["Location"] = answer.location
    return Response(answer.body.model_dump_json(), status, headers, "application/json")


def etag(version: int) -> str:
    """The strong entity tag of a version."""
    return f'"{version}"'


def check_version(change: Change, version: int, *, required: bool) -> Refusal | None:
    """Compare If-Match with the resource's version: 412 when it is stale, 428 when it is required and missing."""
    if change.if_match is None:
        detail = "Send If-Match with the ETag of the version you have seen."
        return Refusal(428, "if-match-missing", detail, field="If-Match") if required else None
    if change.if_match not in ("*", etag(version)):
        detail = f"The resource is at version {version} now; read it again and decide anew."
        return Refusal(412, "stale", detail, field="If-Match")
    return None


def respond(answer: Answer) -> Response:
    """The answer of a route that only reads."""
    return _response(answer, 200)


__all__ = [
    "Answer",
    "Body",
    "Caller",
    "Change",
    "Changing",
    "check_version",
    "context_of",
    "etag",
    "perform",
    "refuse",
    "respond",
]

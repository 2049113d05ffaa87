"""What every route stands on: the caller, strict bodies, and one way to change something over HTTP."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, TypeAlias

from fastapi import Depends, Header, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict

from services.chassis import db, idempotency
from services.chassis.auth import InvalidToken, Principal
from services.chassis.context import Context
from services.chassis.db import Connection
from services.chassis.idempotency import Scope
from services.chassis.keys import Key, lock_keys
from services.chassis.problems import Problem, Refusal, refuse

TRIES_ON_CONFLICT = 3


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


def require_role(caller: Principal, *roles: str) -> None:
    """A problem 403 unless the caller has one of these roles."""
    if caller.roles.isdisjoint(roles):
        raise Problem(Refusal(403, "role-missing", f"This needs the role {' or '.join(sorted(roles))}."))


@dataclass(frozen=True)
class Change:
    """One request that changes something: who asks, with which Idempotency-Key and If-Match."""

    request: Request
    caller: Principal
    context: Context
    idempotency_key: str | None
    if_match: str | None


async def change(
    request: Request,
    caller: Caller,
    idempotency_key: Annotated[str | None, Header(alias="Idempotency-Key", max_length=200)] = None,
    if_match: Annotated[str | None, Header(alias="If-Match", max_length=100)] = None,
) -> Change:
    """The dependency of routes that change something; POST requires an Idempotency-Key."""
    if request.method == "POST" and not idempotency_key:
        detail = "Send the header Idempotency-Key with a new random value, and the same value when you try again."
        raise Problem(Refusal(400, "idempotency-key-missing", detail, field="Idempotency-Key"))
    return Change(request, caller, context_of(request), idempotency_key, if_match)


Changing: TypeAlias = Annotated[Change, Depends(change)]
FindKeys: TypeAlias = Callable[[Connection], Awaitable[Sequence[Key] | Refusal]]
Act: TypeAlias = Callable[[Connection, datetime], Awaitable[Sequence[str] | Refusal]]
Render: TypeAlias = Callable[[Connection, Sequence[str], datetime], Awaitable[Answer]]


async def perform(
    change: Change, *, keys: FindKeys, act: Act, answer: Render, status: int = 200, urgent: bool = False
) -> Response:
    """Do one change in one transaction: idempotency row, keys, time, `act`, answer.

    keys: which keys to lock; may look up immutable ids first, or refuse.
    act: decides and writes; returns the ids of what it made or changed, or refuses (then nothing is kept).
    answer: shows the result from these ids; a repeated request gets the resource as it is now.
    urgent: done even while changes are refused (see `Admission`).
    """
    if not urgent:
        refuse(change.context.admission.refusal())
    body = await change.request.body()
    for last in (False, False, True):
        try:
            return await _perform_once(change, body, keys, act, answer, status)
        except Exception as error:
            if last or getattr(error, "sqlstate", "")[:2] != "40":
                raise
            await asyncio.sleep(0.01)
    raise AssertionError("unreachable: the last try returns or raises")


async def _perform_once(change: Change, body: bytes, keys: FindKeys, act: Act, answer: Render, status: int) -> Response:
    async with change.context.database.transaction() as conn:
        scope = _scope(change)
        if scope is not None:
            before = await _claim(conn, change, scope, body)
            if before is not None:
                return _response(await answer(conn, before, await db.now(conn)), status, replayed=True)
        wanted = await keys(conn)
        if isinstance(wanted, Refusal):
            raise Problem(wanted)
        await lock_keys(conn, wanted)
        now = await db.now(conn)
        ids = await act(conn, now)
        if isinstance(ids, Refusal):
            raise Problem(ids)
        if scope is not None:
            await idempotency.store(conn, scope, ids)
        return _response(await answer(conn, ids, now), status)


def _scope(change: Change) -> Scope | None:
    if change.idempotency_key is None:
        return None
    route = f"{change.request.method} {change.request.scope['route'].path}"
    return Scope(change.caller.partner, route, change.idempotency_key)


async def _claim(conn: Connection, change: Change, scope: Scope, body: bytes) -> list[str] | None:
    said = "\n".join([change.request.url.path, change.caller.unit, change.if_match or ""])
    digest = idempotency.digest(change.context.idempotency_secret, said, body)
    try:
        return await idempotency.claim(conn, scope, digest)
    except idempotency.SwappedKey:
        detail = "This Idempotency-Key belongs to another request of yours; use a new random value."
        raise Problem(Refusal(422, "idempotency-key-reused", detail, field="Idempotency-Key")) from None


def _response(answer: Answer, status: int, *, replayed: bool = False) -> Response:
    headers = {"Idempotency-Replayed": "true"} if replayed else {}
    if answer.version is not None:
        headers["ETag"] = etag(answer.version)
    if answer.location is not None:
        headers["Location"] = answer.location
    return JSONResponse(answer.body.model_dump(mode="json"), status, headers=headers)


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
    "require_role",
    "respond",
]

"""What the requests to this service are made of."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, TypeAlias
from uuid import UUID

from fastapi import Depends, Query, Request
from fastapi.responses import Response

from services.chassis import db
from services.chassis.api import Body, context_of
from services.chassis.context import Context
from services.chassis.db import Connection
from services.chassis.patience import wait_for
from services.chassis.problems import Problem, Refusal


async def running(request: Request) -> Context:
    """The running service. FastAPI would call what is not async in a thread, which costs more than a read."""
    return context_of(request)


Running: TypeAlias = Annotated[Context, Depends(running)]
After: TypeAlias = Annotated[UUID | None, Query(description="`next` of the page before")]
Limit: TypeAlias = Annotated[int, Query(ge=1, le=200)]


class Nothing(Body):
    """An empty body."""


async def once_consent_arrives(
    context: Context,
    attempt: Callable[[], Awaitable[Response]],
    without: Refusal,
    lacks: Callable[[Connection, datetime], Awaitable[bool]],
) -> Response:
    """Make a change, and once more when it was refused for want of a consent that arrives within 2 s.

    without: the refusal that says so. lacks: whether the consent is still not known.
    """

    async def is_known() -> bool:
        async with context.database.reading() as conn:
            return not await lacks(conn, await db.now(conn))

    try:
        return await attempt()
    except Problem as problem:
        if problem.refusal is not without or not await wait_for(is_known):
            raise
    return await attempt()

"""What the requests to this service are made of."""

from typing import Annotated, TypeAlias
from uuid import UUID

from fastapi import Depends, Query, Request

from services.chassis.api import Body, context_of
from services.chassis.context import Context


async def running(request: Request) -> Context:
    """The running service. FastAPI would call what is not async in a thread, which costs more than a read."""
    return context_of(request)


Running: TypeAlias = Annotated[Context, Depends(running)]
After: TypeAlias = Annotated[UUID | None, Query(description="`next` of the page before")]
Limit: TypeAlias = Annotated[int, Query(ge=1, le=200)]


class Nothing(Body):
    """An empty body."""

"""What the requests to this service are made of."""

from typing import Annotated, TypeAlias
from uuid import UUID

from fastapi import Depends, Query

from services.chassis.api import Body, context_of
from services.chassis.context import Context

Running: TypeAlias = Annotated[Context, Depends(context_of)]
After: TypeAlias = Annotated[UUID | None, Query(description="`next` of the page before")]
Limit: TypeAlias = Annotated[int, Query(ge=1, le=200)]


class Nothing(Body):
    """An empty body."""

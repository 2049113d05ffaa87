"""How a service whose database came back older than the bus takes back what it had said already."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from schemas import Event, Received
from services.chassis.db import Connection
from services.chassis.handling import RunHandler
from services.chassis.records import Incoming

Adopt: TypeAlias = Callable[[Connection, Received[Any], datetime], Awaitable[bool]]


@dataclass(frozen=True)
class Streams:
    """The partner streams a service writes.

    next_number: the number its next record of a partner's stream gets.
    adopt: takes in records found there beyond the last one the database knows as sent, in their order.
    """

    partners: frozenset[str]
    next_number: Callable[[Connection, str], Awaitable[int]]
    adopt: Callable[[Connection, str, Sequence[Incoming]], Awaitable[None]]


async def _nothing(_conn: Connection) -> None:
    return None


@dataclass(frozen=True)
class Adoption:
    """A service's part in its own recovery.

    publishes: the topics (logical names) of its own events, in the order in which they are taken back.
    events: what taking back an event of a type means, the key locked; False where the database cannot have it back
      (that key is then parked as lost). A type that is missing here is lost too.
    foresee: is shown, before the service reads on, what the others have ended for good since.
    settle: called once when everything is adopted, before anything else is read.
    finish: called once before relay and gate open.
    """

    publishes: tuple[str, ...] = ()
    events: Mapping[type[Event], Adopt] = field(default_factory=dict)
    streams: Streams | None = None
    foresee: RunHandler | None = None
    settle: Callable[[Connection], Awaitable[None]] = _nothing
    finish: Callable[[Connection], Awaitable[None]] = _nothing

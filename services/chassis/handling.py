"""How a service says what it does with an event: its table of handlers."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from schemas import Event, Received
from services.chassis.db import Connection

Handler: TypeAlias = Callable[[Connection, Received[Any], datetime], Awaitable[None]]
RunHandler: TypeAlias = Callable[[Connection, Sequence[Received[Event]], datetime], Awaitable[None]]


class Permanent(Exception):
    """This event can never be applied by this code; raise it to park the key at once. The text names no person."""


@dataclass(frozen=True)
class Handlers:
    """Either one function a type, or one for a run of events (set-based SQL), in the order of the bus.

    `topics`: the topics (logical names) the service reads. A type that is not handled counts as applied.
    """

    topics: frozenset[str]
    each: Mapping[type[Event], Handler] = field(default_factory=dict)
    run: RunHandler | None = None
    run_types: frozenset[type[Event]] = frozenset()

    def handles(self, event_class: type[Event]) -> bool:
        """Whether this service does anything with events of that class."""
        return event_class in self.each or event_class in self.run_types

    async def apply(self, conn: Connection, events: Sequence[Received[Event]], now: datetime) -> None:
        """Call the handlers for `events` in order."""
        if self.run is not None and events:
            await self.run(conn, events, now)
        for event in () if self.run is not None else events:
            await self.each[type(event.data)](conn, event, now)

"""What the notifier does with events: a run of them is judged in order and told at once."""

from collections.abc import Sequence
from datetime import datetime

from schemas import (
    EVENTS,
    ConsentEvent,
    DeliveryEvent,
    Event,
    PersonDisclosed,
    PersonErased,
    Received,
    Topic,
)
from services.chassis.context import Context
from services.chassis.db import Connection
from services.chassis.handling import Handlers
from services.notifier import commands
from services.notifier.commands import Office

TOPICS = frozenset({Topic.CASES, Topic.DIRECTORY, Topic.CIRCLE})


def is_handled(event_class: type[Event]) -> bool:
    """Whether somebody is told of such events, or they say what may be told."""
    if issubclass(event_class, DeliveryEvent):
        return False
    return bool(event_class.audience) or issubclass(event_class, ConsentEvent | PersonDisclosed | PersonErased)


def handlers(context: Context) -> Handlers:
    """The table of handlers: one for runs of every handled type."""
    office = Office(context.settings.agreement, frozenset(context.partners.slugs), context.references)

    async def on_run(conn: Connection, events: Sequence[Received[Event]], now: datetime) -> None:
        await commands.tell(conn, office, events, now)

    return Handlers(topics=TOPICS, run=on_run, run_types=HANDLED)


HANDLED = frozenset(event_class for event_class in EVENTS.values() if is_handled(event_class))

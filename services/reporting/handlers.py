"""What reporting does with events: a run of them is counted at once."""

from collections.abc import Sequence
from datetime import datetime

from schemas import EVENTS, Event, PartnerInformed, Received, Topic
from services.chassis.context import Context
from services.chassis.db import Connection
from services.chassis.handling import Handlers
from services.reporting import commands
from services.reporting.model import is_counted

TOPICS = frozenset({Topic.CASES, Topic.DIRECTORY, Topic.CIRCLE, Topic.DELIVERIES})
COUNTED = frozenset(
    event_class for event_class in EVENTS.values() if is_counted(event_class) or event_class is PartnerInformed
)


async def on_run(conn: Connection, events: Sequence[Received[Event]], now: datetime) -> None:
    """Count the events; each says itself when it happened, so that counting again later gives the same."""
    await commands.count(conn, events)


def handlers(context: Context) -> Handlers:
    """The table of handlers: one for runs of every counted type."""
    return Handlers(topics=TOPICS, run=on_run, run_types=COUNTED)

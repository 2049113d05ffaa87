"""What the notifier does with events: a run of them is judged in order and told at once."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from schemas import (
    EVENTS,
    ConsentEvent,
    DeliveryEvent,
    Event,
    PartnerInformed,
    PersonDisclosed,
    PersonErased,
    RecallAcknowledged,
    RecallOpened,
    Received,
    Topic,
)
from schemas.agreement_file import AgreementFile
from services.chassis.adoption import Adoption, Streams
from services.chassis.context import Context
from services.chassis.db import Connection
from services.chassis.handling import Handlers
from services.chassis.records import Incoming
from services.notifier import commands, store
from services.notifier.commands import Office

TOPICS = frozenset({Topic.CASES, Topic.DIRECTORY, Topic.CIRCLE})


def is_handled(event_class: type[Event]) -> bool:
    """Whether somebody is told of such events, or they say what may be told."""
    if issubclass(event_class, DeliveryEvent):
        return False
    return bool(event_class.audience) or issubclass(event_class, ConsentEvent | PersonDisclosed | PersonErased)


def _office(context: Context) -> Office:
    agreement: AgreementFile = context.resources
    within = timedelta(days=agreement.recall.acknowledge_within_days)
    return Office(context.settings.agreement, frozenset(context.partners.slugs), context.references, within)


def handlers(context: Context) -> Handlers:
    """The table of handlers: one for runs of every handled type."""
    office = _office(context)

    async def on_run(conn: Connection, events: Sequence[Received[Event]], now: datetime) -> None:
        await commands.tell(conn, office, events, now)

    return Handlers(topics=TOPICS, run=on_run, run_types=HANDLED)


async def on_own_informed(conn: Connection, received: Received[PartnerInformed], _now: datetime) -> bool:
    """Who was told, as reporting heard it before the restore."""
    await commands.adopt_informed(conn, received.data)
    return True


async def on_own_recall(conn: Connection, received: Received[RecallOpened], _now: datetime) -> bool:
    """What a partner was asked before the restore."""
    await store.insert_recalls(conn, [received.data], received.time)
    return True


async def on_own_acknowledged(conn: Connection, received: Received[RecallAcknowledged], _now: datetime) -> bool:
    """What a partner answered before the restore."""
    said = received.data
    await store.acknowledge(conn, said.partner, said.event_id, said.action, received.time)
    return True


def adoption(context: Context) -> Adoption:
    """What the notifier takes back of its own after a restore: the streams say who was told under which number."""
    office = _office(context)

    async def adopt_stream(conn: Connection, partner: str, batch: Sequence[Incoming]) -> None:
        await commands.adopt_stream(conn, office, partner, batch)

    return Adoption(
        publishes=(Topic.DELIVERIES,),
        events={
            PartnerInformed: on_own_informed,
            RecallOpened: on_own_recall,
            RecallAcknowledged: on_own_acknowledged,
        },
        streams=Streams(frozenset(context.partners.slugs), store.next_number, adopt_stream),
        foresee=commands.foresee,
        finish=store.forget_known_found,
    )


HANDLED = frozenset(event_class for event_class in EVENTS.values() if is_handled(event_class))

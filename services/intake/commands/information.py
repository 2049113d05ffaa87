"""Counting people who were told of the offers, without a person."""

from datetime import datetime
from uuid import UUID

from schemas import InformationCounted, Topic, UnitId
from schemas.calendar import local_month
from schemas.codes import LanguageTag
from services.chassis import outbox
from services.chassis.db import Connection
from services.chassis.keys import Key
from services.intake.store import information as store


def unit_key(unit: UnitId) -> Key:
    """What the counts of a unit are ordered by."""
    return Key(Topic.CIRCLE, unit)


async def count_information(
    conn: Connection, information_id: UUID, unit: UnitId, language: LanguageTag, count: int, now: datetime
) -> None:
    """Count people told, in the month of Koblenz."""
    month = local_month(now)
    await outbox.publish(conn, InformationCounted(unit=unit, language=language, month=month, count=count), at=now)
    await store.insert(conn, information_id, unit, language, month, count, now)

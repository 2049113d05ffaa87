"""Counting people who refused a consent, without a person."""

from datetime import datetime

from schemas import RefusalCounted, UnitId
from schemas.calendar import local_month
from schemas.codes import LanguageTag
from services.chassis import outbox
from services.chassis.db import Connection
from services.intake.store import refusals as store


async def count_refusal(conn: Connection, unit: UnitId, language: LanguageTag, now: datetime) -> str:
    """Count one in the month of Koblenz, the language apart from the unit; returns the month. Nobody is told yet."""
    month = month_of(now)
    await store.count_refusal(conn, unit, month)
    await store.count_language(conn, month, language)
    return month


def month_of(moment: datetime) -> str:
    """The month a refusal is counted in."""
    return local_month(moment)


async def tell_of_month(conn: Connection, unit: UnitId, month: str, now: datetime) -> None:
    """Tell how many refused at a unit in a month that is over, once."""
    count = await store.note_told(conn, unit, month, now)
    if count is not None:
        await outbox.publish(conn, RefusalCounted(unit=unit, month=month, count=count), at=now)

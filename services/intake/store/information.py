"""Counts of information given."""

from datetime import datetime
from typing import Any
from uuid import UUID

from schemas import UnitId
from schemas.codes import LanguageTag
from services.chassis.db import Connection


async def insert(
    conn: Connection, information_id: UUID, unit: UnitId, language: LanguageTag, month: str, count: int, now: datetime
) -> None:
    """Keep the unit's own record of a count."""
    await conn.execute(
        """
        insert into intake.information (information_id, unit, language, month, count, counted_at)
        values ($1, $2, $3, $4, $5, $6)
        """,
        information_id,
        unit,
        language,
        month,
        count,
        now,
    )


async def count(conn: Connection, information_id: UUID) -> dict[str, Any]:
    """One count: information_id, unit, language, month, count."""
    row = await conn.fetchrow(
        "select information_id, unit, language, month, count from intake.information where information_id = $1",
        information_id,
    )
    return dict(row)

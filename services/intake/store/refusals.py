"""Counts of refusals, without a person."""

from collections.abc import Sequence
from datetime import datetime

from schemas import UnitId
from schemas.codes import LanguageTag
from services.chassis.db import Connection


async def count_refusal(conn: Connection, unit: UnitId, month: str) -> None:
    """Count one more at a unit."""
    await conn.execute(
        """
        insert into intake.refusal (unit, month, count) values ($1, $2, 1)
        on conflict (unit, month) do update set count = refusal.count + 1
        """,
        unit,
        month,
    )


async def count_language(conn: Connection, month: str, language: LanguageTag) -> None:
    """Count one more in a language, of whichever unit."""
    await conn.execute(
        """
        insert into intake.refusal_language (month, language, count) values ($1, $2, 1)
        on conflict (month, language) do update set count = refusal_language.count + 1
        """,
        month,
        language,
    )


async def untold(conn: Connection, this_month: str, limit: int) -> Sequence[tuple[UnitId, str]]:
    """Units and months that are over and were not told of, the earliest first."""
    rows = await conn.fetch(
        """
        select unit, month from intake.refusal where told_at is null and month < $1 order by month, unit limit $2
        """,
        this_month,
        limit,
    )
    return [(UnitId(row["unit"]), row["month"]) for row in rows]


async def note_told(conn: Connection, unit: UnitId, month: str, now: datetime) -> int | None:
    """Note that a month is told of; returns its count, None when it was told of before."""
    count: int | None = await conn.fetchval(
        """
        update intake.refusal set told_at = $3 where unit = $1 and month = $2 and told_at is null returning count
        """,
        unit,
        month,
        now,
    )
    return count


async def adopt_count(conn: Connection, unit: UnitId, month: str, count: int, at: datetime) -> None:
    """Keep again what was told of a month."""
    await conn.execute(
        """
        insert into intake.refusal (unit, month, count, told_at) values ($1, $2, $3, $4)
        on conflict (unit, month) do update set count = excluded.count, told_at = excluded.told_at
        """,
        unit,
        month,
        count,
        at,
    )

"""The index by which a unit finds a person again, and how often it has looked."""

from collections.abc import Sequence
from datetime import datetime

from schemas import CaseId, UnitId
from services.chassis.db import Connection


async def replace_entries(conn: Connection, unit: UnitId, case_id: CaseId, tokens: Sequence[bytes]) -> None:
    """Have a unit find a person by these entries, and by no earlier ones."""
    await delete_entries(conn, case_id)
    await conn.execute(
        "insert into intake.person_index (unit, token, case_id) select $1, unnest($2::bytea[]), $3",
        unit,
        tokens,
        case_id,
    )


async def delete_entries(conn: Connection, case_id: CaseId) -> None:
    """Have nobody find a person any more."""
    await conn.execute("delete from intake.person_index where case_id = $1", case_id)


async def found(
    conn: Connection, unit: UnitId, known_year: Sequence[bytes], no_year: Sequence[bytes], limit: int
) -> list[CaseId]:
    """Persons of a unit who have all entries of one of the two lists, the latest registered first."""
    rows = await conn.fetch(
        """
        select case_id from intake.person_index join intake.person using (case_id)
        where unit = $1 and token = any($2::bytea[] || $3::bytea[]) and erased_at is null
        group by case_id, registered_at
        having count(*) filter (where token = any($2)) = cardinality($2)
            or count(*) filter (where token = any($3)) = cardinality($3)
        order by registered_at desc, case_id limit $4
        """,
        unit,
        known_year,
        no_year,
        limit,
    )
    return [CaseId(row["case_id"]) for row in rows]


async def count_search(conn: Connection, unit: UnitId, now: datetime) -> int:
    """Count one more search of a unit; how many there were in this minute, this one too."""
    searches: int = await conn.fetchval(
        """
        insert into intake.search_count as counted (unit, minute, searches)
        values ($1, date_trunc('minute', $2::timestamptz), 1)
        on conflict (unit) do update set
            searches = case when counted.minute = excluded.minute then counted.searches + 1 else 1 end,
            minute = excluded.minute
        returning searches
        """,
        unit,
        now,
    )
    return searches

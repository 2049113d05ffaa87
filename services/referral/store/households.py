"""Statements on which persons are one household, as a unit says. Writes run under the locks of the cases."""

from collections.abc import Collection, Sequence

from schemas import CaseId, HouseholdId, UnitId
from services.chassis.db import Connection


async def put_members(conn: Connection, unit: UnitId, household_id: HouseholdId, cases: Sequence[CaseId]) -> None:
    """Write that these are of one household, whatever household each was of before."""
    await conn.execute(
        """
        insert into referral.household (unit, case_id, household_id) select $1, unnest($3::uuid[]), $2
        on conflict (unit, case_id) do update set household_id = excluded.household_id
        """,
        unit,
        household_id,
        cases,
    )


async def household_of(conn: Connection, unit: UnitId, case_id: CaseId) -> HouseholdId | None:
    """The household of a person as a unit said it; None where it said nothing."""
    found = await conn.fetchval(
        "select household_id from referral.household where unit = $1 and case_id = $2", unit, case_id
    )
    return None if found is None else HouseholdId(found)


async def members(conn: Connection, household_id: HouseholdId) -> tuple[UnitId, Sequence[CaseId]] | None:
    """Whose word a household is, and who belongs to it, in a steady order; None where nobody does."""
    rows = await conn.fetch(
        "select unit, case_id from referral.household where household_id = $1 order by case_id", household_id
    )
    return (UnitId(rows[0]["unit"]), [CaseId(row["case_id"]) for row in rows]) if rows else None


async def forget_members(conn: Connection, cases: Collection[CaseId]) -> None:
    """Take these persons out of every household."""
    await conn.execute("delete from referral.household where case_id = any($1::uuid[])", list(cases))

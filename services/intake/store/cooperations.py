"""Cooperations as the bus told them."""

from uuid import UUID

from schemas import CooperationId, UnitId
from services.chassis.db import Connection
from services.intake.model.cooperations import Cooperation
from services.intake.model.persons import KeyOfPerson


async def insert_cooperation(conn: Connection, cooperation: Cooperation) -> None:
    """Note a cooperation; one met before stays as it is."""
    await conn.execute(
        "insert into intake.cooperation (cooperation_id, case_id, units) values ($1, $2, $3) on conflict do nothing",
        cooperation.cooperation_id,
        cooperation.case_id,
        list(cooperation.units),
    )


async def take_unit_out(conn: Connection, cooperation_id: CooperationId, unit: UnitId | None) -> None:
    """Note that a unit has no part in a cooperation any more."""
    await conn.execute(
        "update intake.cooperation set units = array_remove(units, $2) where cooperation_id = $1", cooperation_id, unit
    )


async def delete_cooperation(conn: Connection, cooperation_id: CooperationId) -> None:
    """Forget a cooperation that is over."""
    await conn.execute("delete from intake.cooperation where cooperation_id = $1", cooperation_id)


async def cooperation_with_key(conn: Connection, cooperation_id: UUID) -> tuple[Cooperation, KeyOfPerson | None] | None:
    """One cooperation, and where the key to what its person said is; None where none is known or it is over."""
    row = await conn.fetchrow(
        """
        select cooperation_id, case_id, units, key_id, erased_at is not null as is_erased,
               lost_at is not null as is_lost
        from intake.cooperation left join intake.person using (case_id) where cooperation_id = $1
        """,
        cooperation_id,
    )
    if row is None:
        return None
    key = KeyOfPerson(row["key_id"], row["is_erased"], row["is_lost"]) if row["key_id"] else None
    return Cooperation(row["cooperation_id"], row["case_id"], tuple(row["units"])), key

"""The queue of data keys to destroy; the keys themselves are in the vault."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.chassis.db import Connection


async def queue_key(conn: Connection, key_id: UUID, due_at: datetime) -> None:
    """Have a data key destroyed from `due_at` on."""
    await conn.execute(
        "insert into intake.key_to_destroy (key_id, due_at) values ($1, $2)",
        key_id,
        due_at,
    )


async def queue_keys_of_erased(conn: Connection) -> None:
    """Have the data keys of persons erased in the last 30 days destroyed; no backup of the keys is kept as long."""
    await conn.execute(
        """
        insert into intake.key_to_destroy (key_id, due_at)
        select key_id, chassis.lotse_now() from intake.person
        where erased_at > chassis.lotse_now() - interval '30 days'
        on conflict do nothing
        """
    )


async def take_key_from_queue(conn: Connection, key_id: UUID) -> bool:
    """Keep a data key after all; False when it is destroyed already. Waits for a job that is at it."""
    taken = await conn.fetchval("delete from intake.key_to_destroy where key_id = $1 returning 1", key_id)
    return taken is not None


async def due_keys(conn: Connection, now: datetime, limit: int) -> Sequence[UUID]:
    """Data keys to destroy now, oldest first."""
    rows = await conn.fetch(
        "select key_id from intake.key_to_destroy where due_at <= $1 order by due_at limit $2", now, limit
    )
    return [row["key_id"] for row in rows]


async def lock_due_key(conn: Connection, key_id: UUID, now: datetime) -> bool:
    """Lock the queue's row of a key; False when it is not to be destroyed (any more)."""
    row = await conn.fetchval(
        "select 1 from intake.key_to_destroy where key_id = $1 and due_at <= $2 for update", key_id, now
    )
    return row is not None


async def forget_key(conn: Connection, key_id: UUID) -> None:
    """Take a destroyed key off the queue."""
    await conn.execute("delete from intake.key_to_destroy where key_id = $1", key_id)

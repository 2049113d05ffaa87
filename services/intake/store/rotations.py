"""Who wrapped the data keys anew, and why."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.chassis.db import Connection


class Rotation(NamedTuple):
    """One beginning of a rotation. to_key: the id of the wrapping key."""

    at: datetime
    author: str
    reason: str
    to_key: str


async def insert_rotation(conn: Connection, rotation_id: UUID, rotation: Rotation) -> None:
    """Note that somebody began."""
    await conn.execute(
        "insert into intake.rotation (rotation_id, at, author, reason, to_key) values ($1, $2, $3, $4, $5)",
        rotation_id,
        *rotation,
    )


async def latest_rotations(conn: Connection, limit: int) -> Sequence[Rotation]:
    """The latest first."""
    rows = await conn.fetch(
        "select at, author, reason, to_key from intake.rotation order by at desc, rotation_id limit $1", limit
    )
    return [Rotation(**row) for row in rows]

"""The access log: who read what over HTTP. Changes are in the events, fetches at the gate in the disclosure log."""

from collections.abc import Sequence
from datetime import timedelta

from services.chassis.auth import Principal
from services.chassis.db import Database
from services.chassis.forgetting import forget_old

KEPT = timedelta(days=90)

FORGET_OLD_ACCESS = forget_old("forget-access-log", "chassis.access", "at", KEPT)


async def note_access(database: Database, caller: Principal, action_id: str, refs: Sequence[str]) -> None:
    """Note what a caller is about to be shown: the partner's own references; nothing where there are none.

    In a transaction of its own, before the answer goes out: what cannot be noted is not shown.
    """
    if not refs:
        return
    async with database.transaction() as conn:
        await conn.execute(
            """
            insert into chassis.access (at, unit, subject, action, refs)
            values (chassis.lotse_now(), $1, $2, $3, $4)
            """,
            caller.unit,
            caller.subject,
            action_id,
            list(dict.fromkeys(refs)),
        )

"""Which database this is: a service refuses to go on with one that was restored or swapped behind its back."""

from typing import Literal, TypeAlias

from services.chassis import db
from services.chassis.config import StartError
from services.chassis.db import Connection

Recovery: TypeAlias = Literal["adopting", "catching-up"] | None


async def check_identity(conn: Connection, service: str, agreement: str) -> str:
    """Note the database's identity at the first start, and compare it at every later one.

    Returns the source that this service's events name, such as `/koblenz/intake/1`: the last part is the epoch.
    Raises StartError when system identifier or database oid are not those of the last start.
    """
    await conn.execute(
        """
        insert into chassis.identity (system_identifier, database_oid, epoch, source)
        select s.system_identifier::text, d.oid::bigint, 1, $1 || '/1'
        from pg_control_system() as s, pg_database as d where d.datname = current_database()
        on conflict do nothing
        """,
        f"/{agreement}/{service}",
    )
    row = await conn.fetchrow(
        """
        select i.source, i.epoch,
               i.system_identifier = s.system_identifier::text and i.database_oid = d.oid::bigint as same
        from chassis.identity as i, pg_control_system() as s, pg_database as d
        where d.datname = current_database()
        """
    )
    if not row["same"]:
        raise StartError(
            f"The database of {service} is not the one this service last ran on (restored or moved?): going on "
            f"would use event versions twice. `lotse restore --service {service} --no-data` makes it go on safely."
        )
    source: str = row["source"]
    if source != f"/{agreement}/{service}/{row['epoch']}":
        raise StartError(f"The database belongs to {source}, not to /{agreement}/{service}; check LOTSE_DATABASE_URL.")
    return source


async def raise_epoch(conn: Connection) -> str | None:
    """Accept the database as it is now and begin a new epoch; the service recovers at its next start.

    Returns the new source; None for a database that no service ever ran on. The epoch is the time in seconds since
    1970: greater than every epoch begun before, also than one that a restore in between has made the database forget.
    """
    source: str | None = await conn.fetchval(
        """
        update chassis.identity as i
        set system_identifier = s.system_identifier::text, database_oid = d.oid::bigint, recovery = 'adopting',
            epoch = next.epoch, source = regexp_replace(i.source, '[0-9]+$', next.epoch::text)
        from pg_control_system() as s, pg_database as d,
             lateral (select greatest(i2.epoch + 1, extract(epoch from clock_timestamp())::bigint) as epoch
                      from chassis.identity as i2) as next
        where d.datname = current_database()
        returning i.source
        """
    )
    return source


async def epoch(conn: Connection) -> int:
    """The present epoch."""
    number: int = await conn.fetchval("select epoch from chassis.identity")
    return number


async def recovery(conn: Connection) -> Recovery:
    """How far a restored database has come; None when it is in order."""
    stage: Recovery = await conn.fetchval("select recovery from chassis.identity")
    return stage


async def set_recovery(conn: Connection, stage: Recovery) -> None:
    """Go on to the next stage."""
    await conn.execute("update chassis.identity set recovery = $1", stage)


async def may_have_gone_back(conn: Connection) -> bool:
    """Whether the server's log has another history than when the bus was last compared; not before the first time."""
    before: str | None = await conn.fetchval("select timeline from chassis.identity")
    return before is not None and before != await conn.fetchval(db.TIMELINE)


async def note_checked(conn: Connection) -> None:
    """The bus holds nothing of ours that is unknown here."""
    await conn.execute("update chassis.identity set timeline = $1", await conn.fetchval(db.TIMELINE))

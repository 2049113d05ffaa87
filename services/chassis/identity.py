"""Which database this is: a service refuses to go on with one that was restored or swapped behind its back."""

from services.chassis.config import StartError
from services.chassis.db import Connection


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
            "would use event versions twice. Give the old one back; docs/operations.md says what else can be done."
        )
    source: str = row["source"]
    if source != f"/{agreement}/{service}/{row['epoch']}":
        raise StartError(f"The database belongs to {source}, not to /{agreement}/{service}; check LOTSE_DATABASE_URL.")
    return source

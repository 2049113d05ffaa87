"""Intake's database set back to an earlier state, and intake recovering on it, in this process."""

from collections import defaultdict

import asyncpg

from deploy.local.stack import Stack
from schemas import Topic
from services.chassis import identity, offsets
from services.chassis.adopting import Adopting
from services.chassis.offsets import Partition
from services.chassis.records import Record, read
from services.chassis.renumbering import renumber
from services.intake.handlers import adoption
from tests.harness import PARTITION
from tests.intake.builders import Desk

TABLES = """
    select schemaname, tablename from pg_tables where schemaname in ('chassis', 'intake', 'page') order by 1, 2
"""


class Bus:
    """What has left intake so far; it does not go back."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._sent: dict[str, list[Record]] = defaultdict(list)

    async def relay(self) -> None:
        """Send everything that waits, as the relay does."""
        for row in await self._desk.intake.outbox_rows():
            records, headers = self._sent[row["topic"]], tuple((n, v.encode()) for n, v in row["headers"].items())
            records.append(
                Record(row["topic"], PARTITION, len(records), row["key"].encode(), bytes(row["value"]), headers)
            )
        async with self._desk.intake.context.database.transaction() as conn:
            await conn.execute("delete from chassis.outbox")

    async def recover(self) -> None:
        """Take back what intake had said, then hear what the others said since."""
        context, steps = self._desk.intake.context, adoption(self._desk.intake.context)
        adopting = Adopting("/koblenz/intake", steps)
        for topic in steps.publishes:
            async with context.database.transaction() as conn:
                await adopting.take(conn, [read(record) for record in self._sent[topic]])
        async with context.database.transaction() as conn:
            await renumber(conn, steps.publishes, adopting.met)
            await steps.settle(conn)
        await self._hear()
        async with context.database.transaction() as conn:
            await steps.finish(conn)
            await identity.set_recovery(conn, None)

    async def _hear(self) -> None:
        place = Partition(Topic.CASES, PARTITION)
        async with self._desk.intake.context.database.transaction() as conn:
            await offsets.begin(conn, place, beginning=0, end=0)
            known = (await offsets.stored(conn, [place])).get(place, 0)
        if missed := [record for record in self._desk.intake.fed if record.offset >= known]:
            assert await self._desk.intake.inbox.apply(missed)


class Backup:
    """A copy of intake's tables, and the way back to it. The keys' database is not set back."""

    def __init__(self, stack: Stack, desk: Desk) -> None:
        base = stack.postgres.admin_url.rpartition("/")[0]
        name = (desk.intake.context.settings.database_url.path or "").lstrip("/")
        self._url = f"{base}/{name}"

    async def take(self) -> None:
        """Copy everything as it is."""
        conn = await asyncpg.connect(self._url)
        steps = ["create schema if not exists backup"]
        for schema, name in await conn.fetch(TABLES):
            copy = f"backup.{schema}_{name}"
            steps.append(f"create unlogged table if not exists {copy} (like {schema}.{name})")
            steps.append(f"delete from {copy}; insert into {copy} table {schema}.{name}")  # noqa: S608
        await conn.execute("; ".join(steps))
        await conn.close()

    async def put_back(self) -> None:
        """Everything is as it was then; only time has gone on. The epoch is raised, as `lotse restore` does."""
        conn = await asyncpg.connect(self._url)
        tables = await conn.fetch(TABLES)
        async with conn.transaction():
            ahead = await conn.fetchval("select ahead from chassis.clock")
            # Neither triggers nor foreign keys: it was all right when it was copied.
            await conn.execute("set local session_replication_role = replica")
            for schema, name in tables:
                copy = f"backup.{schema}_{name}"
                await conn.execute(f"delete from {schema}.{name}")  # noqa: S608
                await conn.execute(f"insert into {schema}.{name} overriding system value table {copy}")
            await conn.execute("update chassis.clock set ahead = $1", ahead)
            assert await identity.raise_epoch(conn)
        await conn.close()

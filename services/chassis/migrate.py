"""Migrations: numbered SQL files, applied once each under an advisory lock, with checksums."""

import hashlib
from collections.abc import Iterator
from importlib import resources
from typing import NamedTuple

import structlog

from services.chassis import db
from services.chassis.config import StartError
from services.chassis.db import Connection

log = structlog.get_logger()

LOCK_ID = 0x4C6F747365 + 1


class Migration(NamedTuple):
    """One file: `component` is the package that owns it, `number` its order there."""

    component: str
    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text; an applied file is never edited."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


async def migrate(database_url: str, service: str, *, folder: str = "sql", with_chassis: bool = True) -> list[str]:
    """Bring a service's database up to date (chassis first). Returns the names of the files applied now.

    A service's second database has its files in a `folder` of its own and none of the chassis's tables.
    Safe to run from several places at once. Raises StartError when an applied file was changed.
    """
    conn = await db.connect(database_url, f"lotse-{service}-migrate", command_timeout=None)
    try:
        await conn.execute("select pg_advisory_lock($1)", LOCK_ID)
        done = await _applied(conn)
        fresh = []
        for migration in migrations(service, folder=folder, with_chassis=with_chassis):
            known = done.get((migration.component, migration.number))
            if known is None:
                await _apply(conn, migration)
                fresh.append(f"{migration.component}/{migration.name}")
            elif known != migration.checksum:
                raise StartError(f"Migration {migration.component}/{migration.name} was changed after it ran.")
        return fresh
    finally:
        await conn.close()


async def check_migrated(conn: Connection, service: str, *, folder: str = "sql", with_chassis: bool = True) -> None:
    """Raise StartError when a migration of this code is missing in the database; newer ones are accepted."""
    done = await _applied(conn)
    for migration in migrations(service, folder=folder, with_chassis=with_chassis):
        if (migration.component, migration.number) not in done:
            raise StartError(
                f"The database of {service} lacks {migration.component}/{migration.name}; run `lotse migrate`."
            )


def migrations(service: str, *, folder: str = "sql", with_chassis: bool = True) -> Iterator[Migration]:
    """The files of the chassis and of one service, in the order they are applied."""
    for component in dict.fromkeys(("chassis", service) if with_chassis else (service,)):
        directory = resources.files(f"services.{component}") / folder
        for path in sorted(directory.iterdir(), key=lambda each: each.name):
            if path.name.endswith(".sql"):
                yield Migration(component, int(path.name.split("_")[0]), path.name, path.read_text(encoding="utf-8"))


async def _applied(conn: Connection) -> dict[tuple[str, int], str]:
    if await conn.fetchval("select to_regclass('migrations.applied')") is None:
        return {}
    rows = await conn.fetch("select component, number, checksum from migrations.applied")
    return {(row["component"], row["number"]): row["checksum"] for row in rows}


async def _apply(conn: Connection, migration: Migration) -> None:
    async with conn.transaction():
        await conn.execute(
            """
            create schema if not exists migrations;
            create table if not exists migrations.applied (
                component text not null, number integer not null, name text not null, checksum text not null,
                applied_at timestamptz not null default clock_timestamp(), primary key (component, number))
            """
        )
        await conn.execute(migration.sql)
        await conn.execute(
            "insert into migrations.applied (component, number, name, checksum) values ($1, $2, $3, $4)",
            migration.component,
            migration.number,
            migration.name,
            migration.checksum,
        )

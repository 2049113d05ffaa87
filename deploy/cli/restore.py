"""`lotse restore`."""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import asyncpg
import typer
from rich.table import Table

from deploy.cli import manifest
from deploy.cli.errors import CliError
from deploy.cli.running import running_state
from deploy.cli.screen import out, progress
from deploy.local import processes
from deploy.local.databases import create_databases, ensure_database
from deploy.local.dumps import read_back
from deploy.local.layout import Layout, default_layout
from deploy.local.postgres import NAME as POSTGRES
from deploy.local.postgres import Postgres, stop_postgres
from deploy.local.secrets import Secrets
from deploy.local.stack import postgres_of
from deploy.topology import DATABASES, KEYS_DATABASE, SERVICES, TOPICS
from services.chassis import identity
from services.intake.store.keys import queue_keys_of_erased

Say = Callable[[str], None]


class Name(StrEnum):
    """A service, or the data keys."""

    INTAKE = "intake"
    REFERRAL = "referral"
    NOTIFIER = "notifier"
    REPORTING = "reporting"
    KEYS = "keys"

    @property
    def database(self) -> str:
        return f"lotse_{self.value}"


def register(app: typer.Typer) -> None:
    app.command()(restore)


def restore(
    folder: Annotated[Path | None, typer.Argument(help="A backup: the folder that `lotse backup` wrote.")] = None,
    service: Annotated[list[Name] | None, typer.Option(help="Restore this only; repeat for several.")] = None,
    no_data: Annotated[
        bool, typer.Option("--no-data", help="The data is back already (point-in-time recovery, or Kafka was lost).")
    ] = False,
) -> None:
    """Put databases back from a backup, and have their services recover from Kafka when they start.

    The services must be stopped. What was there before stays beside it under another name.
    """
    if (folder is None) != no_data:
        raise CliError("Name a backup's folder, or say --no-data.", "`lotse restore --help` explains both.")
    layout = default_layout()
    if running_state(layout) is not None:
        raise CliError("The local stack is running.", "`lotse down` first; Kafka keeps what it has.")
    found = manifest.read(folder) if folder else None
    names = [name.database for name in service] if service else list(found.dumps if found else DATABASES)
    if found:
        _check_topics(found)
        if missing := [name for name in names if name not in found.dumps]:
            raise CliError(f"This backup holds no dump of {', '.join(missing)}.", "Name the folder that does.")
    with progress() as say:
        epochs = _with_postgres(layout, say, lambda server, urls: _restore(server, urls, names, folder, found, say))
    out.print(_table(epochs))
    out.print(
        "`lotse up` starts the services; each takes back what Kafka has before it speaks. Then look at "
        "`lotse parked list`: what could not be had back is there with the code `lost`.",
        markup=False,
    )


def _with_postgres(
    layout: Layout, say: Say, act: Callable[[Postgres, Mapping[str, str]], Mapping[str, str]]
) -> Mapping[str, str]:
    """Do it on the server of the stack, started for this if it does not run."""
    layout.create()
    ran_before = processes.running(layout, POSTGRES) is not None
    secrets = Secrets(layout.secrets)
    try:
        server = postgres_of(layout, secrets, os.environ, True, say)
        return act(server, asyncio.run(create_databases(server, secrets)))
    finally:
        if not ran_before:
            stop_postgres(layout)


def _restore(
    server: Postgres,
    urls: Mapping[str, str],
    names: Sequence[str],
    folder: Path | None,
    found: manifest.Manifest | None,
    say: Say,
) -> dict[str, str]:
    """Restore and raise the epochs; returns what each database is now."""
    asyncio.run(_check_unused(server, names))
    if folder and found:
        for name in names:
            say(f"restoring {name}")
            asyncio.run(_replace(server, name, urls[name], folder / found.dumps[name].file))
    done = {}
    for name in names:
        say(f"raising the epoch of {name}")
        if name == KEYS_DATABASE:
            asyncio.run(_destroy_again(urls["lotse_intake"]))
        done[name] = "data keys" if name == KEYS_DATABASE else asyncio.run(_raise_epoch(urls[name]))
    return done


async def _replace(server: Postgres, name: str, url: str, file: Path) -> None:
    """Fill a new database, and only when it is whole let it take the place of the old one."""
    draft, old = f"{name}_draft", f"{name}_before_{datetime.now(UTC):%Y%m%d_%H%M%S}"
    admin = await asyncpg.connect(server.admin_url)
    try:
        await admin.execute(f'DROP DATABASE IF EXISTS "{draft}"')
        await ensure_database(admin, draft, owner=name)
        await asyncio.to_thread(read_back, default_layout(), url.rpartition("/")[0] + f"/{draft}", file)
        async with admin.transaction():
            await admin.execute(f'ALTER DATABASE "{name}" RENAME TO "{old}"')
            await admin.execute(f'ALTER DATABASE "{draft}" RENAME TO "{name}"')
    finally:
        await admin.close()


async def _destroy_again(intake_url: str) -> None:
    """A backup of the keys can hold those of persons erased since: intake destroys them again when it starts."""
    conn = await asyncpg.connect(intake_url)
    try:
        if await conn.fetchval("SELECT to_regclass('intake.key_to_destroy')") is not None:
            await queue_keys_of_erased(conn)
    finally:
        await conn.close()


async def _raise_epoch(url: str) -> str:
    conn = await asyncpg.connect(url)
    try:
        if await conn.fetchval("SELECT to_regclass('chassis.identity')") is None:
            return "never used"
        return await identity.raise_epoch(conn) or "never used"
    finally:
        await conn.close()


async def _check_unused(server: Postgres, names: Sequence[str]) -> None:
    admin = await asyncpg.connect(server.admin_url)
    try:
        rows = await admin.fetch(
            "SELECT datname, application_name FROM pg_stat_activity WHERE datname = ANY($1::text[])", list(names)
        )
    finally:
        await admin.close()
    if rows:
        who = rows[0]["application_name"] or "somebody"
        raise CliError(f"{who} is connected to {rows[0]['datname']}.", "Stop all processes of that service first.")


def _check_topics(found: manifest.Manifest) -> None:
    """A topic whose partitions were others would not fit the offsets in the databases."""
    for topic in TOPICS:
        then = found.topics.get(topic.full_name(), {}).get("partitions")
        if then is not None and int(then) != topic.partitions:
            raise CliError(
                f"In this backup {topic.full_name()} has {then} partitions, here it has {topic.partitions}.",
                "Restore it with the version of Lotse that made it.",
            )


def _table(epochs: Mapping[str, str]) -> Table:
    services = {f"lotse_{service.name}": service.name for service in SERVICES}
    table = Table("database", "service", "speaks from now on as")
    for name, source in epochs.items():
        table.add_row(name, services.get(name, "intake"), source)
    return table

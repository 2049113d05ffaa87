"""`lotse backup`."""

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from deploy.cli import manifest
from deploy.cli.cluster import read_cluster
from deploy.cli.errors import CliError
from deploy.cli.plan import desired_cluster
from deploy.cli.provision import read_partners
from deploy.cli.running import attach
from deploy.cli.screen import out, progress
from deploy.local.dumps import dump
from deploy.local.layout import Layout, default_layout
from deploy.local.services import sources_from
from deploy.local.stack import Stack
from deploy.topology import DATABASES, KEYS_DATABASE


def register(app: typer.Typer) -> None:
    app.command()(backup)


def backup(
    folder: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")],
    keys_folder: Annotated[
        Path | None, typer.Option(help="Where the data keys go; they are kept 7 days at most. Default: FOLDER.keys.")
    ] = None,
) -> None:
    """Write the databases and the settings of the topics while everything runs.

    The data keys go into a folder of their own: as long as a backup of them exists, an erased person is not gone.
    """
    keys = keys_folder or folder.with_name(f"{folder.name}.keys")
    for wanted in (folder, keys):
        if wanted.exists():
            raise CliError(f"{wanted} exists already.", "Name a folder that does not exist yet.")
    layout = default_layout()
    stack = attach(layout, os.environ)
    with progress() as say:
        say("reading the topics")
        topics = _topics(stack)
        others = [name for name in DATABASES if name != KEYS_DATABASE]
        written = _backup(layout, stack, others, folder, topics, say)
        # After intake's: whoever stands in its dump has a key in this one.
        written |= _backup(layout, stack, [KEYS_DATABASE], keys, {}, say)
    out.print(_table(written, folder, keys))
    out.print(f"Delete {keys} after 7 days at the latest.", markup=False)


def _backup(
    layout: Layout,
    stack: Stack,
    databases: Iterable[str],
    folder: Path,
    topics: Mapping[str, Mapping[str, str]],
    say: Callable[[str], None],
) -> dict[str, manifest.Dump]:
    """Dump into a draft that becomes the folder when it is whole."""
    draft = folder.with_name(f".{folder.name}.{os.getpid()}")
    draft.mkdir(mode=0o700, parents=True)
    begun = datetime.now(UTC)
    try:
        dumps = {}
        for name in databases:
            say(f"dumping {name}")
            file = draft / f"{name}.dump"
            file.touch(mode=0o600)
            dump(layout, stack.databases[name], file)
            dumps[name] = manifest.described(file)
        manifest.write(draft, dumps, topics, begun)
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return dumps


def _topics(stack: Stack) -> dict[str, dict[str, str]]:
    partners = read_partners(sources_from(os.environ).partners)
    found = read_cluster(stack.kafka, {}, desired_cluster(partners.slugs)).topics
    return {name: {"partitions": str(state.partitions), **state.config} for name, state in sorted(found.items())}


def _table(written: Mapping[str, manifest.Dump], folder: Path, keys: Path) -> Table:
    table = Table("database", "file", "bytes")
    for name, each in written.items():
        table.add_row(name, str((keys if name == KEYS_DATABASE else folder) / each.file), f"{each.bytes:,}")
    return table

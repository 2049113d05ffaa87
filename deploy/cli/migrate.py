"""`lotse migrate`."""

import asyncio
import os

import typer

from deploy.cli.provision import migrate_all
from deploy.cli.running import attach
from deploy.cli.screen import out, progress
from deploy.local.layout import default_layout


def register(app: typer.Typer) -> None:
    app.command()(migrate)


def migrate() -> None:
    """Bring the databases of all four services up to date."""
    databases = attach(default_layout(), os.environ).databases
    with progress() as say:
        say("migrating the databases")
        applied = asyncio.run(migrate_all(databases))
    for service, files in applied.items():
        out.print(f"{service}: {', '.join(files) if files else 'up to date'}", markup=False)

"""`lotse up` and `lotse down`."""

import os
from typing import Annotated

import typer
from rich.table import Table

from deploy.cli.notices import checked_notices
from deploy.cli.running import bring_down, bring_up, purge, require_free
from deploy.cli.screen import err, out, progress
from deploy.cli.throwaway import delete, place_beside
from deploy.local.layout import default_layout
from deploy.local.ports import LOOPBACK
from deploy.local.state import State
from deploy.topology import SERVICES


def register(app: typer.Typer) -> None:
    app.command()(up)
    app.command()(down)


def up() -> None:
    """Start Kafka, PostgreSQL and the four services, and keep them running until `lotse down`.

    Run it again and it only shows where everything is.
    """
    checked_notices()  # a wrong file, of a partner too, is told before anything is started
    with progress() as say:
        state = bring_up(default_layout(), os.environ, say)
    out.print(_addresses(state))


def down(
    purge_data: Annotated[
        bool, typer.Option("--purge", help="Also delete data, secrets and logs of the stack.")
    ] = False,
) -> None:
    """Stop everything that `lotse up` started, and check that no process and no port is left."""
    layout = default_layout()
    with progress() as say:
        say("stopping services, Kafka and PostgreSQL")
        taken = [*bring_down(layout), *bring_down(place_beside(layout))]
    require_free(taken)
    if purge_data:
        delete(place_beside(layout))
        for folder in purge(layout):
            err.print(f"deleted {folder}", markup=False)
    err.print("Nothing of the local stack is running.")


def _addresses(state: State) -> Table:
    table = Table("part", "address")
    for service in SERVICES:
        table.add_row(service.name, f"http://{LOOPBACK}:{state.ports[service.name]}")
    table.add_row("Kafka", f"{state.kafka} (SASL_PLAINTEXT, SCRAM-SHA-512)")
    return table

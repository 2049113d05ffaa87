"""`lotse apply`."""

import os
from collections.abc import Mapping
from typing import Annotated

import typer
from rich.table import Table

from deploy.cli.errors import CliError
from deploy.cli.plan import Plan
from deploy.cli.provision import carry_out, make_keys, plan_kafka, read_partners
from deploy.cli.running import attach_kafka
from deploy.cli.screen import err, out, progress
from deploy.local.layout import default_layout
from deploy.local.services import sources_from


def register(app: typer.Typer) -> None:
    app.command()(apply)


def apply(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and change nothing.")] = False,
    replication: Annotated[int, typer.Option(min=1, max=9, help="Copies of each topic.")] = 1,
) -> None:
    """Give Kafka the topics, users and access rules that services and partner files ask for.

    Shows what differs and changes only that. A second run changes nothing.
    """
    partners = read_partners(sources_from(os.environ).partners)
    kafka, secrets = attach_kafka(default_layout(), os.environ)
    with progress() as say:
        say("comparing")
        todo = plan_kafka(kafka, secrets, partners, replication=replication)
    if todo.is_empty:
        out.print("nothing to change")
    else:
        out.print(plan_table(todo))
    if todo.conflicts:
        raise CliError(f"{todo.conflicts[0]}.", "Create the topic anew, or correct deploy/topology.py.")
    if dry_run:
        return
    make_keys(secrets, partners)
    if not todo.is_empty:
        with progress() as say:
            say("changing")
            carry_out(kafka, secrets, partners, todo, replication=replication)
        err.print("done; services read partner files when they start")


def plan_table(plan: Plan) -> Table:
    """The plan as an operator reads it."""
    table = Table("change", "what", "how")
    for name, state in plan.create_topics.items():
        table.add_row("create topic", name, f"{state.partitions} partitions, {_settings(state.config)}")
    for change in plan.change_topics:
        before = ", ".join(f"{key} was {value}" for key, value in change.before.items())
        table.add_row("change topic", change.name, f"{_settings(change.config)} ({before})")
    for user in plan.set_users:
        table.add_row("set password", user, "SCRAM-SHA-512")
    for user in plan.remove_users:
        table.add_row("remove user", user, "no partner file speaks of it")
    for acl in plan.add_acls:
        table.add_row("add rule", acl.principal.removeprefix("User:"), acl.rule)
    for acl in plan.remove_acls:
        table.add_row("remove rule", acl.principal.removeprefix("User:"), acl.rule)
    for conflict in plan.conflicts:
        table.add_row("[red]cannot[/]", "", conflict)
    return table


def _settings(config: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in config.items())

"""`lotse status`: is it running, is it keeping up, does anything wait for a human?"""

import os
from dataclasses import dataclass
from math import isnan

import typer
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from rich.table import Table

from deploy.cli.cluster import consumer_lag
from deploy.cli.running import attach_kafka, require_ready
from deploy.cli.screen import out, progress
from deploy.local.layout import default_layout
from deploy.local.services import http_get, is_ready
from deploy.local.state import State
from deploy.topology import SERVICES, TOPICS, Service


@dataclass(frozen=True)
class Condition:
    """What a service says of itself; None where it does not answer. `lag`: None before it first committed.

    `refuses`: why changes are refused now; empty when they are taken.
    """

    ready: bool
    restarts: int
    outbox: int | None
    outbox_age_seconds: float | None
    parked: int | None
    dead_letters: int | None
    lag: int | None
    refuses: tuple[str, ...] = ()


def register(app: typer.Typer) -> None:
    app.command()(status)


def status() -> None:
    """Show each service's health, consumer lag, outbox and parked keys. Exit code 1 when one is not ready."""
    layout = default_layout()
    state = require_ready(layout)
    kafka, _secrets = attach_kafka(layout, os.environ)
    with progress() as say:
        say("asking the services")
        conditions = {
            service.name: condition(state, service, consumer_lag(kafka, service.group, consumed(service)))
            for service in SERVICES
        }
    out.print(_table(conditions))
    for name, found in conditions.items():
        if found.refuses:
            out.print(f"{name} refuses changes: {', '.join(found.refuses)}", markup=False)
    if state.doing:
        out.print(state.doing, markup=False)
    if not all(each.ready for each in conditions.values()):
        raise typer.Exit(1)


def consumed(service: Service) -> list[str]:
    """The full names of the topics a service reads as a group."""
    return [topic.full_name() for topic in TOPICS if topic.label in service.consumes]


def condition(state: State, service: Service, lag: int | None) -> Condition:
    """Ask one service."""
    port = state.ports[service.name]
    found = samples(port)
    values = {sample.name: sample.value for sample in found if not sample.labels and not isnan(sample.value)}
    return Condition(
        ready=is_ready(port),
        restarts=state.restarts.get(service.name, 0),
        outbox=_whole(values.get("lotse_outbox_depth")),
        outbox_age_seconds=values.get("lotse_outbox_age_seconds"),
        parked=_whole(values.get("lotse_parked_keys")),
        dead_letters=_whole(values.get("lotse_dead_letters")),
        lag=lag,
        refuses=tuple(each.labels["reason"] for each in found if each.name == "lotse_admission_closed" and each.value),
    )


def samples(port: int) -> list[Sample]:
    """The metrics of the service on this port; none when it does not answer."""
    try:
        code, text = http_get(port, "/metrics")
    except OSError:
        return []
    if code != 200:
        return []
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _table(conditions: dict[str, Condition]) -> Table:
    table = Table("service", "ready", "restarts", "lag", "outbox", "oldest", "parked keys", "dead letters")
    for name, found in conditions.items():
        age = "-" if found.outbox_age_seconds is None else f"{found.outbox_age_seconds:.1f} s"
        counts = ["-" if value is None else str(value) for value in (found.lag, found.outbox)]
        waiting = ["-" if value is None else str(value) for value in (found.parked, found.dead_letters)]
        ready = "yes" if found.ready else "[bold red]no[/]"
        table.add_row(name, ready, str(found.restarts), *counts, age, *waiting)
    return table

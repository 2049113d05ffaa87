"""`lotse demo`."""

import asyncio
import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deploy.cli.errors import CliError
from deploy.cli.provision import read_partners
from deploy.cli.running import attach_kafka, bring_down, bring_up
from deploy.cli.screen import out, progress
from deploy.demo.cast import PARTNERS, UNITS, Actor
from deploy.demo.play import Stage, perform
from deploy.demo.story import STORY
from deploy.demo.timeline import Timeline
from deploy.demo.unexpected import Unexpected
from deploy.local.issuer import Issuer, issuer_of
from deploy.local.kafka import Kafka
from deploy.local.layout import Layout, default_layout
from deploy.local.ports import LOOPBACK
from deploy.local.secrets import Secrets
from deploy.local.services import sources_from
from deploy.local.supervisor import is_supervised
from deploy.topology import SERVICES, partner_topic
from schemas.ids import UnitId
from schemas.partner_file import Partners, UnknownPartner

PLAIN_WIDTH = 100


def register(app: typer.Typer) -> None:
    app.command()(demo)


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave running what the demo had to start.")] = False,
) -> None:
    """Play one person's way through the Koblenz agreement on the real parts, and check every step.

    A stack that runs already is used and stays up; else it is started, and stopped again at the end.
    Exit code 1 as soon as a step is not as expected.
    """
    began = time.monotonic()
    layout = default_layout()
    partners = read_partners(sources_from(os.environ).partners)
    timeline = Timeline(out if out.is_terminal else Console(width=PLAIN_WIDTH, highlight=False))
    timeline.cast(_names(partners))
    with _running(layout, keep) as urls:
        started = time.monotonic()
        kafka, secrets = attach_kafka(layout, os.environ)
        _show(stage(urls, issuer_of(layout), kafka, secrets, partners), timeline, layout)
        played = time.monotonic()
    words = [
        f"Alles ging aus wie erwartet. Die langsamste Nachricht brauchte {timeline.slowest} ms.",
        f"Dauer: {_german(played - began)} s, davon {_german(started - began)} s für den Start.",
    ]
    timeline.end(words, _ways_on(is_supervised(layout)))


def stage(urls: Mapping[str, str], issuer: Issuer, kafka: Kafka, secrets: Secrets, partners: Partners) -> Stage:
    """Where the story is played: what each partner would have been given by the operator."""
    files = [partners.partner(slug) for slug in PARTNERS]

    def token(actor: Actor) -> str:
        return issuer.issue_token(actor.partner, actor.unit, [actor.role])

    return Stage(
        urls=urls,
        logins={
            file.slug: kafka.asyncio_client(file.kafka_user, secrets.kafka_password(file.secrets.kafka_password))
            for file in files
        },
        topics={slug: partner_topic(slug).full_name() for slug in PARTNERS},
        token=token,
    )


def _names(partners: Partners) -> dict[str, str]:
    """The names of the units that play. Raises CliError when the agreement lacks one."""
    try:
        return {unit: partners.unit(UnitId(unit)).name for unit in UNITS}
    except UnknownPartner as unknown:
        raise CliError(
            f"The story needs {', '.join(UNITS)}, but {unknown}.", "Play it with the partner files of Koblenz."
        ) from unknown


@contextmanager
def _running(layout: Layout, keep: bool) -> Iterator[dict[str, str]]:
    """The services' addresses while the stack is up; it is stopped again only if it had to be started."""
    taken: list[int] = []
    stays = keep or is_supervised(layout)
    try:
        with progress() as say:
            state = bring_up(layout, os.environ, say)
        yield {service.name: f"http://{LOOPBACK}:{state.ports[service.name]}" for service in SERVICES}
    finally:
        if not stays:
            with progress() as say:
                say("stopping services, Kafka and PostgreSQL")
                taken = bring_down(layout)
    if taken:
        raise CliError(f"Still in use by another program: port {', '.join(map(str, taken))}.", "Run `lotse down`.")


def _show(where: Stage, timeline: Timeline, layout: Layout) -> None:
    # What Kafka's client would log comes back as an exception, or is a refusal the story asks for.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    timeline.begin()
    try:
        facts = asyncio.run(perform(where, STORY, timeline))
    except Unexpected as error:
        error.way_out = f"Die Protokolle liegen in {layout.log}; `lotse demo --keep` lässt alles laufen."
        raise
    timeline.compliance(facts.compliance)


def _ways_on(stays: bool) -> dict[str, str]:
    """What one may type next, each as it works from here."""
    lotse = sys.argv[0] if Path(sys.argv[0]).name == "lotse" else "lotse"
    start = {f"{lotse} up": "Kafka, PostgreSQL und die vier Dienste starten"}
    stop = {f"{lotse} down": "alles anhalten"}
    ways = {
        f"{lotse} watch awo-rheinland --from-beginning": "lesen, was die AWO erfuhr und erfährt",
        "docs/partner-guide.md": "ein eigenes System anschließen",
    }
    return ways | stop if stays else start | ways


def _german(seconds: float) -> str:
    return f"{seconds:.1f}".replace(".", ",")

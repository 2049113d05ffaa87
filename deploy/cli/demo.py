"""`lotse demo`."""

import asyncio
import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deploy.cli.errors import CliError
from deploy.cli.provision import read_partners
from deploy.cli.running import attach, attach_kafka, bring_down, bring_up, require_free
from deploy.cli.screen import out, progress
from deploy.cli.throwaway import may_throw_away, place_beside, thrown_away
from deploy.demo.cast import PARTNERS, UNITS, Actor
from deploy.demo.play import SetClocks, Stage, perform
from deploy.demo.story import STORY
from deploy.demo.timeline import Timeline
from deploy.demo.unexpected import Unexpected
from deploy.local.clocks import set_clocks_ahead
from deploy.local.issuer import issuer_of
from deploy.local.layout import Layout, default_layout
from deploy.local.ports import LOOPBACK
from deploy.local.services import sources_from
from deploy.local.state import State
from deploy.local.supervisor import is_supervised
from deploy.topology import SERVICES, partner_topic
from schemas.ids import UnitId
from schemas.partner_file import Partners, UnknownPartner

PLAIN_WIDTH = 100


def register(app: typer.Typer) -> None:
    app.command()(demo)


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Play on the stack of `lotse up` and leave it up.")] = False,
) -> None:
    """Play the Koblenz story on the real parts, and check every step.

    A stack that runs already is used and stays up; else one is started for the story alone and thrown away at the
    end. Only on that one the services' clocks are put ahead, for the chapters that need it.
    Exit code 1 as soon as a step is not as expected.
    """
    began = time.monotonic()
    layout = default_layout()
    partners = read_partners(sources_from(os.environ).partners)
    timeline = Timeline(out if out.is_terminal else Console(width=PLAIN_WIDTH, highlight=False))
    timeline.cast(_names(partners))
    with _stage(layout, keep, partners) as where:
        started = time.monotonic()
        _show(where, timeline)
        played = time.monotonic()
    words = [
        f"Alles ging aus wie erwartet. Die langsamste Nachricht brauchte {timeline.slowest} ms.",
        f"Dauer: {_german(played - began)} s, davon {_german(started - began)} s für den Start.",
    ]
    timeline.end(words, _ways_on(is_supervised(layout)))


@contextmanager
def _stage(layout: Layout, keep: bool, partners: Partners) -> Iterator[Stage]:
    """Where the story is played while the stack is up. Its logs are named if it fails."""
    is_own = not keep and not is_supervised(layout) and may_throw_away(os.environ)
    here = place_beside(layout) if is_own else layout
    with thrown_away(here, os.environ) if is_own else _lasting(layout, keep) as state:
        try:
            where = stage(here, state, partners)
            yield replace(where, set_clocks=_clocks(here)) if is_own else where
        except Unexpected as error:
            error.way_out = f"Die Protokolle liegen in {here.log}; `lotse demo --keep` lässt alles laufen."
            raise


def _clocks(layout: Layout) -> SetClocks:
    stack = attach(layout, os.environ)
    return lambda ahead: set_clocks_ahead(stack, ahead)


def stage(layout: Layout, state: State, partners: Partners) -> Stage:
    """What each partner would have been given by the operator."""
    kafka, secrets = attach_kafka(layout, os.environ)
    issuer, files = issuer_of(layout), [partners.partner(slug) for slug in PARTNERS]

    def token(actor: Actor) -> str:
        return issuer.issue_token(actor.partner, actor.unit, [actor.role])

    return Stage(
        urls={service.name: f"http://{LOOPBACK}:{state.ports[service.name]}" for service in SERVICES},
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
def _lasting(layout: Layout, keep: bool) -> Iterator[State]:
    """The stack of `lotse up`; it is stopped again only if it had to be started."""
    stays, taken = keep or is_supervised(layout), list[int]()
    try:
        with progress() as say:
            state = bring_up(layout, os.environ, say)
        yield state
    finally:
        if not stays:
            with progress() as say:
                say("stopping services, Kafka and PostgreSQL")
                taken = bring_down(layout)
    require_free(taken)


def _show(where: Stage, timeline: Timeline) -> None:
    # What Kafka's client would log comes back as an exception, or is a refusal the story asks for.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    timeline.begin()
    timeline.compliance(asyncio.run(perform(where, STORY, timeline)).compliance)


def _ways_on(stays: bool) -> dict[str, str]:
    """What one may type next, each as it works from here."""
    lotse = sys.argv[0] if Path(sys.argv[0]).name == "lotse" else "lotse"
    again = {f"{lotse} demo --keep": "noch einmal, und danach läuft alles weiter"}
    stop = {f"{lotse} down": "alles anhalten"}
    ways = {
        f"{lotse} watch awo-rheinland --from-beginning": "dort lesen, was die AWO erfuhr und erfährt",
        "docs/partner-guide.md": "ein eigenes System anschließen",
    }
    return ways | stop if stays else again | ways


def _german(seconds: float) -> str:
    return f"{seconds:.1f}".replace(".", ",")

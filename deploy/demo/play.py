"""Playing a story: each step is done, and each partner's stream is compared with what it should say next."""

import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol

import aiohttp

from deploy.demo.asking import ANSWER_WITHIN, Services
from deploy.demo.cast import PARTNERS, SHORT, Actor
from deploy.demo.facts import Facts
from deploy.demo.stream import Heard, Listener, Login, listening
from deploy.demo.unexpected import Unexpected
from schemas.calendar import local_day

HEARD_WITHIN_SECONDS = 15.0

SetClocks = Callable[[timedelta], Awaitable[None]]


@dataclass(frozen=True)
class Stage:
    """Where the story is played: addresses of the services by name, Kafka logins and topics by partner.

    set_clocks: puts the services' clocks so far ahead; None where nobody may, because the stack is not thrown away.
    """

    urls: Mapping[str, str]
    logins: Mapping[str, Login]
    topics: Mapping[str, str]
    token: Callable[[Actor], str]
    set_clocks: SetClocks | None = None


@dataclass
class Play:
    """A story under way. `last`: what each partner heard last of it.

    ahead: how far the services' clocks are before ours. began: the day in Koblenz.
    """

    stage: Stage
    services: Services
    listeners: Mapping[str, Listener]
    facts: Facts = field(default_factory=Facts)
    last: dict[str, Heard] = field(default_factory=dict)
    ahead: timedelta = timedelta()
    began: date = field(default_factory=lambda: local_day(datetime.now(UTC)))

    @property
    def has_clock(self) -> bool:
        """Whether the services' clocks may be put ahead."""
        return self.stage.set_clocks is not None

    def includes(self, what: "Told | Step | Chapter") -> bool:
        """Whether it belongs to the story as it is played on this stage."""
        return what.clock is None or what.clock is self.has_clock

    @property
    def now(self) -> datetime:
        """The time by the services' clocks."""
        return datetime.now(UTC) + self.ahead

    @property
    def today(self) -> date:
        """The day in Koblenz by the services' clocks."""
        return local_day(self.now)

    async def let_pass(self, until: datetime) -> None:
        """Put the clocks ahead to that moment: what falls due by then is timed from here."""
        if self.stage.set_clocks is None:
            raise Unexpected("eine Uhr, die vorgestellt werden darf", "keine")
        self.ahead = until - datetime.now(UTC)
        await self.stage.set_clocks(self.ahead)
        self.services.changed_at = time.monotonic()

    async def hear(self, told: "Told") -> tuple[Heard, int]:
        """What a partner hears next of this story, and how many milliseconds after the change was answered.

        Raises Unexpected when it is anything else than what `told` says. So silence needs no waiting: whoever
        should hear nothing of a step shows it by what it hears next.
        """
        event = await self._next(told.partner, HEARD_WITHIN_SECONDS)
        wanted = dict(told.fields(self))
        expected = f"bei {SHORT[told.partner]} {_named(told.type, wanted)}"
        if event is None:
            raise Unexpected(f"{expected} binnen {HEARD_WITHIN_SECONDS:.0f} Sekunden", "nichts")
        found = {name: event.data.get(name) for name in wanted}
        if event.type != told.type or found != wanted:
            raise Unexpected(expected, f"Nr. {event.number}, {_named(event.type, found)}")
        self.last[told.partner] = event
        if told.case:
            setattr(self.facts, told.case, event.data["case_ref"])
        return event, max(round((event.arrived - self.services.changed_at) * 1000), 0)

    async def must_have_heard_all(self) -> None:
        """Raises Unexpected when a partner heard more of this story than was expected."""
        for partner in self.listeners:
            if more := await self._next(partner, 0):
                raise Unexpected(f"nichts weiter bei {SHORT[partner]}", f"Nr. {more.number}, {more.type}")

    async def _next(self, partner: str, within_seconds: float) -> Heard | None:
        return await self.listeners[partner].take(lambda event: self._concerns(partner, event), within_seconds)

    def _concerns(self, partner: str, event: Heard) -> bool:
        """Others may use the same stack meanwhile; what is theirs is passed over.

        But not what passes between others than this partner: it is one too many, whoever it is about.
        """
        named = {event.key, event.data.get("referral_id"), event.data.get("cooperation_id")}
        if named & self.facts.ids:
            return True
        units = [str(event.data[name]) for name in ("from_unit", "to_unit") if name in event.data]
        return bool(units) and not any(unit.startswith(f"{partner}/") for unit in units)


def _named(event_type: str, fields: Mapping[str, Any]) -> str:
    return event_type + "".join(f", {name}: {value}" for name, value in fields.items())


def nothing_more(_play: Play) -> Mapping[str, Any]:
    """No field is compared."""
    return {}


Fields = Callable[[Play], Mapping[str, Any]]


@dataclass(frozen=True)
class Told:
    """What a partner must hear next on its stream. `says`: in German, with the event's data in {braces}.

    case: the fact that keeps this partner's own reference of the person's case, where it learns it here.
    clock: True where it is told only if the clocks are put ahead, False only if they are not.
    """

    partner: str
    type: str
    says: str
    fields: Fields = nothing_more
    case: str = ""
    clock: bool | None = None


def all_of(event_type: str, says: str, fields: Fields) -> tuple[Told, ...]:
    """Every partner must hear it, whoever it comes from: the clock did it."""
    return tuple(Told(partner, event_type, says, fields) for partner in PARTNERS)


def all_but(partner: str, event_type: str, says: str, fields: Fields) -> tuple[Told, ...]:
    """Every other partner must hear it."""
    return tuple(told for told in all_of(event_type, says, fields) if told.partner != partner)


@dataclass(frozen=True)
class Step:
    """Somebody does something, and these are told. `act` says in German what was done; `note`: why nobody is told.

    clock: as of `Told`.
    """

    who: str
    act: Callable[[Play], Awaitable[str]]
    told: tuple[Told, ...] = ()
    note: str = ""
    clock: bool | None = None


@dataclass(frozen=True)
class Chapter:
    """Some steps under one heading. clock: as of `Told`."""

    title: str
    steps: tuple[Step, ...]
    clock: bool | None = None


@dataclass(frozen=True)
class Part:
    """Some chapters that belong together."""

    title: str
    chapters: tuple[Chapter, ...]


@dataclass(frozen=True)
class Hearing:
    """Who heard what, how many milliseconds after the change was answered."""

    partner: str
    says: str
    milliseconds: int


class Audience(Protocol):
    """Whoever is shown the play."""

    def part(self, part: Part, has_clock: bool) -> None:
        """A part begins. has_clock: whether the clocks may be put ahead, else chapters that need it are left out."""

    def chapter(self, title: str) -> None:
        """A chapter begins."""

    def step(self, step: Step, at: datetime, said: str, heard: Sequence[Hearing]) -> None:
        """A step is done. at: the time by the services' clocks."""


async def perform(stage: Stage, story: Sequence[Part], audience: Audience) -> Facts:
    """Play a story to its end. Raises Unexpected at the first thing that is not as it says."""
    async with _opened(stage) as play:
        for part in story:
            audience.part(part, play.has_clock)
            for chapter in filter(play.includes, part.chapters):
                await _perform_chapter(play, chapter, audience)
        return play.facts


async def _perform_chapter(play: Play, chapter: Chapter, audience: Audience) -> None:
    audience.chapter(chapter.title)
    try:
        for step in filter(play.includes, chapter.steps):
            said = await step.act(play)
            told = filter(play.includes, step.told)
            audience.step(step, play.now, said, [await _hearing(play, each) for each in told])
    except Unexpected as error:
        error.sentence = f"„{chapter.title}“ ging anders aus: {error.sentence}"
        raise


async def _hearing(play: Play, told: Told) -> Hearing:
    event, milliseconds = await play.hear(told)
    spoken = {name: german_days(value) if isinstance(value, str) else value for name, value in event.data.items()}
    return Hearing(told.partner, told.says.format(**spoken), milliseconds)


def german_days(text: str) -> str:
    """A day as one writes it in German, 01.12.2026 for 2026-12-01; any other text as it is."""
    return re.sub(r"^(\d{4})-(\d\d)-(\d\d)$", r"\3.\2.\1", text)


@asynccontextmanager
async def _opened(stage: Stage) -> AsyncIterator[Play]:
    """Every partner listens before anybody does anything."""
    async with AsyncExitStack() as opened:
        http = await opened.enter_async_context(aiohttp.ClientSession(timeout=ANSWER_WITHIN))
        listeners = {
            partner: await opened.enter_async_context(listening(login, stage.topics[partner]))
            for partner, login in stage.logins.items()
        }
        yield Play(stage, Services(http, stage.urls, stage.token), listeners)

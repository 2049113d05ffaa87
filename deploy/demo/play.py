"""Playing a story: each step is done, and each partner's stream is compared with what it should say next."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp

from deploy.demo.asking import ANSWER_WITHIN, Services
from deploy.demo.cast import CARITAS, JOBCENTER, SHORT, Actor
from deploy.demo.stream import Heard, Listener, Login, listening
from deploy.demo.unexpected import Unexpected

HEARD_WITHIN_SECONDS = 15.0

# They have no part in the person's way: any event about the person that reaches them is one too many.
BYSTANDERS = (JOBCENTER, CARITAS)
DIRECTORY = ("lotse.offer.", "lotse.contact.", "lotse.material.", "lotse.notice.")


@dataclass(frozen=True)
class Stage:
    """Where the story is played: addresses of the services by name, Kafka logins and topics by partner."""

    urls: Mapping[str, str]
    logins: Mapping[str, Login]
    topics: Mapping[str, str]
    token: Callable[[Actor], str]


@dataclass
class Facts:
    """What came out so far and is needed later. `counted_before`: what compliance said when the story began."""

    awo_offer: str = ""
    caritas_offer: str = ""
    caritas_etag: str = ""
    city_case: str = ""
    awo_case: str = ""
    consent: str = ""
    referral: str = ""
    counted_before: dict[str, int] = field(default_factory=dict)
    compliance: dict[str, Any] = field(default_factory=dict)

    @property
    def keys(self) -> set[str]:
        """By these the partners' streams name what the story is about."""
        return {self.awo_offer, self.caritas_offer, self.city_case, self.awo_case} - {""}


@dataclass
class Play:
    """A story under way. `last`: what each partner heard last of it."""

    stage: Stage
    services: Services
    listeners: Mapping[str, Listener]
    facts: Facts = field(default_factory=Facts)
    last: dict[str, Heard] = field(default_factory=dict)

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
        return event, max(round((event.arrived - self.services.changed_at) * 1000), 0)

    async def must_have_heard_all(self) -> None:
        """Raises Unexpected when a partner heard more of this story than was expected."""
        for partner in self.listeners:
            if more := await self._next(partner, 0):
                raise Unexpected(f"nichts weiter bei {SHORT[partner]}", f"Nr. {more.number}, {more.type}")

    async def _next(self, partner: str, within_seconds: float) -> Heard | None:
        return await self.listeners[partner].take(lambda event: self._concerns(partner, event), within_seconds)

    def _concerns(self, partner: str, event: Heard) -> bool:
        """Others may use the same stack meanwhile; what is theirs is passed over."""
        names_our_referral = bool(self.facts.referral) and event.data.get("referral_id") == self.facts.referral
        if event.key in self.facts.keys or names_our_referral:
            return True
        if partner not in BYSTANDERS or event.type.startswith(DIRECTORY):
            return False
        units = (str(event.data.get(name, "")) for name in ("from_unit", "to_unit"))
        return not any(unit.startswith(f"{partner}/") for unit in units)


def _named(event_type: str, fields: Mapping[str, Any]) -> str:
    return event_type + "".join(f", {name}: {value}" for name, value in fields.items())


def nothing_more(_play: Play) -> Mapping[str, Any]:
    """No field is compared."""
    return {}


@dataclass(frozen=True)
class Told:
    """What a partner must hear next on its stream. `says`: in German, with the event's data in {braces}."""

    partner: str
    type: str
    says: str
    fields: Callable[[Play], Mapping[str, Any]] = nothing_more


@dataclass(frozen=True)
class Step:
    """Somebody does something, and these are told. `act` says in German what was done; `note`: why nobody is told."""

    who: str
    act: Callable[[Play], Awaitable[str]]
    told: tuple[Told, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Chapter:
    """Some steps under one heading."""

    title: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Hearing:
    """Who heard what, how many milliseconds after the change was answered."""

    partner: str
    says: str
    milliseconds: int


class Audience(Protocol):
    """Whoever is shown the play."""

    def chapter(self, title: str) -> None:
        """A chapter begins."""

    def step(self, step: Step, said: str, heard: Sequence[Hearing]) -> None:
        """A step is done."""


async def perform(stage: Stage, story: Sequence[Chapter], audience: Audience) -> Facts:
    """Play a story to its end. Raises Unexpected at the first thing that is not as it says."""
    async with _opened(stage) as play:
        for chapter in story:
            audience.chapter(chapter.title)
            try:
                for step in chapter.steps:
                    said = await step.act(play)
                    audience.step(step, said, [await _hearing(play, told) for told in step.told])
            except Unexpected as error:
                error.sentence = f"„{chapter.title}“ ging anders aus: {error.sentence}"
                raise
        return play.facts


async def _hearing(play: Play, told: Told) -> Hearing:
    event, milliseconds = await play.hear(told)
    return Hearing(told.partner, told.says.format(**event.data), milliseconds)


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

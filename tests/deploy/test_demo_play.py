"""The demo's frame: what concerns a play and what does not, and when its clock may go."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from typing import Any, cast

import aiohttp
import pytest
from rich.console import Console

from deploy.cli.throwaway import AGREEMENT
from deploy.demo.asking import Services
from deploy.demo.cast import AWO, CARITAS, CITY, JOBCENTER, TRAINING_AHEAD, Actor
from deploy.demo.facts import Facts
from deploy.demo.play import Chapter, Part, Play, SetClocks, Stage, german_days
from deploy.demo.reading import counted
from deploy.demo.second.acts import ANNOUNCED_AHEAD, ESCALATED_AFTER, EXPIRED_AFTER, MORNING
from deploy.demo.second.story import SECOND
from deploy.demo.story import STORY
from deploy.demo.stream import Heard, Listener
from deploy.demo.timeline import Timeline
from deploy.demo.unexpected import Unexpected
from schemas.agreement_file import load_agreement
from schemas.calendar import local_day, local_midnight
from services.referral.model.clocks import Terms, deadline_of
from tests.referral.test_clocks import a_referral

OURS = Facts(awo_offer="offer", referral="referral", cooperation="cooperation", awo_case="case")
REFERRED = {"from_unit": f"{CITY}/integration", "to_unit": f"{AWO}/mbe"}


def a_play(set_clocks: SetClocks | None = None) -> Play:
    """A play of which nobody has heard anything."""
    stage = Stage({}, {}, {}, lambda _: "", set_clocks)
    services = Services(cast(aiohttp.ClientSession, None), {}, lambda _: "")
    return Play(stage, services, {partner: Listener(partner) for partner in (CITY, AWO, CARITAS, JOBCENTER)}, OURS)


async def concerns(partner: str, event_type: str, key: str, **data: Any) -> bool:
    """Whether the play takes an event on a partner's stream for one of its own, or one too many."""
    play = a_play()
    play.listeners[partner]._waiting.put_nowait(Heard(1, event_type, key, data, b"", 0.0))
    try:
        await play.must_have_heard_all()
    except Unexpected:
        return True
    return False


@pytest.mark.parametrize(
    ("event_type", "key", "data"),
    [
        ("lotse.offer.changed.v1", "offer", {}),
        ("lotse.consent.withdrawn.v1", "case", REFERRED),
        ("lotse.referral.ended.v1", "its own reference", {**REFERRED, "referral_id": "referral"}),
        ("lotse.cooperation.joined.v1", "its own reference", {"cooperation_id": "cooperation"}),
    ],
)
async def test_what_names_something_of_the_story_is_one_too_many(
    event_type: str, key: str, data: Mapping[str, Any]
) -> None:
    """By its key, or by the referral or cooperation it names, whatever the partner's reference of the case."""
    assert await concerns(AWO, event_type, key, **data)


@pytest.mark.parametrize(
    ("partner", "event_type", "data"),
    [
        (CARITAS, "lotse.training.offered.v1", {"unit": f"{AWO}/mbe"}),
        (JOBCENTER, "lotse.cooperation.proposed.v1", {"cooperation_id": "another", "unit": f"{AWO}/mbe"}),
        (JOBCENTER, "lotse.person.erased.v1", {}),
        (AWO, "lotse.referral.requested.v1", {**REFERRED, "referral_id": "another"}),
        (CITY, "lotse.referral.received.v1", {**REFERRED, "referral_id": "another"}),
    ],
)
async def test_what_others_do_on_the_same_stack_is_passed_over(
    partner: str, event_type: str, data: Mapping[str, Any]
) -> None:
    """Their trainings, cooperations, referrals and erasures."""
    assert not await concerns(partner, event_type, "another", **data)


@pytest.mark.parametrize("partner", [CARITAS, JOBCENTER])
async def test_what_passes_between_two_others_is_one_too_many_whoever_it_is_about(partner: str) -> None:
    """A partner that has no part in a referral or a consent must not hear of it."""
    assert await concerns(partner, "lotse.referral.received.v1", "another", **REFERRED)


async def test_a_clock_that_nobody_may_move_is_not_moved() -> None:
    """The story says so rather than wait for days."""
    with pytest.raises(Unexpected, match="vorgestellt werden darf"):
        await a_play().let_pass(datetime.now(UTC) + timedelta(days=1))


async def test_the_play_goes_by_the_clock_it_has_moved() -> None:
    """What is done afterwards is dated by the services' clocks, and timed from the move."""
    moved: list[timedelta] = []

    async def set_clocks(ahead: timedelta) -> None:
        moved.append(ahead)

    play, until = a_play(set_clocks), datetime.now(UTC) + timedelta(days=3)
    await play.let_pass(until)
    assert [timedelta(days=3) - timedelta(seconds=5) < ahead <= timedelta(days=3) for ahead in moved] == [True]
    assert until <= play.now < until + timedelta(seconds=5)
    assert play.services.changed_at > 0


@pytest.mark.parametrize("year", [2025, 2026, 2027, 2028])
def test_the_clock_goes_far_enough_on_every_day_of_a_year(year: int) -> None:
    """Whatever weekends and holidays come between: reminded, reminded again, expired, and the training is over."""
    deadlines = load_agreement(AGREEMENT).deadlines.model_copy(update={"decided_on": date(2014, 1, 8)})
    for number in range(366):
        begun = date(year, 1, 1) + timedelta(days=number)
        requested_at = local_midnight(begun + ANNOUNCED_AHEAD) + MORNING
        deadline = deadline_of(a_referral(requested_at=requested_at), Terms(deadlines))
        assert deadline is not None
        assert deadline.due_at is not None
        assert deadline.escalates_at is not None
        assert deadline.expires_at is not None
        assert requested_at < deadline.due_at
        assert deadline.escalates_at < deadline.due_at + ESCALATED_AFTER < deadline.expires_at
        assert deadline.expires_at < deadline.due_at + EXPIRED_AFTER
        assert begun + TRAINING_AHEAD < local_day(deadline.due_at + EXPIRED_AFTER)


class Reporting(Services):
    """Has counted other things each year."""

    async def look(self, who: Actor, service: str, path: str) -> Any:
        """K1 by year; K3 is not counted."""
        done = {"2026": 4, "2027": 2}[path.partition("year=")[2]]
        return {"clauses": [{"id": "K1", "done": done}, {"id": "K3", "done": None}]}


@pytest.mark.parametrize(("today", "found"), [(date(2026, 12, 31), 4), (date(2027, 1, 2), 6)])
async def test_what_is_counted_after_new_year_counts_too(today: date, found: int) -> None:
    """The clock may pass it on the way."""
    play = a_play()
    play.services = Reporting(cast(aiohttp.ClientSession, None), {}, lambda _: "")
    play.began, play.ahead = date(2026, 12, 20), local_midnight(today) + MORNING - datetime.now(UTC)
    assert await counted(play) == {"K1": found}


def shown(part: Part, *, has_clock: bool) -> str:
    """The heading of a part in a terminal of 80 columns."""
    console = Console(file=StringIO(), width=80)
    Timeline(console).part(part, has_clock)
    assert isinstance(console.file, StringIO)
    written = console.file.getvalue()
    assert all(len(line) <= 80 for line in written.splitlines())
    return " ".join(written.split())


def test_what_is_left_out_is_named_where_the_clock_may_not_move() -> None:
    """In one sentence; where it may, another one says what is not as in Koblenz."""
    without, with_clock = shown(SECOND, has_clock=False), shown(SECOND, has_clock=True)
    for chapter in SECOND.chapters:
        assert (chapter.title in without) == bool(chapter.clock)
        assert chapter.title not in with_clock
    assert "Ausgelassen" not in with_clock
    assert "gelten als beschlossen" in with_clock


def test_a_part_without_such_chapters_says_nothing_of_a_clock() -> None:
    """There is nothing to explain."""
    part = Part("Teil", (Chapter("Kapitel", ()),))
    assert shown(part, has_clock=False) == shown(part, has_clock=True) == "TEIL"


def test_a_fact_that_nobody_knows_is_an_error() -> None:
    """A misspelt one would leave a partner's reference of a case unknown, and its events unheard."""
    known = {each.name for each in fields(Facts)}
    wanted = {told.case for part in STORY for chapter in part.chapters for step in chapter.steps for told in step.told}
    assert wanted - {""} <= known
    with pytest.raises(AttributeError):
        setattr(Facts(), "misspelt", "x")  # noqa: B010 - as the play does it


@pytest.mark.parametrize(
    ("text", "said"),
    [("2026-12-01", "01.12.2026"), ("2026-12-01T08:00:00Z", "2026-12-01T08:00:00Z"), ("Di 9 bis 12", "Di 9 bis 12")],
)
def test_days_are_written_as_in_german(text: str, said: str) -> None:
    """And nothing else is."""
    assert german_days(text) == said

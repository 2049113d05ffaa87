"""Clause K10: trainings that answer a need and that somebody attended, each once, in the year in which it ended."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from schemas import PartnerAttended, PartnerSlug, TrainingAttended, TrainingId, new_id
from tests.harness import REFERRAL, Running
from tests.reporting.conftest import Compliance
from tests.schemas.samples import a

ENDED = datetime(2026, 3, 19, 11, tzinfo=UTC)


def attended(training_id: UUID | None = None, people: int = 2, **changes: Any) -> TrainingAttended:
    """So many of Caritas were at a training; with 0 its attendance is taken back."""
    given = (PartnerAttended(partner=PartnerSlug("caritas-koblenz"), people=people),) if people else ()
    said = {"training_id": TrainingId(training_id or new_id()), "ended_at": ENDED, "attendance": given}
    event: TrainingAttended = a("lotse.training.attended.v1", **{**said, **changes})
    return event


async def done(compliance: Compliance, year: int = 2026) -> int:
    """How often K10 was done in a year."""
    row = (await compliance(year))["K10"]
    assert (row["status"], row["reason"]) == ("counted", None)
    times: int = row["done"]
    return times


async def test_only_trainings_that_somebody_attended_count(reporting: Running, compliance: Compliance) -> None:
    """Not what was needed, offered, registered for or called off."""
    for what in ("offered", "changed", "registrations_changed", "cancelled"):
        await reporting.feed(a(f"lotse.training.{what}.v1"), source=REFERRAL, at=ENDED)
    await reporting.feed(a("lotse.training_need.stated.v1"), source=REFERRAL, at=ENDED)
    assert await done(compliance) == 0
    await reporting.feed(attended(), attended(), source=REFERRAL, at=ENDED)
    assert await done(compliance) == 2


async def test_a_correction_counts_nothing_twice(reporting: Running, compliance: Compliance) -> None:
    """And what is taken back counts no more, until it is entered again."""
    training_id = new_id()
    await reporting.feed(attended(training_id), attended(training_id, people=5), source=REFERRAL)
    assert await done(compliance) == 1
    await reporting.feed(attended(training_id, people=0), source=REFERRAL)
    assert await done(compliance) == 0
    await reporting.feed(attended(training_id), source=REFERRAL)
    assert await done(compliance) == 1


async def test_a_training_counts_for_the_year_in_which_it_ended(reporting: Running, compliance: Compliance) -> None:
    """In Koblenz, whenever its attendance is entered; a correction of the end moves it."""
    training_id, later = new_id(), datetime(2026, 1, 9, tzinfo=UTC)
    old, new = datetime(2025, 12, 31, 22, 59, tzinfo=UTC), datetime(2025, 12, 31, 23, 1, tzinfo=UTC)
    await reporting.feed(attended(training_id, ended_at=old), source=REFERRAL, at=later)
    assert [await done(compliance, year) for year in (2025, 2026)] == [1, 0]
    await reporting.feed(attended(training_id, ended_at=new), source=REFERRAL, at=later)
    assert [await done(compliance, year) for year in (2025, 2026)] == [0, 1]

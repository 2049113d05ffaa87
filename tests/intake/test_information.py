"""Counting people told of the offers."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from schemas import InformationCounted
from schemas.calendar import local_month
from tests.intake.builders import AWO, CITY, Desk, problem


async def test_information_is_counted_for_the_callers_unit_without_a_person(desk: Desk) -> None:
    """Stored for the unit, told to the circle."""
    answer = await desk.post(CITY, "/v1/information", {"language": "ar", "count": 3}, role="commissioner")
    assert answer.status_code == 201
    month = local_month(datetime.now(UTC))
    (event,) = await desk.intake.published()
    assert event == InformationCounted(unit=CITY, language="ar", month=month, count=3)
    body = answer.json()
    assert {key: body[key] for key in ("unit", "language", "month", "count")} == event.model_dump()
    (row,) = await desk.intake.rows("select unit, language, month, count from intake.information")
    assert row == event.model_dump()


async def test_the_same_count_again_is_counted_once(desk: Desk) -> None:
    """The repeat gets the first answer."""
    key, body = str(uuid4()), {"language": "de", "count": 1000}
    first = await desk.post(AWO, "/v1/information", body, role="system", key=key)
    again = await desk.post(AWO, "/v1/information", body, role="system", key=key)
    assert (again.status_code, again.json()) == (201, first.json())
    assert len(await desk.intake.published()) == 1


async def test_the_month_is_that_of_koblenz(desk: Desk) -> None:
    """New Year's Eve at 23:30 UTC is January there."""
    eve = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)
    await desk.intake.move_clock(eve - datetime.now(UTC) + timedelta(seconds=1))
    answer = await desk.post(CITY, "/v1/information", {"language": "ar", "count": 1})
    assert answer.json()["month"] == "2027-01"


WRONG: list[tuple[Any, str]] = [
    ({"language": "ar", "count": 0}, "count"),
    ({"language": "ar", "count": 1001}, "count"),
    ({"language": "ar", "count": "3"}, "count"),
    ({"language": "ar", "count": 3.0}, "count"),
    ({"language": "ar", "count": True}, "count"),
    ({"language": "AR", "count": 1}, "language"),
    ({"count": 1}, "language"),
    ({"language": "ar", "count": 1, "name": "x"}, "name"),
    ([], "body"),
]


async def test_a_wrong_count_is_refused(desk: Desk) -> None:
    """Nothing stored, nothing told."""
    for body, field in WRONG:
        assert problem(await desk.post(CITY, "/v1/information", body), 422, "not-valid") == [field], body
    assert await desk.intake.rows("select 1 from intake.information") == await desk.intake.published() == []


async def test_a_coordinator_counts_nobody(desk: Desk) -> None:
    """The role is missing."""
    body = {"language": "ar", "count": 1}
    problem(await desk.post(CITY, "/v1/information", body, role="coordinator"), 403, "role-missing")
    assert await desk.intake.published() == []

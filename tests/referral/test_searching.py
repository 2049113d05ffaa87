"""Searching offers: by need, language, accessibility, capacity, and by whether they are open now."""

import random
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from schemas.calendar import LOCAL_TIME, local_day
from schemas.hsds import Schedule
from services.referral.model.opening import WEEKDAYS, is_open, minute_of_the_week
from services.referral.model.working_days import is_public_holiday, is_working_day
from tests.referral.builders import AWO, CARITAS_MBE, CITY, JOBCENTER, Lotse, a_notice, is_problem

PLACE = {"address_1": "Löhrstraße 1", "postal_code": "56068", "city": "Koblenz"}
OFFERS: Mapping[str, dict[str, Any]] = {
    "one": {"needs": ["work", "housing"], "languages": ["de", "ar"], "location": {**PLACE, "accessibility": []}},
    "two": {
        "needs": ["work"],
        "languages": ["de", "uk"],
        "location": {**PLACE, "accessibility": ["step-free", "wheelchair"]},
    },
    "three": {"needs": ["debts"], "languages": ["ar"], "location": {**PLACE, "accessibility": ["step-free"]}},
    "four": {"languages": []},
}
PLACES = {"one": "capacity", "two": "waitlist", "three": "no-capacity"}
FOUND: list[tuple[Mapping[str, Any], list[str]]] = [
    ({"need": "work"}, ["one", "two"]),
    ({"need": ["work", "housing"]}, ["one"]),
    ({"need": ["work", "debts"]}, []),
    ({"language": "ar"}, ["one", "three"]),
    ({"language": "ar", "need": "work"}, ["one"]),
    ({"accessibility": "step-free"}, ["two", "three"]),
    ({"accessibility": ["step-free", "wheelchair"]}, ["two"]),
    ({"capacity": "capacity"}, ["one"]),
    ({"capacity": ["capacity", "waitlist"], "need": "work"}, ["one", "two"]),
    ({"capacity": "additional-assessment-required"}, []),
    ({}, ["one", "two", "three", "four"]),
]


async def searched(lotse: Lotse, **query: Any) -> list[str]:
    """The names of the offers that are found, page by page of one."""
    names, after = [], None
    while True:
        answer = await lotse.get("/v1/offers", limit=1, **query, **({"after": after} if after else {}))
        assert answer.status_code == 200, answer.text
        page = answer.json()
        names += [each["name"] for each in page["items"]]
        if (after := page["next"]) is None:
            return names


async def test_what_is_asked_for_together_must_all_be_true(lotse: Lotse) -> None:
    """Each filter, several values of one, several filters, none."""
    for name, said in OFFERS.items():
        offer_id = await lotse.offer(name=name, **said)
        if name in PLACES:
            told = await lotse.send("PUT", f"/v1/offers/{offer_id}/capacity", {"capacity": PLACES[name]})
            assert told.status_code == 200, told.text
    for query, names in FOUND:
        assert await searched(lotse, **query) == names, query


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"need": "gold"}, "need.0"),
        ({"need": ["work"] * 11}, "need"),
        ({"language": "Arabisch!"}, "language"),
        ({"accessibility": ["step-free", "stairs"]}, "accessibility.1"),
        ({"capacity": "many"}, "capacity.0"),
        ({"open_now": "at noon"}, "open_now"),
    ],
    ids=str,
)
async def test_a_search_that_cannot_be_read_names_the_field(lotse: Lotse, query: dict[str, Any], field: str) -> None:
    """Nobody is shown everything because of a word that Lotse does not know."""
    assert is_problem(await lotse.get("/v1/offers", **query), 422, "not-valid", field)


def _next_working_monday() -> date:
    day = local_day(datetime.now(UTC)) + timedelta(days=1)
    while day.weekday() != 0 or not is_working_day(day):
        day += timedelta(days=1)
    return day


MONDAY = _next_working_monday()


def hours(byday: str, **more: Any) -> list[dict[str, Any]]:
    """From nine to twelve on these weekdays."""
    return [{"freq": "WEEKLY", "byday": byday, "opens_at": "09:00", "closes_at": "12:00", **more}]


async def at(lotse: Lotse, day: date, hour: int) -> None:
    """Set the clock to an hour of a day in Koblenz."""
    moment = datetime(day.year, day.month, day.day, hour, tzinfo=LOCAL_TIME)
    await lotse.running.move_clock(moment - datetime.now(UTC))


async def test_open_now_means_by_its_hours_of_this_week_and_by_the_calendar(lotse: Lotse) -> None:
    """Neither hours of another week nor of another day, and on a public holiday nothing."""
    fortnightly = {"interval": 2, "valid_from": (MONDAY - timedelta(days=7)).isoformat()}
    await lotse.offer(name="mondays", schedules=hours("MO,TH"))
    await lotse.offer(name="fortnightly", schedules=hours("MO", **fortnightly))
    await lotse.offer(name="tuesdays", schedules=hours("TU"))
    await lotse.offer(name="over", schedules=hours("MO", valid_to=(MONDAY - timedelta(days=1)).isoformat()))
    await lotse.offer(name="without hours")
    await lotse.offer(name="evenings", schedules=hours("MO", opens_at="18:00", closes_at="20:00") + hours("MO"))
    await at(lotse, MONDAY, 10)
    assert await searched(lotse, open_now=True) == ["mondays", "evenings"]
    assert len(await searched(lotse)) == len(await searched(lotse, open_now=False)) == 6
    await at(lotse, MONDAY, 19)
    assert await searched(lotse, open_now=True) == ["evenings"]
    await at(lotse, MONDAY + timedelta(days=7), 10)
    assert await searched(lotse, open_now=True) == ["mondays", "fortnightly", "evenings"]
    holiday = next(
        day for day in (MONDAY + timedelta(days=each) for each in range(7, 800, 7)) if is_public_holiday(day)
    )
    await at(lotse, holiday, 10)
    assert await searched(lotse, open_now=True) == []


async def test_an_offer_of_a_unit_that_is_closed_is_not_open(lotse: Lotse) -> None:
    """From the first to the last day of its notice, the others stay open."""
    await lotse.offer(name="AWO", schedules=hours("MO"))
    await lotse.offer(CARITAS_MBE, name="Caritas", schedules=hours("MO"))
    days = {"valid_from": MONDAY.isoformat(), "valid_until": MONDAY.isoformat()}
    notice = await lotse.post("/v1/change-notices", a_notice(category="closed", **days))
    assert notice.status_code == 201, notice.text
    await at(lotse, MONDAY, 10)
    assert await searched(lotse, open_now=True) == ["Caritas"]
    withdrawn = await lotse.post(f"/v1/change-notices/{notice.json()['notice_id']}/withdraw")
    assert withdrawn.status_code == 200, withdrawn.text
    assert await searched(lotse, open_now=True) == ["AWO", "Caritas"]


async def test_changed_hours_are_found_as_they_are_now(lotse: Lotse) -> None:
    """The index follows the entry, and what is withdrawn is not found."""
    offer_id = await lotse.offer(name="moved", schedules=hours("MO"))
    await at(lotse, MONDAY, 10)
    assert await searched(lotse, open_now=True) == ["moved"]
    body = {"unit": AWO, "name": "moved", "service_type": "MBE", "description": "Beratung", "schedules": hours("TU")}
    changed = await lotse.send("PUT", f"/v1/offers/{offer_id}", body, If_Match='"1"')
    assert changed.status_code == 200, changed.text
    assert await searched(lotse, open_now=True) == []
    await at(lotse, MONDAY + timedelta(days=1), 10)
    assert await searched(lotse, open_now=True) == ["moved"]
    assert (await lotse.post(f"/v1/offers/{offer_id}/withdraw")).status_code == 200
    assert await searched(lotse, open_now=True) == []
    assert await searched(lotse, open_now=True, include_inactive=True) == ["moved"]


async def test_every_partner_may_search(lotse: Lotse) -> None:
    """The directory is for all of them."""
    await lotse.offer(needs=["work"])
    for unit, role in ((CITY, "clerk"), (JOBCENTER, "system"), (CARITAS_MBE, "coordinator")):
        assert len((await lotse.get("/v1/offers", unit=unit, role=role, need="work")).json()["items"]) == 1


async def test_the_index_knows_the_minutes_that_the_hours_name(lotse: Lotse) -> None:
    """Of any hours and any moment: those of the weekday and the time, and so all that are open."""
    drawn = random.Random(42)  # noqa: S311 - the same hours in every run
    for _ in range(300):
        schedules = [_drawn_hours(drawn) for _ in range(drawn.randint(0, 3))]
        moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=drawn.randrange(3 * 366 * 24 * 60))
        local = moment.astimezone(LOCAL_TIME)
        day, time = WEEKDAYS[local.weekday()], local.strftime("%H:%M")
        named = any(
            each.opens_at <= time < each.closes_at and any(name.endswith(day) for name in each.byday.split(","))
            for each in schedules
        )
        [row] = await lotse.running.rows(
            "select referral.minutes_of_the_week($1) @> $2::int as found",
            [each.model_dump(mode="json") for each in schedules],
            minute_of_the_week(moment),
        )
        assert row["found"] is named, (schedules, moment)
        assert named or not is_open(schedules, moment)


def _drawn_hours(drawn: random.Random) -> Schedule:
    opens, closes = sorted(drawn.sample(range(24 * 60), 2))
    is_monthly = drawn.random() < 0.3
    days = drawn.sample(WEEKDAYS, drawn.randint(1, 4))
    return Schedule.model_validate(
        {
            "freq": "MONTHLY" if is_monthly else "WEEKLY",
            "byday": ",".join(f"{drawn.choice((1, 2, -1))}{each}" if is_monthly else each for each in days),
            "opens_at": f"{opens // 60:02}:{opens % 60:02}",
            "closes_at": f"{closes // 60:02}:{closes % 60:02}",
        }
    )


@pytest.mark.parametrize(
    "hours", [None, {}, [{}], [{"byday": "XX", "opens_at": "09:00", "closes_at": "12:00"}], [{"byday": "MO"}]], ids=str
)
async def test_hours_of_which_nothing_can_be_made_hold_at_no_minute(lotse: Lotse, hours: Any) -> None:
    """Newer code may write what this index does not know; the entry is kept."""
    [row] = await lotse.running.rows("select isempty(referral.minutes_of_the_week($1)) as is_empty", hours)
    assert row["is_empty"]

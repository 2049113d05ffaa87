"""The calendar file of the consultation hours, read back by a parser and compared with when offers are open."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st
from icalendar import Calendar

from schemas import OfferState
from schemas.calendar import LOCAL_TIME, local_day
from schemas.hsds import Schedule
from schemas.partner_file import load_partners
from services.referral.model.directory import Entry
from services.referral.model.opening import WEEKDAYS, is_open
from services.referral.paper.calendar import hours_as_calendar
from tests.harness import ROOT
from tests.referral.builders import AWO, CARITAS_MBE, JOBCENTER, Lotse, a_notice, an_offer, is_problem

TODAY = date(2026, 11, 24)
PARTNERS = load_partners(ROOT / "deploy" / "partners")


def schedule(**said: Any) -> Schedule:
    """Mondays from nine to twelve, unless told otherwise."""
    return Schedule.model_validate({"freq": "WEEKLY", "byday": "MO", "opens_at": "09:00", "closes_at": "12:00", **said})


def parsed(written: bytes) -> list[Any]:
    """The events of a file; every line as RFC 5545 wants it."""
    lines = written.split(b"\r\n")
    assert lines[-1] == b""
    assert all(len(line) <= 75 and b"\n" not in line and b"\r" not in line for line in lines)
    calendar = Calendar.from_ical(written)
    assert calendar.errors == []
    events = list(calendar.walk("VEVENT"))
    assert len({str(event["uid"]) for event in events}) == len(events)
    return events


def occurrences(event: Any) -> set[datetime]:
    """When an event of the file begins, by a library that reads RRULEs."""
    begins = event.decoded("dtstart")
    without = event.get("exdate")
    gone = {each.dt for each in without.dts} if without is not None else set()
    # Wall time: a rule of nine o'clock stays at nine o'clock when the clocks change.
    rule = rrulestr(event["rrule"].to_ical().decode().replace("Z", ""), dtstart=begins.replace(tzinfo=None))
    return {each.replace(tzinfo=LOCAL_TIME) for each in rule} - gone


def offer_of(*schedules: Schedule) -> Entry[OfferState]:
    """An offer of AWO with these hours."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return Entry(uuid4(), OfferState(**an_offer(schedules=schedules)), 3, at, at, local_day(at))


@st.composite
def schedules(draw: Any) -> Schedule:
    """Any that the directory takes."""
    is_monthly = draw(st.booleans())
    days = draw(st.lists(st.sampled_from(WEEKDAYS), min_size=1, max_size=3, unique=True))
    places = [draw(st.sampled_from([1, 2, 4, 5, -1, -2])) for _ in days] if is_monthly else [""] * len(days)
    interval = draw(st.integers(1, 3))
    begins = draw(st.dates(TODAY - timedelta(days=800), TODAY + timedelta(days=300)))
    ends = draw(st.none() | st.dates(begins, begins + timedelta(days=900)))
    return schedule(
        freq="MONTHLY" if is_monthly else "WEEKLY",
        byday=",".join(f"{place}{day}" for place, day in zip(places, days, strict=True)),
        interval=interval,
        valid_from=begins if interval > 1 or draw(st.booleans()) else None,
        valid_to=ends,
    )


@settings(max_examples=150, deadline=None)
@given(hours=schedules(), closed=st.none() | st.tuples(st.integers(0, 400), st.none() | st.integers(0, 30)))
def test_a_calendar_shows_what_is_open(hours: Schedule, closed: tuple[int, int | None] | None) -> None:
    """On every day of the year to come, at both changes of the clock too, and on no other."""
    closures: list[tuple[date, date | None]] = []
    if closed is not None:
        first = TODAY + timedelta(days=closed[0])
        closures.append((first, None if closed[1] is None else first + timedelta(days=closed[1])))
    shown = {
        each
        for event in parsed(hours_as_calendar([offer_of(hours)], {AWO: closures}, PARTNERS, TODAY))
        for each in occurrences(event)
    }
    days = [TODAY + timedelta(days=number) for number in range(365)]
    moments = [datetime(day.year, day.month, day.day, 9, tzinfo=LOCAL_TIME) for day in days]

    def is_held(moment: datetime) -> bool:
        day = moment.date()
        is_closed = any(first <= day and (last is None or day <= last) for first, last in closures)
        return is_open([hours], moment) and not is_closed

    assert shown == {each for each in moments if is_held(each)}


async def feed(lotse: Lotse, **query: Any) -> list[Any]:
    """The events of the feed."""
    answer = await lotse.get("/v1/offers.ics", unit=JOBCENTER, role="system", **query)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/calendar; charset=utf-8"), answer.text
    return parsed(answer.content)


HOURS = [schedule().model_dump(mode="json"), schedule(byday="1FR", freq="MONTHLY").model_dump(mode="json")]
PLACE = {"address_1": "Löhrstraße 1", "postal_code": "56068", "city": "Koblenz"}


async def test_each_rule_of_an_offer_is_a_repeated_event(lotse: Lotse) -> None:
    """With who offers it, where, and the time of the clock on the wall; without an offer an empty calendar."""
    assert await feed(lotse) == []
    await lotse.offer(schedules=HOURS, location=PLACE, url="https://awo.example/mbe?a=1,2")
    weekly, monthly = await feed(lotse)
    assert (weekly.decoded("dtstart").hour, weekly.decoded("dtend").hour) == (9, 12)
    assert str(weekly.decoded("dtstart").tzinfo) == "Europe/Berlin"
    assert (weekly["rrule"]["byday"], monthly["rrule"]["byday"]) == (["MO"], ["1FR"])
    assert (str(weekly["location"]), str(weekly["url"])) == (
        "Löhrstraße 1, 56068 Koblenz",
        "https://awo.example/mbe?a=1,2",
    )
    assert str(weekly["description"]).splitlines()[-1] == f"Angeboten von: {PARTNERS.units[AWO].name}"


async def test_only_what_can_be_used_and_is_asked_for_is_in_it(lotse: Lotse) -> None:
    """By unit, need and language; neither withdrawn offers nor such without hours for programs."""
    await lotse.offer(name="one", schedules=HOURS[:1], needs=["work"], languages=["ar"])
    await lotse.offer(CARITAS_MBE, name="two", schedules=HOURS[:1], needs=["housing"], languages=["uk"])
    gone = await lotse.offer(name="gone", schedules=HOURS[:1])
    await lotse.post(f"/v1/offers/{gone}/withdraw")
    await lotse.offer(name="without hours")
    for query, names in (
        ({}, ["one", "two"]),
        ({"need": "housing"}, ["two"]),
        ({"language": "ar"}, ["one"]),
        ({"language": "ar", "need": "housing"}, []),
    ):
        assert [str(event["summary"]) for event in await feed(lotse, **query)] == names, query
    headers = lotse.running.headers(JOBCENTER, "system")
    of_caritas = await lotse.running.client.get("/v1/offers.ics", params={"unit": CARITAS_MBE}, headers=headers)
    assert [str(event["summary"]) for event in parsed(of_caritas.content)] == ["two"]


async def test_a_closed_unit_has_no_hours_on_those_days(lotse: Lotse) -> None:
    """From the first to the last day of its notice."""
    await lotse.offer(schedules=HOURS[:1])
    [before] = await feed(lotse)
    days = sorted(occurrences(before))
    closed = {"valid_from": days[1].date().isoformat(), "valid_until": days[2].date().isoformat()}
    answer = await lotse.post("/v1/change-notices", a_notice(category="closed", **closed))
    assert answer.status_code == 201, answer.text
    [after] = await feed(lotse)
    assert sorted(occurrences(after)) == [days[0], *days[3:]]


async def test_a_file_of_too_many_offers_is_refused_with_the_way_out(
    lotse: Lotse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a need that does not exist by its field."""
    monkeypatch.setattr("services.referral.api.offer_hours.MOST", 1)
    await lotse.offer(schedules=HOURS[:1], needs=["work"])
    await lotse.offer(schedules=HOURS[:1])
    assert is_problem(await lotse.get("/v1/offers.ics"), 422, "too-many-offers", "unit")
    assert len(await feed(lotse, need="work")) == 1
    assert is_problem(await lotse.get("/v1/offers.ics", need="gold"), 422, "not-valid", "need")

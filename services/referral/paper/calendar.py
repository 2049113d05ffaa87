"""Trainings and consultation hours as calendar files, for programs that people look at: RFC 5545, in German."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta

from icalendar import Calendar, Event, vUri

from schemas import OfferState, UnitId
from schemas.calendar import LOCAL_TIME, a_year_after, local_midnight
from schemas.hsds import Schedule
from schemas.partner_file import Partners
from services.referral.model.directory import Entry
from services.referral.model.opening import falls_on
from services.referral.model.trainings import Training
from services.referral.model.working_days import is_public_holiday

CALENDAR = "text/calendar; charset=utf-8"
_A_DAY = timedelta(days=1)


def trainings_as_calendar(trainings: Iterable[Training], partners: Partners) -> bytes:
    """Write an event for each session; those of a cancelled training say so, so that calendars take them out."""
    return _written("Fortbildungen", (event for each in trainings for event in _sessions(each, partners)))


def hours_as_calendar(
    offers: Iterable[Entry[OfferState]],
    closures: Mapping[UnitId, Sequence[tuple[date, date | None]]],
    partners: Partners,
    today: date,
) -> bytes:
    """Write a repeated event for each of the offers' hours from today for a year, without the days when none are held.

    closures: first and last day of each time in which a unit is closed; None for the last: until further notice.
    """
    last = a_year_after(local_midnight(today)).date()
    days = [today + _A_DAY * number for number in range((last - today).days)]
    events = (
        event
        for offer in offers
        for number, schedule in enumerate(offer.state.schedules, start=1)
        for event in _hours(offer, number, schedule, closures.get(offer.unit, ()), partners, days)
    )
    return _written("Sprechstunden", events)


def _written(name: str, events: Iterable[Event]) -> bytes:
    calendar = Calendar()
    calendar.add("prodid", f"-//Lotse//{name}//DE")
    calendar.add("version", "2.0")
    calendar.add("x-wr-calname", name)
    for event in events:
        calendar.add_component(event)
    calendar.add_missing_timezones()
    written: bytes = calendar.to_ical()
    return written


def _hours(
    offer: Entry[OfferState],
    number: int,
    schedule: Schedule,
    closures: Sequence[tuple[date, date | None]],
    partners: Partners,
    days: Sequence[date],
) -> Iterator[Event]:
    """The hours of one rule: none where it names none of these days."""
    named = [day for day in days if falls_on(schedule, day)]
    if not named:
        return
    state, unit = offer.state, partners.units.get(offer.unit)
    place = state.location
    opens = time.fromisoformat(schedule.opens_at)
    event = Event()
    event.add("uid", f"{offer.id}-{number}@lotse")
    event.add("dtstamp", offer.changed_at)
    event.add("sequence", offer.version - 1)
    event.add("dtstart", datetime.combine(named[0], opens, LOCAL_TIME))
    event.add("dtend", datetime.combine(named[0], time.fromisoformat(schedule.closes_at), LOCAL_TIME))
    event.add("rrule", _rule(schedule, named[-1]))
    if without := [day for day in named if is_public_holiday(day) or _is_closed(closures, day)]:
        event.add("exdate", [datetime.combine(day, opens, LOCAL_TIME) for day in without])
    event.add("summary", state.name)
    event.add("description", "\n".join([state.description, f"Angeboten von: {unit.name if unit else state.unit}"]))
    if where := (f"{place.address_1}, {place.postal_code} {place.city}" if place else state.address):
        event.add("location", where)
    if state.url is not None:
        event.add("url", vUri(state.url))
    yield event


def _rule(schedule: Schedule, last: date) -> dict[str, object]:
    """The rule up to its last day in the file: what the file says of exceptions holds for all that it says."""
    until = local_midnight(last + _A_DAY).astimezone(UTC) - timedelta(seconds=1)
    return {
        "freq": schedule.freq.value,
        "interval": schedule.interval,
        "byday": schedule.byday.split(","),
        "until": until,
        "wkst": "MO",
    }


def _is_closed(closures: Sequence[tuple[date, date | None]], day: date) -> bool:
    return any(first <= day and (last is None or day <= last) for first, last in closures)


def _sessions(training: Training, partners: Partners) -> Iterator[Event]:
    """A session keeps its UID, which is its place among the sessions, when it is moved."""
    entry, state = training.entry, training.state
    for number, session in enumerate(state.sessions, start=1):
        event = Event()
        event.add("uid", f"{entry.id}-{number}@lotse")
        event.add("dtstamp", entry.changed_at)
        event.add("sequence", entry.version - 1)
        event.add("dtstart", session.starts_at)
        event.add("dtend", session.ends_at)
        event.add("summary", state.title)
        event.add("description", _description(training, partners))
        event.add("location", state.place or "online")
        if state.url is not None:
            event.add("url", vUri(state.url))
        event.add("status", "CONFIRMED" if entry.withdrawn_at is None else "CANCELLED")
        yield event


def _description(training: Training, partners: Partners) -> str:
    state = training.state
    left = state.seats - training.registered
    unit = partners.units.get(state.unit)
    return "\n".join(
        [
            state.description,
            f"Angeboten von: {state.unit if unit is None else unit.name}",
            f"Anmeldung bis {state.registration_until:%d.%m.%Y}, {left} von {state.seats} Plätzen frei",
        ]
    )

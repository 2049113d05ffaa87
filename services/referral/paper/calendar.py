"""The trainings as a calendar file, for programs that people look at: RFC 5545, in German."""

from collections.abc import Iterable, Iterator

from icalendar import Calendar, Event, vUri

from schemas.partner_file import Partners
from services.referral.model.trainings import Training

PRODUCT = "-//Lotse//Fortbildungen//DE"


def trainings_as_calendar(trainings: Iterable[Training], partners: Partners) -> bytes:
    """Write an event for each session; those of a cancelled training say so, so that calendars take them out."""
    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("x-wr-calname", "Fortbildungen")
    for training in trainings:
        for event in _events(training, partners):
            calendar.add_component(event)
    written: bytes = calendar.to_ical()
    return written


def _events(training: Training, partners: Partners) -> Iterator[Event]:
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

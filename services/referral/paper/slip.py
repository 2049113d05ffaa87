"""The slip that somebody carries to a service: where it is, when it is open, whom to ask for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from schemas.codes import LanguageTag
from services.chassis.sheet import HEADING, Row, Sheet
from services.referral.paper.wording import Wording

DAY = "%d.%m.%Y"


@dataclass(frozen=True)
class Place:
    """Somewhere to go, as it is published; what is not published is None or empty."""

    name: str
    unit: str | None = None
    description: str | None = None
    eligibility_description: str | None = None
    languages: Sequence[LanguageTag] = ()
    interpretation_services: str | None = None
    schedule: str | None = None
    address: str | None = None
    phone: str | None = None
    email: str | None = None
    contact: str | None = None
    note: str | None = None
    url: str | None = None


def slip_pdf(places: Sequence[Place], unit: str, day: date, words: Wording) -> bytes:
    """A sheet with the places in their order. unit: the name of the office that gives it out."""
    sheet = Sheet(words.title, tag=words.tag, direction=words.direction)
    sheet.write_text(words.made.format(day=day.strftime(DAY), unit=unit))
    for place in places:
        sheet.write_name(place.name, size=HEADING)
        if place.unit:
            sheet.write_name(place.unit, size=HEADING - 2)
        sheet.write_rows(_rows(place, words))
        if place.url:
            sheet.write_qr(place.url)
    sheet.write_text(words.nothing_told)
    if words.in_german:
        sheet.write_text(words.in_german)
    return bytes(sheet.output())


def _rows(place: Place, words: Wording) -> list[Row]:
    said = (
        (words.what, place.description),
        (words.for_whom, place.eligibility_description),
        (words.interpreting, place.interpretation_services),
        (words.hours, place.schedule),
        (words.address, place.address),
        (words.phone, place.phone),
        (words.email, place.email),
        (words.contact, place.contact),
        (words.note, place.note),
    )
    rows = [Row(label, text, is_name=True) for label, text in said if text]
    spoken = words.separator.join(words.name_of(each) for each in place.languages)
    return [*rows, Row(words.languages, spoken)] if spoken else rows

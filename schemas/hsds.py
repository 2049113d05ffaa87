"""The parts of an offer that HSDS 3.1 keeps in tables of their own: where and when, with its names."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from schemas.calendar import Day
from schemas.codes import Accessibility, Frequency
from schemas.texts import ShortText

_WEEKDAY = "(?:MO|TU|WE|TH|FR|SA|SU)"
ByDay = Annotated[
    str, StringConstraints(pattern=rf"^(?:-?[1-5])?{_WEEKDAY}(?:,(?:-?[1-5])?{_WEEKDAY})*$", max_length=60)
]
"""Weekdays as in an RRULE (RFC 5545): `MO,TH`; monthly with a place in the month, `1MO` or `-1FR`."""
Clock = Annotated[str, StringConstraints(pattern=r"^(?:[01][0-9]|2[0-3]):[0-5][0-9]$")]
"""A time of day in Koblenz, `09:00`."""
PostalCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{5}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Schedule(_Part):
    """Hours that come again: on these weekdays of each week (or of each `interval`-th), or on these of each month.

    An `interval` counts from the week or month of `valid_from`, which it needs if it is more than 1.
    """

    freq: Frequency
    byday: ByDay
    opens_at: Clock
    closes_at: Clock
    interval: Annotated[int, Field(ge=1, le=12)] = 1
    valid_from: Day | None = None
    valid_to: Day | None = None
    description: ShortText | None = None


class Location(_Part):
    """Where people come to."""

    address_1: ShortText
    postal_code: PostalCode
    city: ShortText
    name: ShortText | None = None
    transportation: ShortText | None = None
    accessibility: Annotated[tuple[Accessibility, ...], Field(max_length=20)] = ()

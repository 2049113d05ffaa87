"""What the coordination circle works with; so far the counts without a person."""

from typing import Annotated

from pydantic import Field, StringConstraints

from schemas.codes import LanguageTag
from schemas.envelope import CircleEvent
from schemas.ids import UnitId
from schemas.visibility import NOBODY

Month = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$")]


class InformationCounted(CircleEvent, type="lotse.information.counted.v1", audience=NOBODY, key="unit"):
    """A unit told people of the services' offers: how many, in which language and month; not whom."""

    unit: UnitId
    language: LanguageTag
    month: Month
    count: Annotated[int, Field(ge=1, le=10_000)]


class RefusalCounted(CircleEvent, type="lotse.refusal.counted.v1", audience=NOBODY, key="unit"):
    """How many people refused a consent at a unit in a month that is over; not who, not why, not in which language."""

    unit: UnitId
    month: Month
    count: Annotated[int, Field(ge=1, le=1_000_000)]

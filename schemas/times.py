"""Times as requests and the directory write them: in one form each, never as a number of seconds."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})", re.ASCII)
_YEARS = range(2000, 2200)


def written_time(value: Any) -> Any:
    """A time, or its text; pydantic would also take a number for one. Raises ValueError."""
    if isinstance(value, datetime) or (isinstance(value, str) and _TIME.fullmatch(value)):
        return value
    raise ValueError("Write a time with its zone, as 2001-12-31T12:00:00Z")


def _in_utc(moment: datetime) -> datetime:
    """The same time written alike whatever zone it was said in, so that two of them can be compared as text."""
    if moment.year not in _YEARS:
        raise ValueError(f"Write a time in the years {_YEARS.start} to {_YEARS.stop - 1}")
    return moment.astimezone(UTC)


Instant = Annotated[AwareDatetime, BeforeValidator(written_time), AfterValidator(_in_utc)]

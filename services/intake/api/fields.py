"""Kinds of fields in request bodies, stricter than a reader of events would be."""

import re
import unicodedata
from datetime import date
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, StringConstraints

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})", re.ASCII)


def _without_controls(text: str) -> str:
    """PostgreSQL takes no NUL, and nobody's name has a line break."""
    if any(unicodedata.category(letter) in ("Cc", "Zl", "Zp") for letter in text):
        raise ValueError("Control characters and line breaks are not allowed")
    return text


def _written_date(value: Any) -> Any:
    """A number would be taken for seconds since 1970."""
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise ValueError("Write a date as 2001-12-31")
    return value


def _written_time(value: Any) -> Any:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise ValueError("Write a time with its zone, as 2001-12-31T12:00:00Z")
    return value


Line: TypeAlias = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_without_controls)
]
WrittenDate: TypeAlias = Annotated[date, BeforeValidator(_written_date)]
WrittenTime: TypeAlias = Annotated[AwareDatetime, BeforeValidator(_written_time)]

"""Kinds of fields in request bodies, stricter than a reader of events would be."""

import unicodedata
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, StringConstraints

from schemas.times import written_time


def _without_controls(text: str) -> str:
    """PostgreSQL takes no NUL, and nobody's name has a line break."""
    if any(unicodedata.category(letter) in ("Cc", "Zl", "Zp") for letter in text):
        raise ValueError("Control characters and line breaks are not allowed")
    return text


Line: TypeAlias = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_without_controls)
]
WrittenTime: TypeAlias = Annotated[AwareDatetime, BeforeValidator(written_time)]

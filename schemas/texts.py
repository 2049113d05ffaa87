"""Kinds of text that partners publish about themselves, each with its limit."""

from typing import Annotated

from pydantic import StringConstraints

# No control characters: PostgreSQL cannot store NUL, and a screen should not be told to do things.
_LINE = r"^[^\x00-\x1f\x7f]+$"
_LINES = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]+$"

ShortText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=_LINE)]
LongText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000, pattern=_LINES)]
Phone = Annotated[str, StringConstraints(pattern=r"^\+?[0-9][0-9 ()/.-]{2,38}$")]
Email = Annotated[
    str,
    StringConstraints(
        pattern=r"^[^@\s\x00-\x1f\x7f]+@[^@\s.\x00-\x1f\x7f]+(\.[^@\s.\x00-\x1f\x7f]+)+$", max_length=254
    ),
]
# A name, not a path: what it is saved as is the reader's to say.
FileName = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f/\\.][^\x00-\x1f\x7f/\\]*$", max_length=200)]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s\x00-\x1f\x7f]+$", max_length=2000)]

"""One text of a notice as people write it: Markdown, a head in TOML, and places that the partner files fill.

```
+++
title = "Dürfen wir Ihre Angaben weitergeben?"
translation = "original"
+++
Wir sind: **{from.unit}**
```
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from schemas.toml_file import FileError, FileModel, one_line, parse_tables, read_text, to_model

FENCE = "+++"
PLACE = re.compile(r"\{([^{}\n]{0,60})\}")

Line = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")
]


class NoticeFileError(FileError):
    """A notice's file is wrong, or a released one was changed."""


class Translation(StrEnum):
    """Who wrote a text. What a machine translated may be read by those who work on it, and is never released."""

    ORIGINAL = "original"
    HUMAN = "human"
    MACHINE = "machine"


class Head(FileModel):
    """What a text says about itself."""

    title: Line = Field(description="a line of 1 to 200 characters")
    translation: Translation = Field(description='"original", "human" or "machine"')
    translated_by: Line | None = Field(
        default=None, description='a function such as "vereidigte Übersetzerin für Arabisch", never a name'
    )

    @model_validator(mode="after")
    def _translator_is_known(self) -> Self:
        if self.translation is Translation.HUMAN and self.translated_by is None:
            raise ValueError("a human translation should say in translated_by in which function somebody translated")
        if self.translation is Translation.ORIGINAL and self.translated_by is not None:
            raise ValueError("an original has no translated_by; translation should be human")
        return self


@dataclass(frozen=True)
class Places:
    """The places of one kind of text: those it may have, those it must have, those that fill a line of their own."""

    known: tuple[str, ...]
    required: tuple[str, ...]
    blocks: tuple[str, ...] = ()


@dataclass(frozen=True)
class NoticeText:
    """A text, read and checked. `sha256`: of the file as it is."""

    path: Path
    head: Head
    body: str
    sha256: str

    def filled(self, values: Mapping[str, str]) -> str:
        """The body with each place filled."""
        return PLACE.sub(lambda place: values[place[1]], self.body)


def read_notice_text(path: Path, places: Places) -> NoticeText:
    """Read one text. Raises NoticeFileError naming file, line and what would be right."""
    said, body, first_line = _parted(path, read_text(path, NoticeFileError))
    # As many empty lines before as in the file, so that the parser counts lines as an editor does.
    head = to_model(path, parse_tables(path, f"\n{said}", NoticeFileError), Head, NoticeFileError)
    for number, line in enumerate(body.split("\n"), first_line):
        for fault in _faults(line, places):
            raise NoticeFileError(f"{path}, line {number}: {fault}")
    found = set(PLACE.findall(body))
    for name in places.required:
        if name not in found:
            raise NoticeFileError(f"{path} has no {{{name}}}; the text should name it")
    return NoticeText(path, head, body.strip("\n"), hashlib.sha256(path.read_bytes()).hexdigest())


def _parted(path: Path, text: str) -> tuple[str, str, int]:
    """The head, the body, and the number of the body's first line."""
    lines = text.split("\n")
    if lines[0].rstrip() != FENCE or FENCE not in (each.rstrip() for each in lines[1:]):
        raise NoticeFileError(f"{path} has no head; there should be title and translation between two lines {FENCE}")
    end = next(number for number, line in enumerate(lines) if number and line.rstrip() == FENCE)
    return "\n".join(lines[1:end]), "\n".join(lines[end + 1 :]), end + 2


def _faults(line: str, places: Places) -> Iterator[str]:
    """What is wrong with one line of the body."""
    if any(unicodedata.category(letter) in ("Cc", "Zl", "Zp") for letter in line):
        yield "there is a control character (a tab, for instance); it should be plain text"
    if "<" in line:
        yield "there is a <; the text should be Markdown without HTML"
    if line.startswith("# "):
        yield "there is a heading of the first level; it should stand in the head, as title"
    known = ", ".join(f"{{{each}}}" for each in places.known)
    for name in PLACE.findall(line):
        if name not in places.known:
            yield f"{{{one_line(name)}}} is not known; known here are {known}"
        elif name in places.blocks and line != f"{{{name}}}":
            yield f"{{{name}}} should have a line of its own"
    if re.search(r"[{}]", PLACE.sub("", line)):
        yield "there is a brace without its other half; it should be as in {from.unit}"

"""TOML files that people write: read into a model, or refused with one sentence that a person can act on."""

import tomllib
import types
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

LARGEST_BITS = 64


class FileError(ValueError):
    """A file is wrong; the text is one sentence that names file and field and says what would be right."""


class FileModel(BaseModel):
    """A table of such a file. Each field's `description` says what would be right, after "it should be".

    What stands in a field of `repr=False` is never quoted: somebody may have written the secret itself there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")


Model = TypeVar("Model", bound=FileModel)


def parse_toml(path: Path, error: type[Exception]) -> dict[str, Any]:
    """Read a file's tables. Raises `error` with a sentence that begins with the path."""
    return parse_tables(path, read_text(path, error), error)


def read_text(path: Path, error: type[Exception]) -> str:
    """Read a text file; its lines end in a line feed, whatever they ended in. Raises `error`."""
    try:
        # Editors of some systems begin a file with a byte order mark, which TOML does not know.
        return path.read_text(encoding="utf-8-sig")
    except OSError as fault:
        raise error(f"{path} cannot be read: {fault.strerror}") from fault
    except UnicodeDecodeError:
        raise error(f"{path} is not UTF-8 text") from None


def parse_tables(path: Path, text: str, error: type[Exception]) -> dict[str, Any]:
    """Read the tables of a text that stands in that file. Raises `error`."""
    try:
        tables = tomllib.loads(text)
        huge = _huge_number(tables)
    except tomllib.TOMLDecodeError as fault:
        raise error(f"{path} is not valid TOML: {one_line(str(fault), 200)}") from fault
    except RecursionError:
        raise error(f"{path} has lists or tables within each other beyond sense; it should have a few levels") from None
    except ValueError:
        raise error(f"{path} has a number of thousands of digits; numbers here are small") from None
    if huge is not None:
        raise error(f"{path}: {', '.join(_place(huge))} is a number of thousands of digits; numbers here are small")
    return tables


def _huge_number(value: Any, place: tuple[int | str, ...] = ()) -> tuple[int | str, ...] | None:
    """Where a number stands that Python reads in hexadecimal and cannot write in decimal; None without one.

    Nothing that quotes it, not even a validator's own error, would end well.
    """
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = (_huge_number(each, (*place, step)) for step, each in inside)
    is_huge = isinstance(value, int) and value.bit_length() > LARGEST_BITS
    return place if is_huge else next((each for each in found if each is not None), None)


def read_toml(path: Path, model: type[Model], error: type[FileError]) -> Model:
    """Read a file into a model. Raises `error`."""
    return to_model(path, parse_toml(path, error), model, error)


def to_model(path: Path, tables: dict[str, Any], model: type[Model], error: type[FileError]) -> Model:
    """Make a model of the tables of a file. Raises `error`."""
    try:
        return model.model_validate(tables)
    except ValidationError as fault:
        raise error(f"{path}: {_sentence(model, fault.errors(include_url=False)[0])}") from None


def _sentence(model: type[FileModel], fault: ErrorDetails) -> str:
    """Say what is wrong with one field and what would be right."""
    tables, field = _walk(model, fault["loc"])
    where = ", ".join(_place(fault["loc"])) or "the file"
    if fault["type"] == "extra_forbidden":
        return f"{where} is not a known key; known here are {', '.join(_keys(tables))}"
    if fault["type"] == "value_error":
        return f"{where} is wrong: {fault['ctx']['error']}"
    right = f"it should be {field.description}" if field and field.description else fault["msg"]
    if fault["type"] == "missing":
        return f"{where} is missing; {right}"
    if field and not field.repr:
        return f"{where} is wrong and is not repeated here; {right}"
    return f"{where} is {_shortened(fault['input'])}; {right}"


def _place(loc: tuple[int | str, ...]) -> list[str]:
    """Spell a location as a person would: `unit 2, regime`; list positions count from 1."""
    words: list[str] = []
    for step in loc:
        if isinstance(step, int) and words:
            words[-1] += f" {step + 1}"
        else:
            words.append(one_line(str(step)))
    return words


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _walk(model: type[BaseModel], loc: tuple[int | str, ...]) -> tuple[type[BaseModel], FieldInfo | None]:
    """Follow a location into the models: the innermost table, and the field it ends in, if any."""
    table: type[BaseModel] = model
    field: FieldInfo | None = None
    for step in loc:
        named = {field.alias or name: field for name, field in table.model_fields.items()}.get(str(step))
        if named is not None:
            field, inside = named, _models(named.annotation)
            table = inside[0] if len(inside) == 1 else table
        elif field is not None:
            table = next((one for one in _models(field.annotation) if _has_tag(one, step)), table)
    return table, field


def _models(annotation: Any) -> list[type[BaseModel]]:
    """List the models a field's type is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, types.UnionType, tuple):
        return [model for argument in get_args(annotation) for model in _models(argument)]
    return []


def _has_tag(model: type[BaseModel], tag: int | str) -> bool:
    return any(tag in get_args(field.annotation) for field in model.model_fields.values())


def _shortened(value: object) -> str:
    return one_line(repr(value))


def one_line(text: str, most: int = 60) -> str:
    """A text as it can stand in a sentence: shortened, and spelled out where a screen would not show it."""
    shown = text if text.isprintable() else repr(text)
    return shown if len(shown) <= most else f"{shown[: most - 3]}..."

"""Records as a broken or hostile producer would write them: a good one, changed in any few places."""

from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from services.chassis.records import Record
from tests.chassis.probe import given, record
from tests.schemas.samples import golden_files, type_of

NAMES = (
    "ce_specversion",
    "ce_id",
    "ce_source",
    "ce_type",
    "ce_time",
    "ce_subject",
    "ce_dataschema",
    "ce_sequence",
    "ce_partitionkey",
    "ce_correlationid",
    "ce_causationid",
    "ce_follows",
    "content-type",
    "traceparent",
)
SAMPLES = [(type_of(path), path.read_bytes()) for path in golden_files()]

SECRET = "Fatima-Al-Geheim"
"""A value that no message may repeat."""

_words = st.sampled_from(
    [
        SECRET.encode(),
        b"",
        b"\0",
        b"\xff\xfe",
        b"1.0",
        b"0",
        b"9" * 18,
        b"9" * 19,
        b"9" * 5000,
        "\u0661".encode(),
        b"1:1",
        b"0001-01-01T00:00:00+23:59",
        b"9999-12-31T23:59:59-23:59",
        b"2026-13-45T99:99:99Z",
        b"2026-01-01T00:00:00+99:99",
        b"application/json; charset=utf-8",
        b"{" * 2000,
        b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01",
        b"x" * 10_000,
    ]
)
values = st.one_of(_words, st.binary(max_size=60), st.none())
names = st.one_of(st.sampled_from(NAMES), st.text(max_size=12))
headers = st.lists(st.tuples(names, values), max_size=20)


def _change(before: list[tuple[str, Any]], change: tuple[str, str, Any]) -> list[tuple[str, Any]]:
    how, name, value = change
    if how == "drop":
        return [each for each in before if each[0] != name]
    if how == "add":
        return [*before, (name, value)]
    return [(known, value if known == name else kept) for known, kept in before]


_changes = st.lists(st.tuples(st.sampled_from(["drop", "add", "replace"]), names, values), max_size=4)


@st.composite
def nearly_good_headers(draw: st.DrawFn) -> list[tuple[str, Any]]:
    """Headers of a real event with up to four changes."""
    result: list[tuple[str, Any]] = list(record(given(UUID(int=1)), 1, 0).headers)
    for change in draw(_changes):
        result = _change(result, change)
    return result


_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.just(SECRET),
    st.just(10**400),
    st.datetimes().map(str),
)
json_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=8,
)


@st.composite
def spliced_bytes(draw: st.DrawFn, whole: bytes) -> bytes:
    """`whole` with a stretch of it replaced by something else."""
    begin = draw(st.integers(0, len(whole)))
    end = draw(st.integers(begin, min(len(whole), begin + 40)))
    return whole[:begin] + draw(st.binary(max_size=20)) + whole[end:]


@st.composite
def mangled_records(draw: st.DrawFn) -> Record:
    """A record with any key, headers and value."""
    key = draw(st.one_of(st.just(str(UUID(int=1)).encode()), st.none(), st.binary(max_size=20), _words))
    written = draw(nearly_good_headers() | headers)
    value = draw(st.one_of(st.none(), st.binary(max_size=80), _words, spliced_bytes(draw(st.sampled_from(SAMPLES))[1])))
    return Record("lotse.cases.v1", 0, 0, key, value, tuple(written))

"""Header names that are not UTF-8: aiokafka fails on them while it unpacks a batch, and reads on at the same place.

One such record would hold up its partition for ever. Kafka takes any bytes for a name, so whoever may write to a
topic could do that. What the client's own code cannot unpack is unpacked once more here, names with escapes; where
the record itself is torn, the client's error stands.
"""

from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy


def read_any_header_name() -> None:
    """Let every consumer of this process read them."""
    fetcher.MemoryRecords = _Records


class _Records(_MemoryRecordsPy):  # type: ignore[misc]  # aiokafka ships no types
    """The batches of one fetch."""

    def next_batch(self) -> Any:
        """The next batch, as the client itself makes it."""
        raw = self._next_slice
        return _Batch(super().next_batch(), raw)


class _Batch:
    """One batch; from a failure on it is gone through again, and the fetcher passes over what it has had."""

    def __init__(self, batch: Any, raw: Any) -> None:
        self._batch = batch
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Any]:
        try:
            yield from self._batch
        except (UnicodeDecodeError, CorruptRecordException):
            yield from _EscapedNames(self._raw)


class _EscapedNames(_DefaultRecordBatchPy):  # type: ignore[misc]  # aiokafka ships no types
    """The client's own slow way through a batch, on a buffer whose text is never an error."""

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer: bytearray = _Escaping(self._buffer)


class _Escaping(bytearray):
    def __getitem__(self, where: Any) -> Any:
        found = super().__getitem__(where)
        return _Escaping(found) if isinstance(where, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return super().decode(encoding, "backslashreplace")

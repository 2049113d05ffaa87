"""A service's process with one thing in it broken on purpose: `python -m tests.faults.wrapped HOW SERVICE`.

Two of the ways are crashes at the worst moment, which must cost nothing. One is a broker that refuses batches. The
others break a rule that the guarantees rest on: with them the checker must find something, else it would find nothing
in earnest either.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from aiokafka.errors import KafkaTimeoutError
from aiokafka.structs import RecordMetadata

from services.chassis import db, relay
from services.chassis.app import run
from services.chassis.inbox import Inbox
from services.chassis.versions import Applied, Step

# A consumer that dies makes some progress first, else it would stand still.
BATCHES_BEFORE_DEATH = 2
# The relay that dies waits for so many rows, so that its death repeats more than one.
ROWS_AT_DEATH = 15
# The relay that loses what it has read waits for some, so that its death costs more than one.
ROWS_AT_LOSS = 5
FAILS_EVERY = 5


def _exit() -> None:
    """As kill -9: nothing is closed, flushed or given back."""
    os._exit(3)


class Connection:
    """The relay's connection. on_delete: which rows it may delete. loses: rows go as they are read, and it dies."""

    def __init__(
        self,
        conn: Any,
        on_delete: Callable[[list[int]], list[int]] = list,
        least: int = 0,
        loses: bool = False,
    ) -> None:
        self._conn = conn
        self._on_delete = on_delete
        self._least = least
        self._loses = loses

    def __getattr__(self, name: str) -> Any:
        return getattr(self._conn, name)

    async def execute(self, sql: str, *arguments: Any) -> Any:
        """Sequence numbers to be deleted are the first argument."""
        if "delete from chassis.outbox" in sql and arguments[0]:
            arguments = (self._on_delete(arguments[0]), *arguments[1:])
        return await self._conn.execute(sql, *arguments)

    async def fetch(self, sql: str, *arguments: Any) -> Any:
        """Rows of the outbox: none before there are `least`."""
        rows = await self._conn.fetch(sql, *arguments)
        if "select seq, topic" not in sql:
            return rows
        if len(rows) < self._least:
            return []
        if self._loses:
            await self._conn.execute("delete from chassis.outbox where seq = any($1)", [row["seq"] for row in rows])
            _exit()
        return rows


def _wrap_relay_connection(**ways: Any) -> None:
    connect = db.connect

    async def wrapped(url: str, name: str, **more: Any) -> Any:
        conn = await connect(url, name, **more)
        return Connection(conn, **ways) if name.endswith("-relay") else conn

    db.connect = wrapped


def dies_between_ack_and_delete() -> None:
    """The relay's process ends when Kafka has the batch and the outbox still has it too."""

    def on_delete(seqs: list[int]) -> list[int]:
        _exit()
        return seqs

    _wrap_relay_connection(on_delete=on_delete, least=ROWS_AT_DEATH)


def dies_between_commit_and_poll() -> None:
    """The consumer's process ends when PostgreSQL has the effect and Kafka has not heard of it."""
    apply, batches = Inbox.apply, 0

    async def wrapped(self: Inbox, *batch: Any) -> bool:
        nonlocal batches
        is_applied = await apply(self, *batch)
        batches += is_applied
        if batches > BATCHES_BEFORE_DEATH:
            _exit()
        return is_applied

    Inbox.apply = wrapped  # type: ignore[method-assign]


class Refusing:
    """A producer to which every fifth batch is refused; `pretend`: the relay is told that it went well."""

    def __init__(self, producer: Any, skipped: set[int] | None) -> None:
        self._producer = producer
        self._skipped = skipped
        self._sent = 0
        self.seq = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._producer, name)

    async def send_batch(self, batch: Any, topic: str, *, partition: int) -> Any:
        """Send one row, or refuse it."""
        self._sent += 1
        seq = _seq_of.pop(id(batch))
        if self._sent % FAILS_EVERY:
            return await self._producer.send_batch(batch, topic, partition=partition)
        if self._skipped is None:
            raise KafkaTimeoutError
        self._skipped.add(seq)
        done = asyncio.get_running_loop().create_future()
        done.set_result(RecordMetadata(topic, partition, None, -1, 0, 0, 0))
        return done


_seq_of: dict[int, int] = {}


def _one_row_a_batch_some_refused(skipped: set[int] | None) -> None:
    fill, make = relay.fill_batch, relay.make_producer

    def fill_one(producer: Any, rows: Sequence[Any]) -> tuple[Any, int]:
        batch, taken = fill(producer, rows[:1])
        _seq_of[id(batch)] = rows[0].seq
        return batch, taken

    relay.fill_batch = fill_one
    relay.make_producer = lambda service, settings: Refusing(make(service, settings), skipped)


def is_refused_now_and_then() -> None:
    """Every fifth batch is refused, and the relay knows it: it must stop and begin again."""
    _one_row_a_batch_some_refused(None)


def goes_on_after_a_failed_send() -> None:
    """Broken: what was refused stays behind in the outbox, and what comes after it is sent."""
    skipped: set[int] = set()

    def on_delete(seqs: list[int]) -> list[int]:
        left = [seq for seq in seqs if seq not in skipped]
        skipped.difference_update(seqs)
        return left

    _one_row_a_batch_some_refused(skipped)
    _wrap_relay_connection(on_delete=on_delete)


def deletes_before_the_ack() -> None:
    """Broken: rows leave the outbox before Kafka has them, and the process ends in between."""
    _wrap_relay_connection(loses=True, least=ROWS_AT_LOSS)


def ignores_versions() -> None:
    """Broken: whatever comes counts as the next event of its key."""

    def always_next(self: Applied, *_: Any, **__: Any) -> Step:
        return Step.NEXT

    Applied.step = always_next  # type: ignore[method-assign]


WAYS: dict[str, Callable[[], None]] = {
    way.__name__: way
    for way in (
        dies_between_ack_and_delete,
        dies_between_commit_and_poll,
        is_refused_now_and_then,
        goes_on_after_a_failed_send,
        deletes_before_the_ack,
        ignores_versions,
    )
}


if __name__ == "__main__":
    how, name = sys.argv[1:]
    WAYS[how]()
    run(import_module(f"services.{name}.app").SERVICE)

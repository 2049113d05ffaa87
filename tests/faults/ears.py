"""The partners' own consumers: each reads its stream from the beginning with its own password and keeps everything."""

import asyncio
import contextlib
import logging
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from tests.faults.checker import Seen
from tests.faults.heard import Heard, Resolve, heard

PAUSE_SECONDS = 0.5

# While a broker is away on purpose the client says so several times a second.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


class Ears:
    """What all partners have read so far."""

    def __init__(self, credentials: Mapping[str, Mapping[str, str]], resolve: Resolve) -> None:
        self._credentials = credentials
        self._resolve = resolve
        self.streams: dict[str, list[Heard]] = {partner: [] for partner in credentials}
        self.seen = Seen()
        self._offsets: dict[str, int] = defaultdict(int)

    def last_numbers(self) -> dict[str, int]:
        """The highest number each partner has read."""
        return {partner: max((each.number for each in stream), default=0) for partner, stream in self.streams.items()}

    def since(self, numbers: Mapping[str, int]) -> dict[str, list[Heard]]:
        """What each partner read above a number, without what repeats earlier ones."""
        return {
            partner: [each for each in stream if each.number > numbers[partner]]
            for partner, stream in self.streams.items()
        }

    @property
    def count(self) -> int:
        """How many records were read, repeats too."""
        return sum(map(len, self.streams.values()))

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Read all streams until the end of the block."""
        tasks = [asyncio.create_task(self._listen(partner), name=f"ears-{partner}") for partner in self.streams]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def _listen(self, partner: str) -> None:
        """Read for ever; a consumer that fails is replaced and goes on behind the last record."""
        while True:
            try:
                await self._read(partner)
            except (KafkaError, OSError, TimeoutError):
                await asyncio.sleep(PAUSE_SECONDS)

    async def _read(self, partner: str) -> None:
        consumer = AIOKafkaConsumer(
            **self._credentials[partner], auto_offset_reset="earliest", fetch_max_wait_ms=100, retry_backoff_ms=300
        )
        try:
            await consumer.start()
            partition = TopicPartition(f"lotse.partner.{partner}.v1", 0)
            consumer.assign([partition])
            consumer.seek(partition, self._offsets[partner])
            while True:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    for record in records:
                        self._note(partner, record)
        finally:
            await _stop(consumer)

    def _note(self, partner: str, record: object) -> None:
        stream = self.streams[partner]
        read = heard(
            partner,
            len(stream),
            time.monotonic(),
            record.key,  # type: ignore[attr-defined]  # aiokafka ships no types
            record.headers,  # type: ignore[attr-defined]
            record.value,  # type: ignore[attr-defined]
            self._resolve,
        )
        stream.append(read)
        self.seen.add(read)
        self._offsets[partner] = record.offset + 1  # type: ignore[attr-defined]


async def _stop(consumer: AIOKafkaConsumer) -> None:
    """Bounded: a broker that is away must not keep the test."""
    with contextlib.suppress(KafkaError, OSError, TimeoutError):
        async with asyncio.timeout(5):
            await consumer.stop()

"""The end of what this service wrote to the bus, read from behind the last record its database knows as sent."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import NoError, UnknownTopicOrPartitionError, for_code

from services.chassis.config import Settings
from services.chassis.db import Connection
from services.chassis.foreign_headers import read_any_header_name
from services.chassis.offsets import Partition
from services.chassis.patience import to_its_end
from services.chassis.records import Record

RECORDS_A_READ = 500
READ_MS = 200
REQUEST_MS = 10_000


class Tail:
    """A reader without a group: what it reads it remembers nowhere."""

    def __init__(self, settings: Settings, consumer: Any, numbers: Mapping[str, Sequence[int]]) -> None:
        self._settings = settings
        self._consumer = consumer
        self._numbers = numbers

    async def ends(self, topics: Sequence[str]) -> dict[Partition, int]:
        """The end offset of every partition of these topics (logical names); a topic that does not exist has none."""
        partitions = [part for topic in topics for part in self._partitions(topic)]
        ends = await self._consumer.end_offsets(partitions)
        return {self._logical(part): offset for part, offset in ends.items()}

    async def beginnings(self, topics: Sequence[str]) -> dict[Partition, int]:
        """The first offset that every partition of these topics still has."""
        partitions = [part for topic in topics for part in self._partitions(topic)]
        beginnings = await self._consumer.beginning_offsets(partitions)
        return {self._logical(part): offset for part, offset in beginnings.items()}

    async def read(
        self, topic: str, ends: Mapping[Partition, int], sent: Mapping[Partition, int]
    ) -> AsyncIterator[list[Record]]:
        """The records of a topic from `sent` (without: the beginning) to `ends`, batch by batch, in order."""
        partitions = [part for part in self._partitions(topic) if self._logical(part) in ends]
        if not partitions:
            return
        beginnings = await self._consumer.beginning_offsets(partitions)
        begin = {part: max(sent.get(self._logical(part), 0), beginnings[part]) for part in partitions}
        missing = {part: ends[self._logical(part)] for part in partitions if begin[part] < ends[self._logical(part)]}
        self._consumer.assign(list(missing))
        for part in missing:
            self._consumer.seek(part, begin[part])
        while missing:
            found = await self._consumer.getmany(timeout_ms=READ_MS, max_records=RECORDS_A_READ)
            for part, records in found.items():
                wanted = [record for record in records if part in missing and record.offset < missing[part]]
                if wanted:
                    yield [self._record(record) for record in wanted]
            for part in list(missing):
                # Not by the records: the end of a partition can be a hole.
                if await self._consumer.position(part) >= missing[part]:
                    del missing[part]
                    self._consumer.pause(part)

    def _partitions(self, topic: str) -> list[TopicPartition]:
        name = self._settings.physical(topic)
        return [TopicPartition(name, number) for number in self._numbers.get(name, ())]

    def _logical(self, part: TopicPartition) -> Partition:
        return Partition(self._settings.logical(part.topic), part.partition)

    def _record(self, record: "ConsumerRecord[bytes, bytes]") -> Record:
        return Record(
            self._settings.logical(record.topic),
            record.partition,
            record.offset,
            record.key,
            record.value,
            tuple(record.headers),
        )


@asynccontextmanager
async def open_tail(service: str, settings: Settings, topics: Sequence[str]) -> AsyncIterator[Tail]:
    """A reader of these topics (logical names). Raises KafkaError when the bus cannot be reached."""
    client: dict[str, Any] = {
        "bootstrap_servers": settings.kafka,
        "client_id": f"lotse-{service}-tail",
        "request_timeout_ms": REQUEST_MS,
        **settings.kafka_credentials(),
    }
    read_any_header_name()
    numbers = await to_its_end(_partition_numbers(client, [settings.physical(topic) for topic in topics]))
    consumer = AIOKafkaConsumer(enable_auto_commit=False, auto_offset_reset="none", **client)
    try:
        await to_its_end(consumer.start())
        yield Tail(settings, consumer, numbers)
    finally:
        await consumer.stop()


async def _partition_numbers(client: Mapping[str, Any], names: Sequence[str]) -> dict[str, list[int]]:
    """The partitions of the topics that exist."""
    admin = AIOKafkaAdminClient(**client)
    try:
        await admin.start()
        described = await admin.describe_topics(list(names)) if names else []
    finally:
        await admin.close()
    numbers = {}
    for topic in described:
        # A topic that is refused, or not known yet, must not look like one without records.
        if topic["error_code"] not in (NoError.errno, UnknownTopicOrPartitionError.errno):
            raise for_code(topic["error_code"])(topic["topic"])
        numbers[topic["topic"]] = sorted(part["partition"] for part in topic["partitions"])
    return numbers


async def sent_offsets(conn: Connection) -> dict[Partition, int]:
    """Behind the last record sent, by partition."""
    rows = await conn.fetch("select topic, partition, next_offset from chassis.sent_offset")
    return {Partition(row["topic"], row["partition"]): row["next_offset"] for row in rows}


async def set_sent_offsets(conn: Connection, offsets: Mapping[Partition, int]) -> None:
    """Note what has been read of our own up to these offsets, also where the bus itself is older than before."""
    await conn.execute("delete from chassis.sent_offset")
    await raise_sent_offsets(conn, offsets)


async def raise_sent_offsets(conn: Connection, offsets: Mapping[Partition, int]) -> None:
    """Note that nothing of ours is unknown up to these offsets; those that stand further on stay."""
    places = sorted(offsets)
    await conn.execute(
        """
        insert into chassis.sent_offset (topic, partition, next_offset)
        select * from unnest($1::text[], $2::integer[], $3::bigint[])
        on conflict (topic, partition) do update
        set next_offset = greatest(sent_offset.next_offset, excluded.next_offset)
        """,
        [where.topic for where in places],
        [where.partition for where in places],
        [offsets[where] for where in places],
    )

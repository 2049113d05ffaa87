"""How far the service is behind the bus, seen from beside the consumer: a consumer that hangs cannot hide it."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from services.chassis import db
from services.chassis.config import Settings
from services.chassis.db import Connection, Database
from services.chassis.log import describe
from services.chassis.metrics import KAFKA_UP, LAG, STALLED
from services.chassis.offsets import Partition
from services.chassis.patience import to_its_end

log = structlog.get_logger()

LOOK_SECONDS = 5.0
ASK_SECONDS = 10.0
STOP_SECONDS = 2.0


class LagWatch:
    """Compares the ends of a service's topics with its stored offsets, every 5 s, without joining its group."""

    def __init__(self, service: str, settings: Settings, database: Database, topics: Collection[str]) -> None:
        self._service = service
        self._settings = settings
        self._database = database
        self._topics = sorted(topics)
        self._read: dict[str, int] = {}
        self._moved_at: dict[str, float] = {}

    async def run(self) -> None:
        """Look again and again. Raises when Kafka does not answer."""
        client = AIOKafkaConsumer(
            bootstrap_servers=self._settings.kafka,
            client_id=f"lotse-{self._service}-lag",
            group_id=None,
            enable_auto_commit=False,
            **self._settings.kafka_credentials(),
        )
        try:
            await to_its_end(client.start())
            while True:
                await self._look(client)
                await asyncio.sleep(LOOK_SECONDS)
        except (KafkaError, OSError):
            KAFKA_UP.set(0)
            raise
        finally:
            await _stop(client)

    async def _look(self, client: Any) -> None:
        try:
            async with self._database.reading() as conn:
                stored = await _stored(conn, self._topics)
        except Exception as error:
            if not db.is_transient(error):
                raise
            log.info("lag_not_known_now", error=describe(error))
            return
        names = {where: TopicPartition(self._settings.physical(where.topic), where.partition) for where in stored}
        async with asyncio.timeout(ASK_SECONDS):
            ends = await client.end_offsets(list(names.values()))
        KAFKA_UP.set(1)
        self._note(stored, {where: ends[name] for where, name in names.items()}, time.monotonic())

    def _note(self, stored: Mapping[Partition, int], ends: Mapping[Partition, int], moment: float) -> None:
        read: dict[str, int] = defaultdict(int)
        behind: dict[str, int] = defaultdict(int)
        for where, offset in stored.items():
            read[where.topic] += offset
            behind[where.topic] += max(ends[where] - offset, 0)
        for topic in read:
            if behind[topic] == 0 or read[topic] != self._read.get(topic):
                self._moved_at[topic] = moment
            LAG.labels(topic).set(behind[topic])
            STALLED.labels(topic).set(moment - self._moved_at[topic])
        self._read = read


async def _stored(conn: Connection, topics: Sequence[str]) -> dict[Partition, int]:
    rows = await conn.fetch(
        "select topic, partition, next_offset from chassis.next_offset where topic = any($1::text[])", topics
    )
    return {Partition(row["topic"], row["partition"]): row["next_offset"] for row in rows}


async def _stop(client: Any) -> None:
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await client.stop()
    except (TimeoutError, KafkaError, OSError) as error:
        log.info("lag_watch_stop_cut_short", error=describe(error))

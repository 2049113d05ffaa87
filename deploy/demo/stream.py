"""A partner's own stream as its own system reads it: Kafka, SCRAM, CloudEvents in binary mode, nothing of Lotse."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError

from deploy.demo.unexpected import Unexpected

Login = Mapping[str, str]


@dataclass(frozen=True)
class Heard:
    """One event of a stream. `number`: its place in the stream; `arrived`: when we had it, by `time.monotonic`."""

    number: int
    type: str
    key: str
    data: Mapping[str, Any]
    raw: bytes
    arrived: float


@dataclass
class Listener:
    """Follows one stream, checks its numbers, and hands out what came, in order."""

    topic: str
    last_number: int | None = None
    heard: list[Heard] = field(default_factory=list)
    _waiting: "asyncio.Queue[Heard | Exception]" = field(default_factory=asyncio.Queue)

    async def take(self, concerns_us: Callable[[Heard], bool], within_seconds: float) -> Heard | None:
        """The next event of the stream that concerns us; None when there is none in time.

        Raises Unexpected when the stream is broken: a number left out, a record that is no CloudEvent.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(within_seconds):
                while True:
                    event = self._unless_broken(await self._waiting.get())
                    if concerns_us(event):
                        return event
        return None

    def _unless_broken(self, came: Heard | Exception) -> Heard:
        if isinstance(came, Exception):
            raise Unexpected(f"ein lückenlos lesbarer Strom {self.topic}", repr(came)) from came
        return came

    async def follow(self, client: AIOKafkaConsumer) -> None:
        """Read until cancelled. What goes wrong is handed to whoever waits for an event."""
        try:
            async for record in client:
                self._note(read(record, time.monotonic()))
        except (KafkaError, ValueError, KeyError) as broken:
            self._waiting.put_nowait(broken)

    def _note(self, event: Heard) -> None:
        if self.last_number is not None and event.number <= self.last_number:
            return  # "at least once": a repeat bears the number it had
        if self.last_number is not None and event.number != self.last_number + 1:
            raise ValueError(f"auf Nr. {self.last_number} folgt Nr. {event.number}")
        self.last_number = event.number
        self.heard.append(event)
        self._waiting.put_nowait(event)


def read(record: ConsumerRecord, arrived: float) -> Heard:
    """The CloudEvent of a record. Raises KeyError or ValueError when it is none."""
    headers = {name: value.decode() for name, value in record.headers}
    if (version := headers["ce_specversion"]) != "1.0":
        raise ValueError(f"ce_specversion ist {version}")
    return Heard(
        number=int(headers["ce_sequence"]),
        type=headers["ce_type"],
        key=(record.key or b"").decode(),
        data=json.loads(record.value or b""),
        raw=b"".join((record.key or b"", record.value or b"", *(value for _, value in record.headers))),
        arrived=arrived,
    )


@asynccontextmanager
async def listening(login: Login, topic: str) -> AsyncIterator[Listener]:
    """Follow a stream from its present end. Raises Unexpected when Kafka does not let its partner in."""
    client, listener = AIOKafkaConsumer(**login, enable_auto_commit=False), Listener(topic)
    try:
        await _go_to_end(client, TopicPartition(topic, 0), login["sasl_plain_username"])
        reading = asyncio.create_task(listener.follow(client))
        try:
            yield listener
        finally:
            await _end(reading)
    finally:
        await client.stop()


async def _go_to_end(client: AIOKafkaConsumer, partition: TopicPartition, user: str) -> None:
    try:
        await client.start()
        client.assign([partition])
        await client.seek_to_end(partition)
    except KafkaError as refused:
        raise Unexpected(f"dass {user} den Strom {partition.topic} lesen darf", repr(refused)) from refused


async def _end(reading: "asyncio.Task[None]") -> None:
    reading.cancel()
    await asyncio.wait([reading])
    if not reading.cancelled():
        reading.result()


async def is_closed_to(login: Login, topic: str) -> bool:
    """Whether Kafka refuses to let this user read a topic. Raises Unexpected when it cannot be asked."""
    client = AIOKafkaConsumer(topic, **login)
    try:
        await client.start()
    except TopicAuthorizationFailedError:
        return True
    except KafkaError as failed:
        raise Unexpected("eine Antwort von Kafka", repr(failed)) from failed
    finally:
        await client.stop()
    return False

"""The demo's listener: a stream that is not as promised is noticed."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiokafka import ConsumerRecord

from deploy.demo.stream import Heard, Listener
from deploy.demo.unexpected import Unexpected


def record(number: int, **headers: bytes) -> ConsumerRecord:
    """A record of a partner's stream."""
    own = {"ce_specversion": b"1.0", "ce_type": b"lotse.x.v1", "ce_sequence": b"%012d" % number, **headers}
    return ConsumerRecord("t", 0, number, 0, 0, b"k", b"{}", None, 1, 2, tuple(own.items()))


async def heard_of(*records: ConsumerRecord) -> Listener:
    """A listener that has read these records."""

    async def stream() -> AsyncIterator[ConsumerRecord]:
        for each in records:
            yield each

    listener = Listener("t")
    await listener.follow(stream())
    return listener


async def take(listener: Listener) -> Heard | None:
    """The next event, if there is one by now."""
    return await listener.take(lambda _: True, 0)


async def test_a_repeated_record_is_passed_over() -> None:
    """Kafka may deliver a record twice; it bears the number it had."""
    listener = await heard_of(record(7), record(7), record(8), record(7))
    numbers = [event.number for event in (await take(listener), await take(listener)) if event]
    assert numbers == [7, 8]
    assert await take(listener) is None


async def test_a_number_left_out_is_noticed() -> None:
    """Something was lost between 7 and 9."""
    listener = await heard_of(record(7), record(9))
    assert await take(listener)
    with pytest.raises(Unexpected, match=r"auf Nr\. 7 folgt Nr\. 9"):
        await take(listener)


@pytest.mark.parametrize(
    "broken",
    [record(7, ce_specversion=b"2.0"), record(7, ce_sequence=b"first"), record(7, ce_type=b"\xff")],
    ids=["version", "number", "not UTF-8"],
)
async def test_what_is_no_cloud_event_is_noticed(broken: ConsumerRecord) -> None:
    """A partner could not read it either."""
    listener = await heard_of(broken)
    with pytest.raises(Unexpected, match="ein lückenlos lesbarer Strom t"):
        await take(listener)


async def test_what_does_not_concern_us_is_passed_over() -> None:
    """Others may use the same stack meanwhile."""
    listener = await heard_of(record(7), record(8))
    async with asyncio.timeout(5):
        found = await listener.take(lambda event: event.number == 8, 5)
    assert found is not None
    assert found.number == 8

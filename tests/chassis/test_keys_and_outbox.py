"""Lock order is version order is commit order."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from schemas import parse_headers
from services.chassis import outbox
from services.chassis.db import Database
from services.chassis.identity import check_identity
from services.chassis.keys import Key, lock_keys
from services.chassis.log import set_correlation_id
from services.chassis.outbox import EventTooLarge, KeyNotLocked, StreamRecord, publish, publish_all
from tests.chassis.probe import given, withdrawn
from tests.harness import received

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
async def known(database: Database) -> Database:
    """A database that knows its source."""
    async with database.transaction() as conn:
        await check_identity(conn, "intake", "koblenz")
    return database


async def headers(database: Database) -> list[dict[str, str]]:
    async with database.reading() as conn:
        rows = await conn.fetch("select headers from chassis.outbox order by seq")
    return [dict(zip(row["headers"][::2], row["headers"][1::2], strict=True)) for row in rows]


async def test_versions_of_a_key_are_gapless_under_concurrent_transactions(known: Database) -> None:
    """History k: two consents of one case change at the same moment; a rolled back one leaves no hole."""
    case = uuid4()
    key = Key("lotse.cases.v1", str(case))

    async def one(number: int) -> None:
        async with known.transaction() as conn:
            await lock_keys(conn, [key])
            await publish(conn, given(case), at=NOW)
            if number % 5 == 0:
                raise RuntimeError("rolled back")

    await asyncio.gather(*(one(number) for number in range(30)), return_exceptions=True)
    assert [int(each["ce_sequence"]) for each in await headers(known)] == list(range(1, 25))


async def test_crosswise_locks_do_not_deadlock(known: Database) -> None:
    """Keys are locked in sorted order, whatever order they are asked for in, existing or new."""
    keys = [Key("lotse.cases.v1", str(number)) for number in range(6)]

    async def one(order: int) -> None:
        async with known.transaction() as conn:
            await lock_keys(conn, keys[order:] + keys[:order])

    for _ in range(5):
        await asyncio.gather(*(one(order % 6) for order in range(12)))
        async with known.transaction() as conn:
            await conn.execute("delete from chassis.key where key in ('1', '3')")


async def test_a_lock_tells_whether_the_key_is_parked(known: Database) -> None:
    """Who acts on a case must know that it waits."""
    key = Key("lotse.cases.v1", "a")
    async with known.transaction() as conn:
        assert await lock_keys(conn, [key, key]) == {key: False}
        await conn.execute("update chassis.key set parked_at = now()")
        assert await lock_keys(conn, [key]) == {key: True}


async def test_a_lock_that_had_to_wait_tells_what_was_committed_meanwhile(known: Database) -> None:
    """The case was parked, or its row made, while somebody waited for it."""
    old, new = Key("lotse.cases.v1", "old"), Key("lotse.cases.v1", "new")

    async def locked() -> Mapping[Key, bool]:
        async with known.transaction() as conn:
            return await lock_keys(conn, [old, new])

    async with known.transaction() as conn:
        await lock_keys(conn, [old])
    async with known.transaction() as conn:
        await lock_keys(conn, [old, new])
        waiting = asyncio.create_task(locked())
        await asyncio.sleep(0.2)
        await conn.execute("update chassis.key set parked_at = now()")
        assert not waiting.done()
    assert await waiting == {old: True, new: True}


async def test_publishing_without_the_lock_is_refused(known: Database) -> None:
    """A version that no lock orders would be worth nothing."""
    with pytest.raises(KeyNotLocked):
        async with known.transaction() as conn:
            await publish(conn, given(uuid4()), at=NOW)


async def test_what_is_published_together_keeps_its_order_and_its_causes(known: Database) -> None:
    """Versions per key as if published one after the other, and one round trip."""
    one, two, cause = uuid4(), uuid4(), received(withdrawn(uuid4()))
    statements: list[object] = []
    async with known.transaction() as conn:
        await lock_keys(conn, [Key("lotse.cases.v1", str(case)) for case in (one, two)])
        await publish(conn, given(two), at=NOW)
        with conn.query_logger(statements.append):
            await publish_all(conn, [(given(one), None), (given(two), cause), (withdrawn(one), cause)], at=NOW)
    places = [(each["ce_partitionkey"], int(each["ce_sequence"])) for each in await headers(known)]
    assert places == [(str(two), 1), (str(one), 1), (str(two), 2), (str(one), 2)]
    assert [each.get("ce_causationid") for each in await headers(known)] == [None, None, str(cause.id), str(cause.id)]
    assert len(statements) == 1


async def test_one_key_without_its_lock_refuses_all_that_is_published_together(known: Database) -> None:
    """Nothing of it is kept."""
    locked = uuid4()

    async def publish_both() -> None:
        async with known.transaction() as conn:
            await lock_keys(conn, [Key("lotse.cases.v1", str(locked))])
            await publish_all(conn, [(given(locked), None), (given(uuid4()), None)], at=NOW)

    with pytest.raises(KeyNotLocked):
        await publish_both()
    assert await headers(known) == []


async def test_too_large_an_event_is_refused_before_it_blocks_the_relay(known: Database, monkeypatch) -> None:
    """256 KiB at most."""
    monkeypatch.setattr(outbox, "MAX_VALUE_BYTES", 10)
    case = uuid4()
    async with known.transaction() as conn:
        await lock_keys(conn, [Key("lotse.cases.v1", str(case))])
        with pytest.raises(EventTooLarge, match=r"lotse\.consent\.given\.v1"):
            await publish(conn, given(case), at=NOW)
    assert await headers(known) == []


async def test_the_headers_say_whose_which_and_because_of_what(known: Database) -> None:
    """Source with epoch, version, key, correlation and cause."""
    case, cause = uuid4(), received(withdrawn(uuid4()))
    set_correlation_id("request-1")
    async with known.transaction() as conn:
        await lock_keys(conn, [Key("lotse.cases.v1", str(case))])
        await publish(conn, given(case), at=NOW)
        await publish(conn, withdrawn(case), at=NOW, cause=cause)
    first, second = [parse_headers([(k, v.encode()) for k, v in each.items()]) for each in await headers(known)]
    assert (first.source, first.sequence, first.key, first.time) == ("/koblenz/intake/1", 1, str(case), NOW)
    assert (first.correlation_id, first.causation_id) == ("request-1", None)
    assert (second.sequence, second.correlation_id, second.causation_id) == (2, cause.correlation_id, str(cause.id))


async def test_stream_records_keep_their_order(known: Database) -> None:
    """What the notifier numbers, the relay sends in that order; each header comes out as it went in."""
    said = [("ce_id", b"x"), ("ce_subject", 'a, "b" {c}\\ ä'.encode())]
    records = [StreamRecord(uuid4(), "awo-rheinland", "k", said, bytes([n])) for n in range(5)]
    async with known.transaction() as conn:
        await outbox.append_to_streams(conn, records)
    async with known.reading() as conn:
        rows = await conn.fetch("select topic, value from chassis.outbox order by seq")
    assert [row["value"] for row in rows] == [bytes([n]) for n in range(5)]
    assert {row["topic"] for row in rows} == {"lotse.partner.awo-rheinland.v1"}
    assert (await headers(known))[0] == {name: value.decode() for name, value in said}

"""Each event once, in order, or parked: the ugly cases."""

from uuid import uuid4

import asyncpg
import pytest

from schemas import ConsentGiven, ConsentWithdrawn, ReferralReceived
from services.chassis import parking
from services.chassis.alarm import ConsumerStopped
from services.chassis.db import Database
from services.chassis.handling import Permanent
from services.chassis.keys import Key
from tests.chassis.probe import OTHER_SOURCE, Probe, accepted, given, record, referral_received, withdrawn

pytestmark = pytest.mark.usefixtures("no_pauses")


@pytest.fixture(params=[False, True], ids=["each", "run"])
def probe(request: pytest.FixtureRequest) -> Probe:
    """Both forms of handlers must behave alike."""
    return Probe(as_run=request.param)


async def test_an_event_that_comes_twice_is_applied_once(probe, apply, effects):
    """The same version again, in one batch or in a later one, changes nothing."""
    event = given(uuid4())
    await apply(probe, record(event, 1, 0), record(event, 1, 1))
    await apply(probe, record(event, 1, 2))
    assert await effects() == [("given", 1)]


async def test_a_batch_read_again_is_abandoned(probe, apply, effects):
    """Offsets that another process has gone past are not applied again."""
    event = given(uuid4())
    assert await apply(probe, record(event, 1, 5))
    assert not await apply(probe, record(event, 1, 5))
    assert await effects() == [("given", 1)]


async def test_a_gap_parks_the_key_and_only_the_key(probe, apply, effects, letters):
    """Version 3 after version 1 waits; another case goes on."""
    torn, whole = uuid4(), uuid4()
    await apply(
        probe,
        record(given(torn), 1, 0),
        record(given(torn), 3, 1),
        record(given(torn), 4, 2),
        record(given(whole), 1, 3),
    )
    assert await effects() == [("given", 1), ("given", 1)]
    assert await letters() == [(1, "gap"), (2, "waits")]


async def test_an_older_version_never_comes_after_a_newer(probe, apply, effects, letters):
    """Out of order on the bus: the late one is behind the last version and is skipped, what was early is parked."""
    case = uuid4()
    await apply(probe, record(given(case), 2, 0), record(given(case), 1, 1))
    assert await effects() == []
    assert await letters() == [(0, "gap"), (1, "waits")]


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"value": b'{"case_id": "0192'}, "undecodable"),
        ({"value": b"\xff\xfe"}, "undecodable"),
        ({"ce_type": b"lotse.consent.dreamt.v1"}, "unknown-type"),
        ({"ce_type": b"lotse.consent.given.v7"}, "unknown-type"),
        ({"ce_type": b"\xff"}, "envelope"),
        ({"ce_source": b"\xff"}, "envelope"),
        ({"ce_source": None}, "envelope"),
        ({"ce_sequence": None}, "envelope"),
        ({"ce_sequence": b"0"}, "envelope"),
        ({"ce_sequence": b"many"}, "envelope"),
        ({"ce_time": b"yesterday"}, "envelope"),
        ({"ce_partitionkey": b"somebody else"}, "envelope"),
        ({"content-type": b"text/plain"}, "envelope"),
    ],
)
async def test_what_cannot_be_read_parks_its_key_and_nothing_else(probe, apply, effects, letters, changed, code):
    """Half JSON, unknown types and versions, broken headers: the case waits, the others go on."""
    broken, whole = given(uuid4()), given(uuid4())
    await apply(probe, record(broken, 1, 0, **changed), record(broken, 2, 1), record(whole, 1, 2))
    assert await effects() == [("given", 1)]
    assert await letters() == [(0, code), (1, "waits")]


async def test_a_record_without_a_key_is_kept_and_passed(probe, apply, effects, letters):
    """Nobody can say whose it is: dead letter and alarm, and everything goes on."""
    keyless = record(given(uuid4()), 1, 0)
    broken = type(keyless)(keyless.topic, 0, 0, None, None, keyless.headers)
    await apply(probe, broken, record(given(uuid4()), 1, 1))
    assert await effects() == [("given", 1)]
    assert await letters() == [(0, "no-key")]


async def test_a_null_value_parks(probe, apply, letters):
    """A tombstone is no event of ours."""
    event = record(given(uuid4()), 1, 0)
    await apply(probe, type(event)(event.topic, 0, 0, event.key, None, event.headers))
    assert await letters() == [(0, "undecodable")]


async def test_a_handler_that_fails_once_is_tried_again(probe, apply, effects, letters):
    """Its half-done effect is rolled back and the event is applied once, in its place."""
    case = uuid4()
    probe.fail = {2: [RuntimeError("once"), None]}
    probe.fail[2] = [RuntimeError("together"), RuntimeError("alone")]
    failures = probe.fail[2]

    async def heal() -> None:
        failures.clear()

    original = probe._each

    async def each(conn, event, now):
        try:
            await original(conn, event, now)
        except RuntimeError as error:
            if str(error) == "alone":
                await heal()
            raise

    probe._each = each  # type: ignore[method-assign]  # the probe heals after its second failure
    await apply(probe, record(given(case), 1, 0), record(given(case), 2, 1), record(given(case), 3, 2))
    assert await effects() == [("given", 1), ("given", 2), ("given", 3)]
    assert await letters() == []


async def test_a_handler_that_always_fails_parks_after_five_tries(probe, apply, effects, letters):
    """Only its key waits; the reason names the error's type and place, not its text."""
    case = uuid4()
    probe.fail = {2: [ValueError("Fatima Al-Secret")]}
    await apply(probe, record(given(case), 1, 0), record(given(case), 2, 1), record(given(uuid4()), 1, 2))
    assert await effects() == [("given", 1), ("given", 1)]
    assert await letters() == [(1, "handler-failed")]


async def test_the_reason_of_a_failed_handler_quotes_no_data(probe, apply, database: Database):
    """An exception's text may hold what somebody entered."""
    probe.fail = {1: [ValueError("Fatima Al-Secret")]}
    await apply(probe, record(given(uuid4()), 1, 0))
    async with database.reading() as conn:
        reason = await conn.fetchval("select reason from chassis.dead_letter")
    assert "Secret" not in reason
    assert "ValueError" in reason


async def test_a_declared_permanent_error_parks_at_once(probe, apply, letters):
    """No five tries for what can never succeed."""
    probe.fail = {1: [Permanent("this referral is of no known unit")]}
    await apply(probe, record(given(uuid4()), 1, 0))
    assert await letters() == [(0, "refused")]


async def test_a_transient_error_never_parks(probe, apply, effects, letters):
    """A deadlock, a full disk, a lost connection: wait and try again, as often as it takes."""
    passing = [asyncpg.DeadlockDetectedError(), asyncpg.DiskFullError(), OSError(), TimeoutError()] * 3
    original, case = probe._each, uuid4()

    async def each(conn, event, now):
        await original(conn, event, now)
        if passing:
            raise passing.pop()

    probe._each = each  # type: ignore[method-assign]  # fails twelve times, then works
    await apply(probe, record(given(case), 1, 0))
    assert await effects() == [("given", 1)]
    assert await letters() == []


async def test_more_than_ten_newly_parked_keys_a_minute_stop_the_consumer(probe, apply, effects, letters):
    """A flood is a broken producer, not eleven broken cases: nothing more is stored."""
    for offset in range(10):
        await apply(probe, record(given(uuid4()), 2, offset))
    flood = [record(given(uuid4()), 2, 100 + number) for number in range(11)]
    with pytest.raises(ConsumerStopped):
        await apply(probe, *flood)
    assert len(await letters()) == 10
    assert await effects() == []


async def test_a_type_not_handled_counts_as_applied(probe, apply, effects, letters):
    """Its version is passed, so the next one is no gap."""
    case = uuid4()
    await apply(probe, record(accepted(case), 1, 0), record(given(case), 2, 1))
    assert await effects() == [("given", 2)]
    assert await letters() == []


async def test_each_source_counts_for_itself(probe, apply, effects, letters):
    """Two producers of one case: a gap is judged within one source, parking spans both."""
    case = uuid4()
    await apply(
        probe,
        record(given(case), 1, 0),
        record(referral_received(case), 1, 1, source=OTHER_SOURCE),
        record(given(case), 3, 2),
        record(referral_received(case), 2, 3, source=OTHER_SOURCE),
    )
    assert await effects() == [("given", 1), ("received", 1)]
    assert await letters() == [(2, "gap"), (3, "waits")]


async def test_history_a_the_end_is_applied_at_once_and_again_in_its_place(probe, apply, effects, letters, database):
    """v4 fails for good, v5 waits, v6 withdraws at once; v4 mended: v4, v5, v6 in order."""
    case = uuid4()
    probe.fail = {4: [Permanent("not yet")]}
    versions = [record(given(case), version, version) for version in (1, 2, 3, 4, 5)]
    await apply(probe, *versions, record(withdrawn(case), 6, 6))
    assert await effects() == [("given", 1), ("given", 2), ("given", 3), ("withdrawn", 6)]
    assert await letters() == [(4, "refused"), (5, "waits"), (6, "waits")]
    assert not await parking.retry(database, probe.handlers, Key("lotse.cases.v1", str(case)))
    probe.fail = {}
    assert await parking.retry(database, probe.handlers, Key("lotse.cases.v1", str(case)))
    assert (await effects())[4:] == [("given", 4), ("given", 5), ("withdrawn", 6)]
    assert await letters() == []
    await apply(probe, record(given(case), 7, 7))
    assert (await effects())[-1] == ("given", 7)


async def test_an_end_of_a_type_not_handled_only_waits(apply, effects, letters):
    """A service that does nothing with withdrawals does nothing early either."""
    case, probe = uuid4(), Probe(handled=(ConsentGiven,))
    await apply(probe, record(given(case), 2, 0), record(withdrawn(case), 3, 1))
    assert await effects() == []
    assert await letters() == [(0, "gap"), (1, "waits")]


async def test_an_undecodable_end_waits(probe, apply, effects, letters):
    """Nothing can be done early with an end that cannot be read."""
    case = uuid4()
    await apply(probe, record(given(case), 2, 0), record(withdrawn(case), 3, 1, value=b"{"))
    assert await effects() == []
    assert await letters() == [(0, "gap"), (1, "waits")]


async def test_history_h_an_ignored_type_becomes_handled(apply, effects, letters):
    """New code handles the type from now on; what old code passed leaves no gap."""
    case = uuid4()
    old, new = Probe(handled=(ConsentGiven,)), Probe(handled=(ConsentGiven, ReferralReceived))
    await apply(old, record(referral_received(case), 1, 0), record(given(case), 2, 1))
    await apply(new, record(referral_received(case), 3, 2))
    assert await effects() == [("given", 2), ("received", 3)]
    assert await letters() == []


async def test_history_i_an_unknown_type_waits_for_new_code(apply, effects, letters, database, monkeypatch):
    """Old code parks the case; the same events are applied in order when code starts that knows the type."""
    case, probe = uuid4(), Probe(handled=(ConsentGiven, ConsentWithdrawn, ReferralReceived))
    events = [record(given(case), 1, 0), record(referral_received(case), 2, 1), record(withdrawn(case), 3, 2)]
    import services.chassis.planning as planning
    import services.chassis.records as records

    known = dict(planning.EVENTS)
    old = {name: event for name, event in known.items() if event is not ReferralReceived}
    monkeypatch.setattr(planning, "EVENTS", old)
    monkeypatch.setattr(records, "EVENTS", old)
    await apply(probe, *events)
    assert await effects() == [("given", 1), ("withdrawn", 3)]
    assert await letters() == [(1, "unknown-type"), (2, "waits")]
    monkeypatch.setattr(planning, "EVENTS", known)
    monkeypatch.setattr(records, "EVENTS", known)
    assert await parking.retry_all(database, probe.handlers) == 1
    assert await effects() == [("given", 1), ("withdrawn", 3), ("received", 2), ("withdrawn", 3)]
    assert await letters() == []


async def test_history_j_the_first_version_lost_on_an_untrimmed_topic_is_a_gap(probe, apply, letters):
    """Nobody trimmed the topic, so version 1 was lost."""
    await apply(probe, record(given(uuid4()), 2, 0))
    assert await letters() == [(0, "gap")]


async def test_a_trimmed_topic_gives_a_baseline_below_its_first_end_only(probe, apply, effects, letters, database):
    """Keys older than our first start may begin above 1; younger ones may not."""
    async with database.transaction() as conn:
        await conn.execute("update chassis.next_offset set baseline_until = 100, next_offset = 50 where partition = 0")
    old, young = uuid4(), uuid4()
    await apply(probe, record(given(old), 7, 60), record(given(old), 8, 61), record(given(young), 7, 100))
    assert await effects() == [("given", 7), ("given", 8)]
    assert await letters() == [(100, "gap")]


async def test_a_key_parked_at_its_baseline_is_freed_when_it_is_mended(apply, effects, letters, database):
    """A retry judges like the first time: the topic was trimmed, so the key may begin above 1."""
    async with database.transaction() as conn:
        await conn.execute("update chassis.next_offset set baseline_until = 100, next_offset = 50 where partition = 0")
    case, probe = uuid4(), Probe(fail={7: [Permanent("not yet")]})
    await apply(probe, record(given(case), 7, 60))
    assert await letters() == [(60, "refused")]
    probe.fail = {}
    assert await parking.retry(database, probe.handlers, Key("lotse.cases.v1", str(case)))
    assert await effects() == [("given", 7)]


@pytest.mark.parametrize("where", ["key", "type", "source", "header name"])
async def test_a_nul_stops_nothing_but_its_own_record(probe, apply, effects, letters, where):
    """U+0000 is valid UTF-8, but no text PostgreSQL can keep."""
    changed = {"type": {"ce_type": b"lotse.\0.v1"}, "source": {"ce_source": b"/a\0"}}.get(where, {})
    broken = record(given(uuid4()), 1, 0, **changed)
    headers = (*broken.headers, ("x\0", b"x")) if where == "header name" else broken.headers
    key = b"a\0b" if where == "key" else broken.key
    spoiled = type(broken)(broken.topic, 0, 0, key, b"{" if where == "header name" else broken.value, headers)
    await apply(probe, spoiled, record(given(uuid4()), 1, 1))
    assert await effects() == [("given", 1)]
    assert len(await letters()) == 1


async def test_a_parked_key_does_not_hold_the_rest_of_its_batch(probe, apply, effects):
    """Order within other keys is kept around it."""
    torn, whole = uuid4(), uuid4()
    mixed = [
        record(given(whole), 1, 0),
        record(given(torn), 5, 1),
        record(given(whole), 2, 2),
        record(given(torn), 6, 3),
    ]
    await apply(probe, *mixed)
    assert await effects() == [("given", 1), ("given", 2)]


async def test_retry_keeps_what_it_could_apply(apply, effects, letters, database):
    """The first that still fails stops the replay; the ones before it stay applied."""
    case, probe = uuid4(), Probe(fail={1: [Permanent("a")], 3: [Permanent("b")]})
    await apply(probe, *(record(given(case), version, version) for version in (1, 2, 3, 4)))
    probe.fail.pop(1)
    assert not await parking.retry(database, probe.handlers, Key("lotse.cases.v1", str(case)))
    assert await effects() == [("given", 1), ("given", 2)]
    assert await letters() == [(3, "refused"), (4, "waits")]


async def test_retry_of_a_key_that_is_not_parked_does_nothing(database):
    """It is free already."""
    assert await parking.retry(database, Probe().handlers, Key("lotse.cases.v1", "none"))


async def test_retry_leaves_unreadable_headers_and_gaps_parked(apply, letters, database):
    """Neither new code nor time mends them."""
    torn, blurred, probe = uuid4(), uuid4(), Probe()
    await apply(probe, record(given(torn), 2, 0), record(given(blurred), 1, 1, ce_sequence=None))
    assert await parking.retry_all(database, probe.handlers) == 0
    assert await letters() == [(0, "gap"), (1, "envelope")]


async def test_retry_skips_what_was_applied_meanwhile(apply, letters, effects, database):
    """The same version parked twice (the relay repeated it) is applied once."""
    case, probe = uuid4(), Probe(fail={1: [Permanent("a")]})
    await apply(probe, record(given(case), 1, 0), record(given(case), 1, 1))
    probe.fail = {}
    assert await parking.retry_all(database, probe.handlers) == 1
    assert await effects() == [("given", 1)]
    assert await letters() == []

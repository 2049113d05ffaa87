"""Databases that go back at the worst moments: unannounced, under a running process, with unsent or parked events."""

import asyncio
from typing import Any

import pytest

from schemas import Topic
from services.chassis import parking
from services.chassis.config import StartError
from services.chassis.keys import Key
from services.chassis.tail import Tail
from services.notifier import commands
from services.notifier.handlers import handlers
from tests.conftest import eventually
from tests.flows.world import AWO, CITY, PERSON
from tests.restore.test_histories import act, fetch, parked, referred
from tests.restore.town import Part, Town

# Services are stopped here while their Kafka clients still start, which leaves connections for the collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

AWAY = {"kafka": "127.0.0.1:1"}


async def keep_identity(part: Part) -> None:
    """As after a point-in-time recovery or a failover: the same server and the same database, only older."""
    await part.rows(
        """
        update chassis.identity set database_oid = d.oid::bigint
        from pg_database as d where d.datname = current_database()
        """
    )


async def is_unfit(part: Part, seconds: float) -> bool:
    """Whether the process ends itself within that time."""
    try:
        async with asyncio.timeout(seconds):
            await asyncio.shield(part.unfit)
    except StartError:
        return True
    except TimeoutError:
        return False
    return False


async def test_a_change_taken_while_kafka_is_away_does_not_hide_the_restore(town: Town) -> None:
    """Its version is one that the bus holds with another event: noticed as soon as the bus can be read."""
    case_ref, consent_ref, _ = await referred(town)
    await town.quiet()
    copy = await town.backup("intake")
    await town.do("intake", f"/v1/consents/{consent_ref}/withdraw", CITY)
    await town.quiet()
    await town.set_back("intake", copy)
    part = town.parts["intake"]
    await keep_identity(part)
    with_kafka, part.more = part.more, {**part.more, **AWAY}
    await part.start()
    await town.consent(case_ref, AWO, "cooperation")
    await part.stop()
    part.more = with_kafka
    with pytest.raises(StartError, match="restored to an older state"):
        await part.start()
    # And once it is said, the withdrawal is taken back although its version was given a second time.
    await town.raise_epoch("intake")
    await part.start()
    await town.recovered("intake")
    await town.quiet()
    states = await part.rows("select scope, state from intake.consent order by scope")
    assert [dict(row) for row in states] == [
        {"scope": "cooperation", "state": "given"},
        {"scope": "transfer", "state": "withdrawn"},
    ]
    assert await parked(town) == {}


async def test_an_epoch_raised_twice_hides_nothing(town: Town) -> None:
    """A withdrawal taken in the first recovery waits unsent; in the second the bus is believed all the same."""
    case_ref, consent_ref, referral_id = await referred(town)
    second = await town.consent(case_ref, AWO, "cooperation")
    await town.quiet()
    copy = await town.backup("intake")
    await town.do("intake", f"/v1/consents/{consent_ref}/withdraw", CITY)
    await town.quiet()
    await town.set_back("intake", copy)
    await town.raise_epoch("intake")
    part = town.parts["intake"]
    with_kafka, part.more = part.more, {**part.more, **AWAY}
    await part.start()
    await town.do("intake", f"/v1/consents/{second}/withdraw", CITY)
    await part.stop()
    part.more = with_kafka
    await town.raise_epoch("intake")
    await part.start()
    await town.recovered("intake")
    await town.quiet()
    assert {row["state"] for row in await part.rows("select state from intake.consent")} == {"withdrawn"}
    assert await fetch(town, referral_id) == 403
    assert await parked(town) == {}


@pytest.mark.parametrize("service", ["intake", "referral"])
async def test_a_database_that_goes_back_under_a_running_process_ends_it(town: Town, service: str) -> None:
    """After a failover that lost something: the relay looks at the bus again, the consumer knows where it stood."""
    _, consent_ref, _ = await referred(town)
    await town.quiet()
    copy = await town.backup(service)
    await town.do("intake", f"/v1/consents/{consent_ref}/withdraw", CITY)
    await town.quiet()
    await town.replace_database(service, copy)
    await keep_identity(town.parts[service])
    assert await is_unfit(town.parts[service], 20)


async def test_a_job_destroys_nothing_before_the_bus_was_looked_at(town: Town) -> None:
    """Without the consent that the bus knows of, the person's time would be over."""
    case_ref = await town.register()
    await town.quiet()
    copy = await town.backup("intake")
    await town.consent(case_ref, AWO)
    await town.quiet()
    await town.set_back("intake", copy)
    part = town.parts["intake"]
    await keep_identity(part)
    await part.rows("update chassis.clock set ahead = interval '73 hours'")
    await part.rows("update chassis.job set due_at = now()")
    part.more = {**part.more, **AWAY}
    await part.start()
    await asyncio.sleep(2)
    await part.stop()
    assert [row["erased_at"] for row in await part.rows("select erased_at from intake.person")] == [None]


async def test_a_second_process_that_starts_under_load_stays(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first goes on sending while the second looks at the bus: that is no older bus."""
    case_ref = await town.register()
    await town.consent(case_ref, AWO)
    await town.quiet()
    first = town.parts["intake"]
    second = Part(first.service, first.url, first.more, first.folder)
    ends = Tail.ends

    async def is_sent() -> bool:
        return not await first.rows("select 1 from chassis.outbox")

    async def slowly(tail: Tail, topics: Any) -> Any:
        found = await ends(tail, topics)
        await town.consent(case_ref, AWO, "cooperation")
        await eventually(is_sent)
        return found

    monkeypatch.setattr(Tail, "ends", slowly)
    await second.start()
    try:
        assert not await is_unfit(second, 2)
    finally:
        await second.stop()


async def test_a_withdrawal_of_what_is_not_known_yet_is_to_be_tried_again(town: Town) -> None:
    """During the recovery a consent given since the backup is unknown: 503, not 404."""
    case_ref = await town.register()
    await town.quiet()
    copy = await town.backup("intake")
    consent_ref = await town.consent(case_ref, AWO)
    await town.quiet()
    await town.set_back("intake", copy)
    await town.raise_epoch("intake")
    part = town.parts["intake"]
    with_kafka, part.more = part.more, {**part.more, **AWAY}
    await part.start()
    answer = await town.ask("POST", "intake", f"/v1/consents/{consent_ref}/withdraw", CITY)
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:lotse:problem:recovering")
    refused = await town.ask("POST", "intake", "/v1/persons", CITY, PERSON)
    assert refused.status_code == 503
    await part.stop()
    part.more = with_kafka
    await part.start()
    await town.recovered("intake")
    await town.do("intake", f"/v1/consents/{consent_ref}/withdraw", CITY)


async def test_any_process_recovers_whatever_its_roles(town: Town) -> None:
    """Reporting publishes nothing, so somebody may well run it without a relay."""
    copy = await town.backup("reporting")
    part = town.parts["reporting"]
    await town.set_back("reporting", copy)
    await town.raise_epoch("reporting")
    part.more["roles"] = {"api", "consumer", "jobs"}
    await part.start()
    await town.recovered("reporting")


async def freeze(town: Town) -> Key:
    """Park the only case in the notifier behind a letter that only an operator can let go."""
    (row,) = await town.parts["intake"].rows("select case_id::text as key from intake.person")
    key = Key(Topic.CASES, row["key"])
    part = town.parts["notifier"]
    await part.rows("update chassis.key set parked_at = now() where topic = $1 and key = $2", *key)
    await part.rows(
        """
        insert into chassis.dead_letter (topic, partition, record_offset, key, code, reason, record_key, header_names,
                                         header_values, value, parked_at)
        values ($1, 0, -1, $2, 'envelope', 'unreadable', convert_to($2, 'utf8'), '{}', '{}', null, now())
        """,
        *key,
    )
    return key


async def thaw(town: Town, key: Key) -> None:
    """Let go of that letter, and apply what waits."""
    part = town.parts["notifier"]
    await part.rows("delete from chassis.dead_letter where code = 'envelope'")
    assert part.context is not None
    assert await parking.retry(part.context.database, handlers(part.context), key)
    await town.quiet()


async def test_what_a_parked_case_was_told_before_the_restore_is_not_told_again(town: Town) -> None:
    """The key is parked in the backup, mended, told of, and parked again by the restore."""
    case_ref = await town.register()
    await town.consent(case_ref, AWO)
    offer_id = await town.offer(AWO)
    await town.quiet()
    key = await freeze(town)
    copy = await town.backup("notifier")
    await town.refer(case_ref, offer_id)
    await town.quiet()
    await thaw(town, key)
    before = (await town.stream("awo-rheinland")).kinds()
    await town.restore("notifier", copy)
    await town.recovered("notifier")
    await town.quiet()
    await thaw(town, key)
    assert (await town.stream("awo-rheinland")).kinds() == before
    assert await town.parts["notifier"].rows("select * from notifier.found") == []


async def test_what_was_ended_since_the_backup_is_not_told_of_while_catching_up(town: Town) -> None:
    """Parked when it happened, so never told; by now the consent is withdrawn, and that is told already."""
    _, consent_ref, referral_id = await referred(town)
    await town.feedback(referral_id)
    await town.quiet()
    copy = await town.backup("notifier")
    await freeze(town)
    await act(town, referral_id, "accept")
    await town.quiet()
    await town.do("intake", f"/v1/consents/{consent_ref}/withdraw", CITY)
    await town.quiet()
    await town.restore("notifier", copy)
    await town.recovered("notifier")
    await town.quiet()
    told = (await town.stream("stadt-koblenz")).kinds()
    assert not {"referral.received", "referral.accepted"} & set(told[told.index("consent.withdrawn") :])


async def test_a_report_that_was_never_sent_is_made_up_for(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream has the event, reporting never heard of it: it does after the restore, and no key is parked."""
    copy = await town.backup("notifier")

    async def nothing(*_arguments: Any) -> None:
        return None

    with monkeypatch.context() as broken:
        broken.setattr(commands, "_report", nothing)
        await town.offer(AWO)

        async def is_told() -> bool:
            return len((await town.stream("stadt-koblenz")).records) == 1

        await eventually(is_told)
        await town.quiet()
    await town.restore("notifier", copy)
    await town.recovered("notifier")
    await town.quiet()
    assert await parked(town) == {}
    assert {event.partner for *_, event in await town.bus(Topic.DELIVERIES)} >= {"stadt-koblenz"}


async def test_a_person_erased_since_the_backup_leaves_nothing_to_decide(town: Town) -> None:
    """Registered and erased after the backup: nothing of them is lost that should be there."""
    copy = await town.backup("intake")
    await town.register()
    part = town.parts["intake"]
    await part.rows("update chassis.clock set ahead = interval '73 hours'")
    await part.rows("update chassis.job set due_at = now()")

    async def is_erased() -> bool:
        return bool(await part.rows("select 1 from intake.person where erased_at is not null"))

    await eventually(is_erased)
    await town.quiet()
    await town.restore("intake", copy)
    await town.recovered("intake")
    assert await parked(town) == {}

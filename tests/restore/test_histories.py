"""Histories c to f: a database comes back older than the bus, and everything ends as if it had not."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from schemas import PersonErased, ReferralEnded, Topic
from schemas.calendar import local_day
from services.chassis.config import StartError
from tests.conftest import eventually
from tests.faults.people import acceptance
from tests.flows.world import AWO, CITY, PERSON
from tests.restore.town import Town

# Services are stopped here while their Kafka clients still start, which leaves connections for the collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


async def act(town: Town, referral_id: str, *acts: str) -> None:
    """AWO does something with a referral, step by step."""
    bodies = {"accept": acceptance(), "start": {"first_contact_on": today()}, "complete": {"outcome": "need-met"}}
    for each in acts:
        await town.do("referral", f"/v1/referrals/{referral_id}/{each}", AWO, bodies.get(each))


async def referred(town: Town) -> tuple[str, str, str]:
    """A person referred to AWO: the City's reference of the case and of the consent, and the referral's id."""
    case_ref = await town.register()
    consent_ref = await town.consent(case_ref, AWO)
    offer_id = await town.offer(AWO)

    async def taken() -> str | None:
        body = {"case_ref": case_ref, "offer_id": offer_id}
        answer = await town.ask("POST", "referral", "/v1/referrals", CITY, body)
        return str(answer.json()["referral_id"]) if answer.is_success else None

    return case_ref, consent_ref, await eventually(taken)


async def fetch(town: Town, referral_id: str) -> int:
    """AWO asks at the gate; the status of the answer."""
    return int((await town.ask("GET", "intake", f"/v1/referrals/{referral_id}/person", AWO)).status_code)


async def test_a_database_set_back_without_a_word_is_not_gone_on_with(town: Town) -> None:
    """Same server, same database name: the bus tells that something is missing, and the service does not go on."""
    copy = await town.backup("intake")
    await town.consent(await town.register(), AWO)
    await town.quiet()
    await town.set_back("intake", copy)
    part = town.parts["intake"]
    with pytest.raises(StartError, match="not the one this service last ran on"):
        await part.start()
    # A physical restore keeps both numbers: only the bus can tell.
    await part.rows(
        """
        update chassis.identity set database_oid = d.oid::bigint
        from pg_database as d where d.datname = current_database()
        """
    )
    with pytest.raises(StartError, match="restored to an older state"):
        await part.start()


async def test_history_e_intake_set_back_to_before_a_withdrawal_and_an_erasure(town: Town) -> None:
    """The gate stays shut until both are in force again; the withdrawn consent and the erased person stay so."""
    case_ref, consent_ref, referral_id = await referred(town)
    await town.quiet()
    assert await fetch(town, referral_id) == 200
    await town.quiet()
    copy = await town.backup("intake")
    await town.do("intake", f"/v1/consents/{consent_ref}/withdraw", CITY)
    await town.quiet()
    await town.set_back("intake", copy)
    await town.raise_epoch("intake")
    await town.parts["intake"].start()
    assert await fetch(town, referral_id) in (403, 503)
    await town.recovered("intake")
    assert await fetch(town, referral_id) == 403
    rows = await town.parts["intake"].rows("select state from intake.consent")
    assert [row["state"] for row in rows] == ["withdrawn"]
    # A consent after the restore is numbered in the new epoch, and everybody goes on with it.
    await town.consent(case_ref, AWO)
    await town.quiet()
    assert await parked(town) == {}


async def parked(town: Town) -> dict[str, list[str]]:
    """The codes of the dead letters by service; only services that have some."""
    found = {
        name: [row["code"] for row in await part.rows("select code from chassis.dead_letter order by code")]
        for name, part in town.parts.items()
    }
    return {name: codes for name, codes in found.items() if codes}


async def test_what_intake_cannot_have_back_is_listed_and_frozen(town: Town) -> None:
    """A person registered after the backup is gone; the case is parked as lost, nothing is handed out.

    The consent is known from the bus, so that it can be withdrawn, and its end reaches those who were told.
    """
    copy = await town.backup("intake")
    _, consent_ref, referral_id = await referred(town)
    await town.quiet()
    await town.restore("intake", copy)
    await town.recovered("intake")
    assert (await parked(town))["intake"].count("lost") == 1
    assert await fetch(town, referral_id) == 404
    await town.do("intake", f"/v1/consents/{consent_ref}/withdraw", CITY)
    await town.quiet()
    assert (await town.stream("awo-rheinland")).kinds()[-2:] == ["consent.withdrawn", "referral.ended"]


async def test_letting_go_of_what_is_lost_frees_the_case_without_the_data(town: Town) -> None:
    """After somebody has decided, the case goes on; the gate says that the data is lost, to its recipient only."""
    copy = await town.backup("intake")
    _, _, referral_id = await referred(town)
    await town.quiet()
    await town.restore("intake", copy)
    await town.recovered("intake")
    letters = await town.parts["intake"].rows("select * from chassis.dead_letter where code = 'lost'")
    place = {"partition": letters[0]["partition"], "offset": letters[0]["record_offset"]}
    said = {"topic": letters[0]["topic"], "key": letters[0]["key"], "reason": "the City registers the person anew"}
    answer = await town.operator("intake", "/admin/parked/discard", {**said, **place})
    assert answer.status_code == 200, answer.text
    assert await parked(town) == {}
    assert await fetch(town, referral_id) == 409


async def test_what_waited_in_the_outbox_of_the_backup_goes_out_behind_what_the_bus_has(town: Town) -> None:
    """The backup was taken while Kafka was away: its rows are on the bus by now, or go out in the new epoch."""
    case_ref, first, _ = await referred(town)
    await town.quiet()
    part = town.parts["intake"]
    # Without a relay: what is withdrawn stays in the outbox, and the backup holds it.
    part.more["roles"] = {"api", "consumer", "jobs"}
    await part.stop()
    await part.start()
    await town.do("intake", f"/v1/consents/{first}/withdraw", CITY)
    second = await town.consent(case_ref, AWO)
    copy = await town.backup("intake")
    # The bus never gets the two of this database's further life; of the backup's it gets none either.
    await town.set_back("intake", copy)
    await town.raise_epoch("intake")
    part.more["roles"] = {"api", "consumer", "jobs", "relay"}
    await part.start()
    await town.recovered("intake")
    await town.do("intake", f"/v1/consents/{second}/withdraw", CITY)
    await town.quiet()
    own = [(epoch > 1, version) for producer, epoch, version, _ in await town.bus(Topic.CASES) if "intake" in producer]
    assert own == [(False, 1), (True, 1), (True, 2), (True, 3)]
    assert await parked(town) == {}


async def test_a_withdrawal_taken_during_the_recovery_is_numbered_behind_what_the_bus_has(town: Town) -> None:
    """It commits before the service knows what it had said since the backup, and still follows it."""
    case_ref, first, _ = await referred(town)
    await town.quiet()
    copy = await town.backup("intake")
    await town.consent(case_ref, AWO, "cooperation")
    await town.quiet()
    await town.set_back("intake", copy)
    await town.raise_epoch("intake")
    part = town.parts["intake"]
    # Without Kafka nobody recovers: the withdrawal is taken in the middle of it, other changes are not.
    with_kafka, part.more = part.more, {**part.more, "kafka": "127.0.0.1:1"}
    await part.start()
    refused = await town.ask("POST", "intake", "/v1/persons", CITY, PERSON)
    assert (refused.status_code, refused.json()["type"]) == (503, "urn:lotse:problem:recovering")
    await town.do("intake", f"/v1/consents/{first}/withdraw", CITY)
    await part.stop()
    part.more = with_kafka
    await part.start()
    await town.recovered("intake")
    await town.quiet()
    own = [(epoch > 1, version) for producer, epoch, version, _ in await town.bus(Topic.CASES) if "intake" in producer]
    assert own == [(False, 1), (False, 2), (True, 1)]
    assert await parked(town) == {}


async def test_a_bus_that_came_back_older_is_noticed_and_every_epoch_goes_on(town: Town) -> None:
    """Kafka ends before what was sent: the service does not go on until its epoch is raised, and then it does."""
    await town.consent(await town.register(), AWO)
    await town.quiet()
    part = town.parts["intake"]
    await part.stop()
    # As if a hundred records more had been sent and read before Kafka lost them.
    await part.rows("update chassis.sent_offset set next_offset = next_offset + 100")
    await part.rows("update chassis.next_offset set next_offset = next_offset + 100")
    with pytest.raises(StartError, match="came back older"):
        await part.start()
    await town.raise_epoch("intake")
    await part.start()
    await town.recovered("intake")
    await town.consent(await town.register(), AWO)
    await town.quiet()
    assert await parked(town) == {}


async def test_a_lost_key_stays_parked_until_somebody_decides(town: Town) -> None:
    """A new start tries parked keys again; a lost one is not freed by that."""
    copy = await town.backup("intake")
    await town.consent(await town.register(), AWO)
    await town.quiet()
    await town.restore("intake", copy)
    await town.recovered("intake")
    await town.parts["intake"].stop()
    await town.parts["intake"].start()
    await town.quiet()
    assert (await parked(town))["intake"] == ["lost"]


async def test_history_d_a_referral_set_back_is_not_ended_a_second_time(town: Town) -> None:
    """Requested in the backup; on the bus accepted, started, detached by the withdrawal: it stays detached."""
    _, consent_ref, referral_id = await referred(town)
    await town.quiet()
    copy = await town.backup("referral")
    await act(town, referral_id, "accept", "start")
    await town.do("intake", f"/v1/consents/{consent_ref}/withdraw", CITY)
    await town.quiet()
    await town.restore("referral", copy)
    await town.recovered("referral")
    await town.quiet()
    ends = [event for *_, event in await town.bus(Topic.CASES) if isinstance(event, ReferralEnded)]
    assert [(str(event.referral_id), event.mode) for event in ends] == [(referral_id, "detached")]
    rows = await town.parts["referral"].rows("select state from referral.referral")
    assert [row["state"] for row in rows] == ["detached"]
    assert await parked(town) == {}


async def test_a_consent_to_feedback_read_again_tells_nothing_that_was_told(town: Town) -> None:
    """Shared as in progress before the restore and completed since: the completion was told by its own event."""
    _, _, referral_id = await referred(town)
    await act(town, referral_id, "accept", "start")
    await town.quiet()
    copy = await town.backup("referral")
    await town.feedback(referral_id)
    await town.quiet()
    await act(town, referral_id, "complete")
    await town.quiet()
    before = (await town.stream("stadt-koblenz")).kinds()
    assert before[-2:] == ["referral.status_shared", "referral.completed"]
    await town.restore("referral", copy)
    await town.recovered("referral")
    await town.quiet()
    assert (await town.stream("stadt-koblenz")).kinds() == before


async def test_a_referral_and_an_offer_made_after_the_backup_are_taken_back(town: Town) -> None:
    """They stand on the bus with all that the database needs; what a referral waits for is reckoned anew."""
    copy = await town.backup("referral")
    _, _, referral_id = await referred(town)
    await act(town, referral_id, "receive")
    await town.quiet()
    before = await town.ask("GET", "referral", f"/v1/referrals/{referral_id}", AWO)
    await town.restore("referral", copy)
    await town.recovered("referral")

    async def is_reckoned() -> bool:
        found = await town.ask("GET", "referral", f"/v1/referrals/{referral_id}", AWO)
        return found.json()["deadline"] is not None

    await eventually(is_reckoned, timeout=30)
    after = await town.ask("GET", "referral", f"/v1/referrals/{referral_id}", AWO)
    assert (after.json(), after.headers["etag"]) == (before.json(), before.headers["etag"])
    await act(town, referral_id, "accept")
    await town.quiet()
    assert await parked(town) == {}
    assert (await town.stream("awo-rheinland")).records


async def test_history_f_the_notifier_goes_on_behind_what_the_streams_hold(town: Town) -> None:
    """Numbers stay gapless, nothing is told twice, and an end goes to those who were told before the restore."""
    _, consent_ref, referral_id = await referred(town)
    await town.quiet()
    copy = await town.backup("notifier")
    await act(town, referral_id, "receive")
    await town.offer(AWO)
    await town.quiet()
    before = {slug: len((await town.stream(slug)).records) for slug in ("awo-rheinland", "stadt-koblenz")}
    await town.restore("notifier", copy)
    await town.recovered("notifier")
    await town.do("intake", f"/v1/consents/{consent_ref}/withdraw", CITY)
    await town.quiet()
    for slug, count in before.items():
        records = (await town.stream(slug)).records
        numbers = [int(dict(record.headers)["ce_sequence"]) for record in records]
        assert numbers == list(range(1, len(numbers) + 1))
        ids = Counter(dict(record.headers)["ce_id"] for record in records)
        assert set(ids.values()) == {1}
        assert len(records) == count + 2
    assert await town.parts["notifier"].rows("select * from notifier.found") == []
    assert await parked(town) == {}


async def test_history_c_reporting_set_back_counts_everything_once(town: Town) -> None:
    """Its view is the same as before."""
    await referred(town)
    await town.quiet()
    copy = await town.backup("reporting")
    await referred(town)
    await town.quiet()
    before = await view_of(town)
    await town.restore("reporting", copy)
    await town.recovered("reporting")
    assert await view_of(town) == before
    assert await parked(town) == {}


async def view_of(town: Town) -> dict[str, object]:
    """Everything that reporting has counted."""
    part = town.parts["reporting"]
    names = await part.rows("select table_name from information_schema.tables where table_schema = 'view' order by 1")
    return {
        row["table_name"]: sorted(map(str, await part.rows(f"select * from view.{row['table_name']}")))  # noqa: S608
        for row in names
    }


def today() -> str:
    """Today in Koblenz, as one writes it."""
    return local_day(datetime.now(UTC)).isoformat()


async def test_an_erasure_is_in_force_again(town: Town) -> None:
    """Erased on the bus, there again in the backup: erased again, and its data key is destroyed by the job."""
    await town.register()
    copy = await town.backup("intake")
    part = town.parts["intake"]
    await part.rows("update chassis.clock set ahead = interval '73 hours'")

    async def is_erased() -> bool:
        return bool(await part.rows("select 1 from intake.person where erased_at is not null"))

    # The job looks once a minute; it is due at once.
    await part.rows("update chassis.job set due_at = now()")
    await eventually(is_erased)
    await town.quiet()
    assert [event for *_, event in await town.bus(Topic.CASES) if isinstance(event, PersonErased)]
    await town.restore("intake", copy)
    await town.recovered("intake")
    assert await is_erased()
    assert await part.rows("select count(*) from intake.sealed") == [{"count": 0}]

"""What intake does by the clock."""

from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest

from schemas import ConsentExpired, PersonErased
from schemas.codes import ErasureReason, WithdrawalChannel
from services.intake.commands.consents import expire_consent, withdraw_consent
from tests.intake.builders import CITY, Desk, a_consent, a_person, in_days, problem
from tests.intake.test_persons import key_count


async def test_a_person_who_never_consented_is_erased_after_72_hours(desk: Desk, keys_url: str) -> None:
    """Not a moment before; then the vault is empty, the key destroyed, the end told."""
    case_ref = await desk.register()
    await desk.intake.move_clock(timedelta(hours=71, minutes=59))
    assert await desk.intake.run_job("erase-never-consented") == 0
    await desk.intake.move_clock(timedelta(hours=72))
    assert await desk.intake.run_job("erase-never-consented") == 1
    assert await desk.intake.rows("select * from intake.sealed") == []
    assert await key_count(keys_url) == 1
    assert await desk.intake.run_job("destroy-keys") == 1
    assert await key_count(keys_url) == 0
    assert await desk.intake.rows("select * from intake.key_to_destroy") == []
    (event,) = await desk.intake.published()
    assert isinstance(event, PersonErased)
    assert (event.reason, event.acted_by) == (ErasureReason.NEVER_CONSENTED, None)
    assert event.case_id == desk.case_id(case_ref)
    problem(await desk.get(CITY, f"/v1/persons/{case_ref}"), 404, "not-found")
    assert await desk.intake.run_job("erase-never-consented") == 0


async def test_a_person_who_consented_once_is_kept(desk: Desk) -> None:
    """Also when the consent was taken back."""
    (consent,) = await desk.consent(await desk.register())
    await desk.withdraw(consent)
    await desk.intake.move_clock(timedelta(days=30))
    assert await desk.intake.run_job("erase-never-consented") == 0


async def test_a_consent_that_comes_while_the_job_looks_keeps_the_person(desk: Desk) -> None:
    """Given in the last moment and not committed when the job looked: the job looks again under the lock."""
    case_ref = await desk.register()
    await desk.intake.move_clock(timedelta(hours=71, minutes=59))
    job = next(job for job in desk.intake.jobs() if job.name == "erase-never-consented")
    await desk.consent(case_ref, a_consent(valid_until=in_days(20)))
    await desk.intake.move_clock(timedelta(hours=72))
    async with desk.intake.context.database.transaction() as conn:
        now = await conn.fetchval("select chassis.lotse_now()")
        await job.act(conn, desk.case_id(case_ref), now)
    assert (await desk.get(CITY, f"/v1/persons/{case_ref}")).status_code == 200
    assert await desk.published_types() == ["lotse.consent.given.v1"]


async def test_a_repeat_of_a_registration_says_when_it_was_though_the_person_is_erased(desk: Desk) -> None:
    """The repeat brings nobody back."""
    key = str(uuid4())
    first = await desk.post(CITY, "/v1/persons", a_person(), key=key)
    await desk.intake.move_clock(timedelta(hours=72))
    await desk.intake.run_job("erase-never-consented")
    again = await desk.post(CITY, "/v1/persons", a_person(), key=key)
    assert again.json() == first.json()
    assert await desk.intake.rows("select * from intake.sealed") == []


async def test_an_expired_consent_is_told_once(desk: Desk) -> None:
    """By the job, at the time it was given until, and not when it was taken back before."""
    case_ref = await desk.register()
    until = in_days(1)
    _, withdrawn = await desk.consent(
        case_ref, a_consent(valid_until=until), a_consent(scope="cooperation", valid_until=until)
    )
    await desk.withdraw(withdrawn)
    assert await desk.intake.run_job("expire-consents") == 0
    await desk.intake.move_clock(timedelta(days=1))
    assert await desk.intake.run_job("expire-consents") == 1
    assert await desk.intake.run_job("expire-consents") == 0
    events = [event for event in await desk.intake.published() if isinstance(event, ConsentExpired)]
    assert [(event.scope, event.acted_by) for event in events] == [("transfer", None)]
    states = await desk.intake.rows("select state, end_recorded_by from intake.consent order by scope")
    assert [tuple(row.values()) for row in states] == [("withdrawn", CITY), ("expired", None)]


async def test_a_consent_that_ended_while_the_job_looked_is_not_expired_again(desk: Desk) -> None:
    """Withdrawing and expiring look again under the lock; an unknown consent is nobody's."""
    (consent,) = await desk.consent(await desk.register())
    consent_id = desk.intake.context.references.resolve("stadt-koblenz", consent)
    await desk.withdraw(consent)
    async with desk.intake.context.database.transaction() as conn:
        now = await conn.fetchval("select chassis.lotse_now()") + timedelta(days=365)
        for each in (consent_id, uuid4()):
            await expire_consent(conn, each, now)
            await withdraw_consent(conn, each, CITY, WithdrawalChannel.LETTER, now)
    assert await desk.published_types("lotse.consent.") == ["lotse.consent.given.v1", "lotse.consent.withdrawn.v1"]


async def test_a_key_whose_person_never_came_is_destroyed(desk: Desk, keys_url: str) -> None:
    """A registration that failed after its key was made leaves nothing for long."""
    problem(await desk.post(CITY, "/v1/persons", a_person(birth_date="2999-01-01")), 422, "birth-date-implausible")
    assert await key_count(keys_url) == 1
    assert await desk.intake.run_job("destroy-keys") == 0
    await desk.intake.move_clock(timedelta(hours=1))
    assert await desk.intake.run_job("destroy-keys") == 1
    assert await key_count(keys_url) == 0


async def test_the_keys_of_stored_persons_are_never_destroyed(desk: Desk, keys_url: str) -> None:
    """Storing the person takes its key off the queue."""
    await desk.register()
    await desk.intake.move_clock(timedelta(days=1))
    assert await desk.intake.run_job("destroy-keys") == 0
    assert await key_count(keys_url) == 1


async def test_a_key_is_destroyed_later_when_the_keys_database_fails(
    desk: Desk, keys_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job comes again until it is gone."""
    await desk.register()
    await desk.intake.move_clock(timedelta(hours=72))
    await desk.intake.run_job("erase-never-consented")

    async def fail(_key_id: object) -> None:
        raise OSError("no route to host")

    with monkeypatch.context() as broken:
        broken.setattr(desk.intake.context.resources.vault, "destroy", fail)
        assert await desk.intake.run_job("destroy-keys") == 0
    assert await key_count(keys_url) == 1
    assert await desk.intake.run_job("destroy-keys") == 1
    assert await key_count(keys_url) == 0


async def test_a_key_taken_off_the_queue_while_the_job_looked_is_kept(desk: Desk, keys_url: str) -> None:
    """The job locks the queue's row before it destroys."""
    await desk.register()
    conn = await asyncpg.connect(keys_url)
    key_id = await conn.fetchval("select key_id from vault.data_key")
    await conn.close()
    job = next(job for job in desk.intake.jobs() if job.name == "destroy-keys")
    async with desk.intake.context.database.transaction() as transaction:
        await job.act(transaction, key_id, await transaction.fetchval("select chassis.lotse_now()"))
    assert await key_count(keys_url) == 1

"""The gate: nothing is handed out that no valid consent covers at that moment."""

import asyncio
import logging
import os
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from schemas import (
    PersonDisclosed,
    ReferralAccepted,
    ReferralEnded,
    ReferralEnteredInError,
    ReferralExpired,
    ReferralFailed,
    ReferralPutOnHold,
    ReferralStarted,
    dataschema,
    event_headers,
    new_id,
)
from schemas.codes import DataCategory, EndMode, ErrorReason, FailureReason, HoldReason, ReferralState
from services.chassis.records import Record
from tests.harness import REFERRAL
from tests.intake.builders import (
    AWO,
    BIRTH_DATE,
    CARITAS_JMD,
    CARITAS_MBE,
    CITY,
    JOBCENTER,
    NAME,
    PHONE,
    Desk,
    a_consent,
    a_referral,
    ended,
    in_days,
    moved,
    problem,
)

# `make soak` asks for 10,000.
ROUNDS = int(os.environ.get("LOTSE_RACE_ROUNDS", "300"))
# More consents than anybody gives, so that a long race stays one of the gate.
ROUNDS_A_PERSON = 50


async def nothing_disclosed(desk: Desk) -> bool:
    """Neither logged nor told."""
    log = await desk.intake.rows("select * from intake.disclosure")
    return log == [] and "lotse.person.disclosed.v1" not in await desk.published_types()


async def fetch_until_well_after(
    desk: Desk, referral: UUID, withdrawn: asyncio.Event, fetched: asyncio.Event
) -> tuple[set[int], set[int]]:
    """Fetch without pause; returns the statuses of the fetches begun before and after the withdrawal's answer.

    Sets `fetched` at the first answer.
    """
    before, after = set[int](), []
    while len(after) < 2:
        is_late = withdrawn.is_set()
        status = (await desk.fetch(referral)).status_code
        if is_late:
            after.append(status)
        else:
            before.add(status)
        fetched.set()
    return before, set(after)


async def test_a_fetch_that_begins_after_a_withdrawal_was_answered_never_succeeds(desk: Desk) -> None:
    """Hundreds of times the person consents anew and withdraws while two counsellors fetch without pause."""
    succeeded = 0
    for number in range(ROUNDS):
        if number % ROUNDS_A_PERSON == 0:
            case_ref, referral, (consent,) = await desk.a_referred_person()
        else:
            (consent,) = await desk.consent(case_ref)
        withdrawn, fetched = asyncio.Event(), asyncio.Event()
        fetching = [asyncio.create_task(fetch_until_well_after(desk, referral, withdrawn, fetched)) for _ in range(2)]
        # Every other time the withdrawal meets fetches under way, else it races the very first ones.
        await (fetched.wait() if number % 2 else asyncio.sleep(0))
        assert (await desk.withdraw(consent)).status_code == 200
        withdrawn.set()
        for before, after in await asyncio.gather(*fetching):
            assert before <= {200, 403}
            assert after == {403}
            succeeded += 200 in before
    assert succeeded, "no fetch came before a withdrawal: nothing was raced"


async def test_every_fetch_before_the_withdrawal_is_told_before_it(desk: Desk) -> None:
    """The order in which the case's key was locked is the order of the versions."""
    _, referral, (consent,) = await desk.a_referred_person()
    answers = await asyncio.gather(*(desk.fetch(referral) for _ in range(5)), desk.withdraw(consent))
    succeeded = [answer for answer in answers[:-1] if answer.status_code == 200]
    types = (await desk.published_types())[1:]
    assert types == ["lotse.person.disclosed.v1"] * len(succeeded) + ["lotse.consent.withdrawn.v1"]


async def test_a_fetch_hands_out_what_the_person_said(desk: Desk) -> None:
    """All four categories, under the recipient's own reference, not to be cached."""
    case_ref, referral, _ = await desk.a_referred_person()
    answer = await desk.fetch(referral)
    assert answer.status_code == 200
    assert answer.json() == {
        "referral_id": str(referral),
        "case_ref": desk.intake.reference("awo-rheinland", desk.case_id(case_ref)),
        "identity": {"name": NAME},
        "contact": {"kind": "phone", "value": PHONE},
        "language": {"language": "ar", "interpreter": True},
        "age": {"birth_date": BIRTH_DATE},
    }
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["case_ref"] != case_ref


async def test_only_the_categories_of_valid_consents_are_handed_out(desk: Desk) -> None:
    """Two consents add up, a withdrawn one and one of another scope give nothing."""
    case_ref, referral, _ = await desk.a_referred_person(
        a_consent(data_categories=["contact"]), a_consent(scope="cooperation", data_categories=["age"])
    )
    await desk.consent(case_ref, a_consent(data_categories=["language", "contact"]))
    (withdrawn,) = await desk.consent(case_ref, a_consent(data_categories=["identity"]))
    await desk.withdraw(withdrawn)
    answer = await desk.fetch(referral)
    assert sorted(answer.json()) == ["case_ref", "contact", "language", "referral_id"]
    (event,) = [each for each in await desk.intake.published() if isinstance(each, PersonDisclosed)]
    assert event.data_categories == (DataCategory.CONTACT, DataCategory.LANGUAGE)


async def test_every_fetch_is_logged_and_told(desk: Desk) -> None:
    """The log says who fetched what on which consents, without an id of the person in clear."""
    case_ref, referral, (consent,) = await desk.a_referred_person()
    await desk.fetch(referral)
    await desk.fetch(referral, role="system")
    log = await desk.intake.rows("select * from intake.disclosure order by disclosed_at")
    case_id = desk.case_id(case_ref)
    consent_id = desk.intake.context.references.resolve("stadt-koblenz", consent)
    consent_ref = desk.intake.reference("awo-rheinland", consent_id)
    assert [row["fetched_by"] for row in log] == ["awo-rheinland:counsellor", "awo-rheinland:system"]
    assert {row["case_ref"] for row in log} == {desk.intake.reference("awo-rheinland", case_id)}
    assert case_id not in log[0].values()
    assert (log[0]["referral_id"], log[0]["to_unit"], log[0]["consent_refs"]) == (referral, AWO, [consent_ref])
    told = [each for each in await desk.intake.published() if isinstance(each, PersonDisclosed)]
    assert len(told) == 2
    assert (told[0].acted_by, told[0].case_id, told[0].to_unit) == ("awo-rheinland", case_id, AWO)


async def test_a_consent_to_another_unit_or_in_the_other_direction_opens_nothing(desk: Desk) -> None:
    """The pair of the referral counts, to the unit."""
    case_ref, referral, _ = await desk.a_referred_person(a_consent(to_unit=CARITAS_JMD))
    to_mbe = await desk.refer(case_ref, to_unit=CARITAS_MBE)
    assert problem(await desk.fetch(referral), 403, "consent-not-valid") == []
    problem(await desk.fetch(to_mbe, CARITAS_MBE), 403, "consent-not-valid")
    assert await nothing_disclosed(desk)


async def test_an_expired_consent_opens_nothing_although_no_job_has_run(desk: Desk) -> None:
    """Validity is evaluated at use."""
    _, referral, _ = await desk.a_referred_person(a_consent(valid_until=in_days(2)))
    await desk.intake.move_clock(timedelta(days=2))
    problem(await desk.fetch(referral), 403, "consent-not-valid")
    assert await nothing_disclosed(desk)


async def test_somebody_elses_referral_and_an_unknown_one_answer_alike(desk: Desk) -> None:
    """Same status, same words, and about the same time."""
    _, referral, _ = await desk.a_referred_person()
    loop = asyncio.get_running_loop()

    async def timed(referral_id: object, unit: str) -> tuple[str, float]:
        began = loop.time()
        answer = await desk.get(unit, f"/v1/referrals/{referral_id}/person")
        problem(answer, 404, "not-found")
        return answer.text, loop.time() - began

    answers = await asyncio.gather(
        timed(referral, JOBCENTER), timed(referral, CARITAS_MBE), timed(referral, CITY), timed(uuid4(), JOBCENTER)
    )
    assert len({text for text, _ in answers}) == 1
    assert all(seconds >= 2 for _, seconds in answers)
    assert await nothing_disclosed(desk)


async def test_a_referral_still_on_its_way_is_waited_for(desk: Desk) -> None:
    """The partner's stream may be faster than ours."""
    case_ref = await desk.register()
    await desk.consent(case_ref)
    event = a_referral(desk.case_id(case_ref))
    fetching = asyncio.create_task(desk.fetch(event.referral_id))
    await asyncio.sleep(0.1)
    await desk.intake.feed(event, source=REFERRAL)
    assert (await fetching).status_code == 200


async def test_the_gate_is_open_until_the_referral_ends(desk: Desk) -> None:
    """Requested, accepted and in progress hand out; detached does not."""
    case_ref = await desk.register()
    await desk.consent(case_ref)
    referral = a_referral(desk.case_id(case_ref))
    await desk.intake.feed(referral, source=REFERRAL)
    assert (await desk.fetch(referral.referral_id)).status_code == 200
    await desk.intake.feed(moved(referral, ReferralAccepted, ReferralState.ACCEPTED), source=REFERRAL)
    assert (await desk.fetch(referral.referral_id)).status_code == 200
    started = moved(referral, ReferralStarted, ReferralState.IN_PROGRESS, first_contact_on="2026-01-05")
    await desk.intake.feed(started, source=REFERRAL)
    assert (await desk.fetch(referral.referral_id)).status_code == 200
    await desk.intake.feed(ended(referral, EndMode.DETACHED), source=REFERRAL)
    problem(await desk.fetch(referral.referral_id), 403, "referral-not-open")
    assert len(await desk.intake.rows("select * from intake.disclosure")) == 3


CLOSED = {
    ReferralState.FAILED: lambda referral: moved(
        referral, ReferralFailed, ReferralState.FAILED, reason=FailureReason.OTHER
    ),
    ReferralState.EXPIRED: lambda referral: moved(referral, ReferralExpired, ReferralState.EXPIRED),
    ReferralState.ENTERED_IN_ERROR: lambda referral: moved(
        referral, ReferralEnteredInError, ReferralState.ENTERED_IN_ERROR, reason=ErrorReason.WRONG_PERSON
    ),
}


@pytest.mark.parametrize("state", CLOSED)
async def test_a_pause_leaves_the_gate_open_and_an_end_of_any_kind_shuts_it(desk: Desk, state: ReferralState) -> None:
    """Failed, expired, entered in error."""
    case_ref = await desk.register()
    await desk.consent(case_ref)
    referral = a_referral(desk.case_id(case_ref))
    said = {"reason": HoldReason.WAITLIST, "review_on": "2026-06-04"}
    await desk.intake.feed(referral, moved(referral, ReferralPutOnHold, ReferralState.ON_HOLD, **said), source=REFERRAL)
    assert (await desk.fetch(referral.referral_id)).status_code == 200
    await desk.intake.feed(CLOSED[state](referral), source=REFERRAL)
    problem(await desk.fetch(referral.referral_id), 403, "referral-not-open")


async def test_a_case_with_unread_news_is_kept_shut(desk: Desk) -> None:
    """A parked event may be the end of the referral; a withdrawal is taken all the same."""
    case_ref, referral, (consent,) = await desk.a_referred_person()
    await desk.intake.feed(ended(a_referral(desk.case_id(case_ref))), source=REFERRAL, version=9)
    assert [row["code"] for row in await desk.intake.parked()] == ["gap"]
    problem(await desk.fetch(referral), 503, "case-on-hold")
    assert await nothing_disclosed(desk)
    assert (await desk.withdraw(consent)).json()["state"] == "withdrawn"


async def test_a_lost_data_key_is_reported_and_nothing_logged_as_disclosed(
    desk: Desk, keys_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Without the key nothing can be handed out, so nothing is."""
    _, referral, _ = await desk.a_referred_person()
    conn = await asyncpg.connect(keys_url)
    await conn.execute("delete from vault.data_key")
    await conn.close()
    with caplog.at_level(logging.ERROR):
        problem(await desk.fetch(referral), 503, "not-available")
    assert await nothing_disclosed(desk)


async def test_a_referral_of_an_erased_or_unknown_person_gives_nothing(desk: Desk) -> None:
    """It is there, but there is nobody behind it."""
    erased = await desk.register()
    await desk.intake.move_clock(timedelta(hours=72))
    assert await desk.intake.run_job("erase-never-consented") == 1
    referral = await desk.refer(erased)
    unknown = a_referral(uuid4())
    await desk.intake.feed(unknown, source=REFERRAL)
    problem(await desk.fetch(referral), 404, "not-found")
    problem(await desk.fetch(unknown.referral_id), 404, "not-found")


async def test_the_gate_is_for_counsellors_and_systems(desk: Desk) -> None:
    """Other roles are refused before anything is looked up."""
    _, referral, _ = await desk.a_referred_person()
    for role in ("clerk", "coordinator", "commissioner", "operator"):
        problem(await desk.fetch(referral, role=role), 403, "role-missing")
    assert await nothing_disclosed(desk)


async def test_a_change_of_the_sealed_data_is_noticed(desk: Desk) -> None:
    """A ciphertext moved from one person to another does not open."""
    _, referral, _ = await desk.a_referred_person()
    await desk.register(name="Somebody Else")
    async with desk.intake.context.database.transaction() as conn:
        await conn.execute(
            """
            update intake.sealed as target set nonce = source.nonce, ciphertext = source.ciphertext
            from intake.sealed as source
            where target.category = source.category and target.case_id <> source.case_id
            """
        )
    problem(await desk.fetch(referral), 500, "internal")


async def test_half_an_event_of_a_referral_shuts_its_case(desk: Desk) -> None:
    """Nobody knows what it would have said."""
    case_ref, referral, _ = await desk.a_referred_person()
    case_id = str(desk.case_id(case_ref))
    headers = event_headers(
        id=new_id(),
        source=REFERRAL,
        type="lotse.referral.ended.v1",
        time=datetime.now(UTC),
        subject=f"case/{case_id}",
        dataschema=dataschema(ReferralEnded, partner=False),
        sequence=2,
        key=case_id,
        correlation_id="1",
        causation_id=None,
    )
    assert await desk.intake.inbox.apply(
        [Record("lotse.cases.v1", 0, 1_000, case_id.encode(), b'{"half', tuple(headers))]
    )
    problem(await desk.fetch(referral), 503, "case-on-hold")
    assert await nothing_disclosed(desk)

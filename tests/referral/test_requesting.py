"""Requesting a referral: only with a consent, only to another partner's offer that can be used."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from schemas import ReferralRequested, Topic
from schemas.codes import ReferralState, Scope
from tests.referral.builders import (
    AWO,
    CARITAS_MBE,
    CITY,
    JOBCENTER,
    Lotse,
    a_case,
    a_consent,
    erased,
    is_problem,
    withdrawn,
)


async def test_a_request_with_a_valid_consent_is_told_once(lotse: Lotse) -> None:
    """The sender gets 201 and no ETag; one event names both units, the offer and the consent."""
    case_id, offer_id = a_case(), await lotse.offer()
    consent = a_consent(case_id)
    await lotse.running.feed(consent)
    answer = await lotse.request(case_id, offer_id)
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/referrals/{answer.json()['referral_id']}"
    assert "etag" not in answer.headers
    assert answer.json()["case_ref"] == lotse.case_ref(case_id)
    [event] = await lotse.told()
    assert isinstance(event, ReferralRequested)
    assert (event.case_id, event.consent_id, str(event.offer_id)) == (case_id, consent.consent_id, offer_id)
    assert (event.from_unit, event.to_unit, event.acted_by) == (CITY, AWO, "stadt-koblenz")
    assert event.state is ReferralState.REQUESTED


async def test_without_any_consent_the_request_is_refused_after_a_wait(lotse: Lotse) -> None:
    """A case nobody knows and a case without consent get the same 409, and nothing is kept."""
    answer = await lotse.request(a_case(), await lotse.offer())
    assert is_problem(answer, 409, "no-consent", "case_ref")
    assert await lotse.told() == []
    assert await lotse.running.rows("select * from referral.referral") == []
    keys = "select * from chassis.idempotency where route like '%referrals%'"
    assert await lotse.running.rows(keys) == []


async def test_a_consent_still_on_its_way_is_waited_for(lotse: Lotse, waiting: asyncio.Event) -> None:
    """The request comes first, the consent a moment later."""
    case_id, offer_id = a_case(), await lotse.offer()
    asking = asyncio.create_task(lotse.request(case_id, offer_id))
    await waiting.wait()
    await lotse.running.feed(a_consent(case_id))
    assert (await asking).status_code == 201


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "changes",
    [
        {"to_unit": CARITAS_MBE},
        {"from_unit": JOBCENTER},
        {"from_unit": AWO, "to_unit": CITY},
        {"scope": Scope.FEEDBACK_STATUS},
        {"scope": Scope.COOPERATION},
        {"valid_until": datetime.now(UTC) - timedelta(seconds=1)},
    ],
    ids=["to another unit", "from another unit", "the way back", "feedback", "cooperation", "over"],
)
async def test_another_consent_does_not_allow_it(lotse: Lotse, changes: dict[str, object]) -> None:
    """Direction, scope and time all have to fit."""
    case_id, offer_id = a_case(), await lotse.offer()
    await lotse.running.feed(a_consent(case_id, **changes))
    assert is_problem(await lotse.request(case_id, offer_id), 409, "no-consent")


@pytest.mark.usefixtures("impatient")
async def test_a_consent_is_over_at_its_last_instant_without_any_event(lotse: Lotse) -> None:
    """Validity is looked at when it is used, with the service's clock."""
    case_id, offer_id = a_case(), await lotse.offer()
    await lotse.running.feed(a_consent(case_id, valid_until=datetime.now(UTC) + timedelta(days=1)))
    await lotse.running.move_clock(timedelta(days=1))
    assert is_problem(await lotse.request(case_id, offer_id), 409, "no-consent")


@pytest.mark.usefixtures("impatient")
async def test_a_withdrawn_consent_does_not_allow_it(lotse: Lotse) -> None:
    """Neither does one of a person who is erased."""
    first, second, offer_id = a_case(), a_case(), await lotse.offer()
    consent = a_consent(first)
    await lotse.running.feed(consent, withdrawn(consent), a_consent(second), erased(second))
    assert is_problem(await lotse.request(first, offer_id), 409, "no-consent")
    assert is_problem(await lotse.request(second, offer_id), 409, "no-consent")
    assert await lotse.running.rows("select * from referral.consent where case_id = $1", second) == []


async def test_of_two_consents_the_referral_rests_on_the_longer_one(lotse: Lotse) -> None:
    """So the end of the shorter one does not end it."""
    case_id, offer_id = a_case(), await lotse.offer()
    short = a_consent(case_id, valid_until=datetime.now(UTC) + timedelta(days=1))
    long = a_consent(case_id)
    await lotse.running.feed(short, long)
    await lotse.request(case_id, offer_id)
    await lotse.running.feed(withdrawn(short))
    [event] = await lotse.told()
    assert isinstance(event, ReferralRequested)
    assert event.consent_id == long.consent_id


@pytest.mark.usefixtures("impatient")
async def test_a_parked_case_counts_as_without_consent(lotse: Lotse) -> None:
    """An event that could not be read may have been the withdrawal."""
    case_id, offer_id = a_case(), await lotse.offer()
    await lotse.running.feed(a_consent(case_id))
    await lotse.running.feed(a_consent(case_id), version=7)
    assert len(await lotse.running.parked()) == 1
    assert is_problem(await lotse.request(case_id, offer_id), 409, "no-consent")


async def test_an_offer_that_cannot_be_used_is_refused(lotse: Lotse) -> None:
    """Unknown, one's own, closed and withdrawn offers, each by its own code, at once."""
    case_id, offer_id = a_case(), await lotse.offer(status="temporarily closed")
    await lotse.running.feed(a_consent(case_id))
    gone, own = await lotse.offer(), await lotse.offer(unit=CITY)
    await lotse.post(f"/v1/offers/{gone}/withdraw")
    assert is_problem(await lotse.request(case_id, offer_id), 409, "offer-not-active", "offer_id")
    assert is_problem(await lotse.request(case_id, gone), 409, "offer-not-active", "offer_id")
    assert is_problem(await lotse.request(case_id, own), 422, "own-offer", "offer_id")
    assert is_problem(await lotse.request(case_id, str(a_case())), 422, "no-such-offer", "offer_id")
    assert await lotse.told() == []


async def test_the_offer_may_go_while_the_request_waits_for_its_consent(lotse: Lotse, waiting: asyncio.Event) -> None:
    """Then the wait ends with that reason."""
    case_id, offer_id = a_case(), await lotse.offer()
    asking = asyncio.create_task(lotse.request(case_id, offer_id))
    await waiting.wait()
    await lotse.post(f"/v1/offers/{offer_id}/withdraw")
    assert is_problem(await asking, 409, "offer-not-active")


async def test_the_same_request_twice_makes_one_referral(lotse: Lotse) -> None:
    """Also when both come at once, and when the consent is gone by the time of the second."""
    case_id, offer_id = a_case(), await lotse.offer()
    consent = a_consent(case_id)
    await lotse.running.feed(consent)
    both = [lotse.request(case_id, offer_id, Idempotency_Key="one") for _ in range(2)]
    first, second = await asyncio.gather(*both)
    await lotse.running.feed(withdrawn(consent))
    third = await lotse.request(case_id, offer_id, Idempotency_Key="one")
    assert [first.status_code, second.status_code, third.status_code] == [201, 201, 201]
    assert len({answer.json()["referral_id"] for answer in (first, second, third)}) == 1
    assert third.json()["state"] == "ended"
    assert await lotse.kinds() == ["requested", "ended"]


async def test_the_key_of_one_request_is_refused_for_another(lotse: Lotse) -> None:
    """422, and nothing more is told."""
    case_id, offer_id = a_case(), await lotse.offer()
    await lotse.running.feed(a_consent(case_id))
    await lotse.request(case_id, offer_id, Idempotency_Key="one")
    answer = await lotse.request(a_case(), offer_id, Idempotency_Key="one")
    assert is_problem(answer, 422, "idempotency-key-reused", "Idempotency-Key")
    assert await lotse.kinds() == ["requested"]


async def test_another_unit_of_the_partner_does_not_get_the_repeated_answer(lotse: Lotse) -> None:
    """Inside a partner a unit sees its own referrals only, also by way of a repeated request."""
    case_id = a_case()
    offer_id = await lotse.offer()
    await lotse.running.feed(a_consent(case_id, from_unit=CARITAS_MBE))
    made = await lotse.request(case_id, offer_id, unit=CARITAS_MBE, Idempotency_Key="one")
    assert made.status_code == 201
    repeated = await lotse.request(case_id, offer_id, unit="caritas-koblenz/jmd", Idempotency_Key="one")
    assert is_problem(repeated, 422, "idempotency-key-reused", "Idempotency-Key")
    assert made.json()["referral_id"] not in repeated.text


async def test_a_token_without_a_unit_of_the_agreement_cannot_request(lotse: Lotse) -> None:
    """A unit that no partner file names, and none at all."""
    case_id, offer_id = a_case(), await lotse.offer()
    for unit in ("stadt-koblenz/ordnungsamt", "stadt-koblenz/"):
        assert is_problem(await lotse.request(case_id, offer_id, unit=unit), 403, "unit-missing")


async def test_only_who_may_refer_can_request(lotse: Lotse) -> None:
    """A commissioner may not."""
    body = {"case_ref": lotse.case_ref(a_case()), "offer_id": await lotse.offer()}
    answer = await lotse.post("/v1/referrals", body, unit=CITY, role="commissioner")
    assert is_problem(answer, 403, "role-missing")


WRONG: list[tuple[dict[str, object], str]] = [
    ({"case_ref": None}, "case_ref"),
    ({"case_ref": "x" * 32}, "case_ref"),
    ({"case_ref": "0" * 31}, "case_ref"),
    ({"case_ref": "A" * 32}, "case_ref"),
    ({"case_ref": 7}, "case_ref"),
    ({"case_ref": "0" * 32 + "\n"}, "case_ref"),
    ({"offer_id": "1"}, "offer_id"),
    ({"offer_id": 1}, "offer_id"),
    ({"to_unit": AWO}, "to_unit"),
]


async def test_a_wrong_field_is_named_and_nothing_is_kept(lotse: Lotse) -> None:
    """Unknown fields too."""
    for changes, field in WRONG:
        body = {"case_ref": "0" * 32, "offer_id": str(a_case()), **changes}
        answer = await lotse.post("/v1/referrals", body, unit=CITY)
        assert is_problem(answer, 422, "not-valid", field)
    assert await lotse.running.outbox_rows() == []
    assert await lotse.running.rows("select * from chassis.idempotency") == []


async def test_the_lock_is_taken_on_the_case_only(lotse: Lotse) -> None:
    """Two people are referred to one offer without waiting for each other."""
    case_id, offer_id = a_case(), await lotse.offer()
    await lotse.running.feed(a_consent(case_id))
    async with lotse.running.context.database.transaction() as conn:
        await conn.execute("select from chassis.key where topic = $1 for update", Topic.DIRECTORY)
        assert (await lotse.request(case_id, offer_id)).status_code == 201

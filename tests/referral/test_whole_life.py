"""What happens to a referral besides the straight way: pauses, failures, mistakes, and what goes on from it."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from schemas import CaseId, ReferralEvent, ReferralId, ReferralRequested
from schemas.codes import Scope
from services.chassis import db
from services.referral.model.referrals import Referral
from services.referral.store import referrals as store
from tests.harness import received
from tests.referral.builders import AWO, CARITAS_MBE, CITY, Lotse, a_case, a_consent, a_feedback, facts_of, is_problem


async def test_a_pause_is_told_with_its_reason_and_its_end(lotse: Lotse) -> None:
    """To the City once it may know the status; the state afterwards is the one before."""
    case_id = a_case()
    referral_id = await lotse.referral(case_id, "accept", "start", "hold")
    await lotse.running.feed(a_feedback(case_id))
    seen = await lotse.seen(referral_id)
    assert (seen["state"], seen["hold_reason"]) == ("on-hold", "awaiting-documents")
    assert (await lotse.act(referral_id, "resume")).json()["state"] == "in-progress"
    seen = await lotse.seen(referral_id)
    assert (seen["state"], seen["hold_reason"], seen["review_on"]) == ("in-progress", None, None)
    assert (await lotse.kinds())[-2:] == ["status_shared", "resumed"]


async def test_a_failure_says_why_only_to_who_may_know_the_outcome(lotse: Lotse) -> None:
    """The service sees its own reason; the City the state with one consent and the reason with two."""
    case_id = a_case()
    referral_id = await lotse.referral(case_id, "accept", "fail")
    assert (await lotse.seen(referral_id, AWO))["failure_reason"] == "could-not-contact"
    for scope, expected in ((Scope.FEEDBACK_STATUS, None), (Scope.FEEDBACK_OUTCOME, "could-not-contact")):
        await lotse.running.feed(a_feedback(case_id, scope))
        seen = await lotse.seen(referral_id)
        assert (seen["state"], seen["failure_reason"]) == ("failed", expected)


async def test_an_acceptance_is_taken_back_within_one_working_day(lotse: Lotse) -> None:
    """Then the request waits again; later it is refused, whatever weekday it is."""
    referral_id = await lotse.referral(a_case(), "accept")
    answer = await lotse.act(referral_id, "take-back")
    assert (answer.json()["state"], answer.json()["responsible"]) == ("received", None)
    assert (await lotse.act(referral_id, "accept")).status_code == 200
    await lotse.running.move_clock(timedelta(days=12))
    assert is_problem(await lotse.act(referral_id, "take-back"), 409, "too-late")
    assert await lotse.kinds() == ["requested", "received", "accepted", "acceptance_taken_back", "accepted"]


async def test_it_takes_two_persons_to_say_that_a_referral_was_an_error(lotse: Lotse) -> None:
    """The first is noted and nobody hears of it; the same person again is refused; the second one counts."""
    referral_id = await lotse.referral(a_case(), "accept")
    before = await lotse.kinds()
    body = facts_of("annul")
    path = f"/v1/referrals/{referral_id}/annul"
    first = await lotse.post(path, body, unit=CITY, role="clerk")
    assert (first.json()["state"], first.json()["awaits_second_person"]) == ("received", True)
    assert is_problem(await lotse.post(path, body, unit=CITY, role="clerk"), 409, "second-person-needed")
    assert (await lotse.seen(referral_id, AWO))["awaits_second_person"] is False
    assert await lotse.kinds() == before
    second = await lotse.post(path, body, unit=CITY, role="coordinator")
    assert (second.json()["state"], second.json()["error_reason"]) == ("entered-in-error", "wrong-person")
    assert (await lotse.kinds())[-1] == "entered_in_error"
    assert is_problem(await lotse.post(path, body, unit=CITY, role="counsellor"), 409, "illegal-transition")
    assert (await lotse.seen(referral_id, AWO))["state"] == "entered-in-error"


async def test_two_who_say_it_at_once_are_two(lotse: Lotse) -> None:
    """Whoever comes second confirms."""
    referral_id = await lotse.referral(a_case())
    path, body = f"/v1/referrals/{referral_id}/annul", facts_of("annul")
    answers = await asyncio.gather(*(lotse.post(path, body, unit=CITY, role=role) for role in ("clerk", "counsellor")))
    assert sorted(answer.json()["state"] for answer in answers) == ["entered-in-error", "requested"]


async def test_only_the_sender_annuls(lotse: Lotse) -> None:
    """The service rejects, fails or cancels."""
    referral_id = await lotse.referral(a_case())
    answer = await lotse.post(f"/v1/referrals/{referral_id}/annul", facts_of("annul"), unit=AWO)
    assert is_problem(answer, 403, "not-your-part")


async def to_caritas(lotse: Lotse, case_id: CaseId, based_on: Any) -> Any:
    """Refer the person to Caritas, going on from another referral."""
    offer_id = await lotse.offer(unit=CARITAS_MBE)
    body = {"case_ref": lotse.case_ref(case_id), "offer_id": offer_id, "based_on": based_on}
    return await lotse.post("/v1/referrals", body, unit=CITY, role="clerk")


@pytest.mark.usefixtures("impatient")
async def test_a_rejected_referral_goes_onward_where_the_consent_names_the_next(lotse: Lotse) -> None:
    """A new one, linked for its sender alone; without a consent for the new recipient it is refused."""
    case_id = a_case()
    rejected = await lotse.referral(case_id, "reject")
    assert is_problem(await to_caritas(lotse, case_id, rejected), 409, "no-consent")
    await lotse.running.feed(a_consent(case_id, to_unit=CARITAS_MBE))
    answer = await to_caritas(lotse, case_id, rejected)
    assert (answer.status_code, answer.json()["based_on"]) == (201, rejected)
    onward = answer.json()["referral_id"]
    assert (await lotse.seen(onward, CARITAS_MBE))["based_on"] is None
    requested = (await lotse.told())[-1]
    assert isinstance(requested, ReferralRequested)
    assert str(requested.based_on) == rejected
    assert (await lotse.seen(rejected))["state"] == "rejected"


async def test_one_goes_on_only_from_what_is_over_and_ones_own(lotse: Lotse) -> None:
    """Not from one that runs as far as the sender may know, another person's, or one that is not there."""
    case_id, other = a_case(), a_case()
    running, elsewhere = await lotse.referral(case_id, "accept"), await lotse.referral(other, "reject")
    await lotse.running.feed(a_consent(case_id, to_unit=CARITAS_MBE))
    assert is_problem(await to_caritas(lotse, case_id, running), 409, "not-over", "based_on")
    assert is_problem(await to_caritas(lotse, case_id, elsewhere), 422, "no-such-referral", "based_on")
    assert is_problem(await to_caritas(lotse, case_id, str(a_case())), 422, "no-such-referral", "based_on")
    assert is_problem(await to_caritas(lotse, case_id, "first"), 422, "not-valid", "based_on")
    finished = await lotse.act(running, "fail")
    assert finished.json()["state"] == "failed"
    assert is_problem(await to_caritas(lotse, case_id, running), 409, "not-over", "based_on")
    assert (await lotse.act(running, "cancel", unit=CITY)).json()["state"] == "ended"
    assert (await to_caritas(lotse, case_id, running)).status_code == 201


async def test_each_side_has_a_number_of_its_own(lotse: Lotse) -> None:
    """Seen by nobody else, found by it, told by no event."""
    case_id, offer_id = a_case(), await lotse.offer()
    await lotse.running.feed(a_consent(case_id))
    body = {"case_ref": lotse.case_ref(case_id), "offer_id": offer_id, "own_number": "33-2/2026"}
    referral_id = (await lotse.post("/v1/referrals", body, unit=CITY, role="clerk")).json()["referral_id"]
    numbered = await lotse.send("PUT", f"/v1/referrals/{referral_id}/number", {"own_number": "B 17"}, unit=AWO)
    assert numbered.json()["own_number"] == "B 17"
    assert (await lotse.seen(referral_id, CITY))["own_number"] == "33-2/2026"
    for unit, role, number, found in (
        (CITY, "sent", "33-2/2026", 1),
        (CITY, "sent", "B 17", 0),
        (AWO, "received", "B 17", 1),
        (AWO, "received", "33-2/2026", 0),
    ):
        params = {"role": role, "own_number": number}
        headers = lotse.running.headers(unit, "counsellor")
        page = await lotse.running.client.get("/v1/referrals", params=params, headers=headers)
        assert len(page.json()["items"]) == found, page.text
    taken = await lotse.send("PUT", f"/v1/referrals/{referral_id}/number", {"own_number": None}, unit=AWO)
    assert taken.json()["own_number"] is None
    assert not any(b"33-2" in row["value"] or b"B 17" in row["value"] for row in await lotse.running.outbox_rows())
    wrong = await lotse.send("PUT", f"/v1/referrals/{referral_id}/number", {"own_number": "Zainab!"}, unit=AWO)
    assert is_problem(wrong, 422, "not-valid", "own_number")
    hidden = await lotse.send("PUT", f"/v1/referrals/{referral_id}/number", {"own_number": "1"}, unit=CARITAS_MBE)
    assert is_problem(hidden, 404, "not-found")


async def test_what_was_agreed_by_telephone_is_recorded_afterwards(lotse: Lotse) -> None:
    """With the day it happened, in the event and in what the parties see; the next act is of its own day."""
    referral_id = await lotse.referral(a_case())
    today = datetime.now(UTC).date().isoformat()
    answer = await lotse.post(f"/v1/referrals/{referral_id}/accept", facts_of("accept") | {"happened_on": today})
    assert answer.json()["happened_on"] == today
    assert str((await lotse.told())[-1].model_dump()["happened_on"]) == today
    assert (await lotse.act(referral_id, "start")).json()["happened_on"] is None


WAYS = [
    ("receive",),
    ("accept",),
    ("reject",),
    ("accept", "take-back"),
    ("accept", "take-back", "accept"),
    ("accept", "hold"),
    ("accept", "hold", "resume"),
    ("accept", "start", "hold", "fail"),
    ("accept", "start", "hold", "cancel"),
    ("accept", "hold", "cancel"),
    ("accept", "start", "complete"),
    ("accept", "fail"),
    ("cancel",),
]
LOST: dict[str, Any] = {"responsible": None, "accepted_at": None, "error_reported_by": None}
"""What only the database knows; the moment of the acceptance comes back as the event's."""


@pytest.mark.parametrize("acts", WAYS, ids="-".join)
@pytest.mark.parametrize("annulled", [False, True])
async def test_a_restored_database_has_from_the_bus_what_it_had(
    lotse: Lotse, acts: tuple[str, ...], annulled: bool
) -> None:
    """Every state, with its reasons and days; who is responsible was never told."""
    referral_id = await lotse.referral(a_case(), *acts)
    if annulled:
        for role in ("clerk", "counsellor"):
            path = f"/v1/referrals/{referral_id}/annul"
            assert (await lotse.post(path, facts_of("annul"), unit=CITY, role=role)).status_code == 200
    before = await found(lotse, referral_id)
    told = [event for event in await lotse.told() if isinstance(event, ReferralEvent)]
    adoption = lotse.running.service.adoption(lotse.running.context)
    async with lotse.running.context.database.transaction() as conn:
        await conn.execute("delete from referral.referral")
        for event in told:
            assert await adoption.events[type(event)](conn, received(event), await db.now(conn))
    await lotse.running.run_job("run-clocks")
    after = await found(lotse, referral_id)
    moments = {"requested_at": before.requested_at, "holds": before.holds}
    assert replace(after, **LOST, **moments) == replace(before, **LOST)
    assert (after.accepted_at is None) == (before.accepted_at is None)
    assert [each.until is None for each in after.holds] == [each.until is None for each in before.holds]


async def found(lotse: Lotse, referral_id: str) -> Referral:
    """The referral as it is stored."""
    async with lotse.running.context.database.reading() as conn:
        referral = await store.find_referral(conn, ReferralId(UUID(referral_id)))
    assert referral is not None
    return referral

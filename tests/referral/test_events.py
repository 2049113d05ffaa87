"""What consents, their ends, erasures and fetches do to referrals."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from schemas import ReferralEnded, ReferralReceived, ReferralStatusShared, new_id
from schemas.codes import EndMode, EndReason, Outcome, ReferralState, Scope
from services.referral.jobs import ERASED_KEPT
from tests.referral.builders import (
    AWO,
    CARITAS_MBE,
    CITY,
    Lotse,
    a_case,
    a_consent,
    a_feedback,
    disclosed,
    erased,
    expired,
    invalidated,
    renewed,
    revoked,
    withdrawn,
)

OPEN_WAYS = {
    (): EndMode.CANCELLED,
    ("receive",): EndMode.CANCELLED,
    ("accept",): EndMode.CANCELLED,
    ("accept", "start"): EndMode.DETACHED,
}


@pytest.mark.parametrize(("acts", "mode"), OPEN_WAYS.items())
async def test_a_withdrawal_ends_what_rests_on_it(lotse: Lotse, acts: tuple[str, ...], mode: EndMode) -> None:
    """Cancelled before the first contact, detached after it; nobody acted but the person."""
    case_id = a_case()
    consent = a_consent(case_id)
    referral_id = await lotse.referral(case_id, *acts, consent=consent)
    [cause] = await lotse.running.feed(withdrawn(consent))
    ended = (await lotse.told())[-1]
    assert isinstance(ended, ReferralEnded)
    assert (ended.mode, ended.reason, ended.acted_by) == (mode, EndReason.CONSENT_WITHDRAWN, None)
    assert ended.state == ReferralState(mode.value)
    assert (await lotse.running.outbox_rows())[-1]["headers"]["ce_causationid"] == str(cause)
    assert (await lotse.seen(referral_id, AWO))["state"] == mode
    assert (await lotse.seen(referral_id, CITY))["state"] == "ended"


@pytest.mark.parametrize(
    ("over", "reason"),
    [
        (expired, EndReason.CONSENT_EXPIRED),
        (revoked, EndReason.CONSENT_REVOKED),
        (invalidated, EndReason.CONSENT_INVALIDATED),
    ],
)
async def test_every_other_end_of_the_consent_ends_it_too(lotse: Lotse, over: Any, reason: EndReason) -> None:
    """With its own reason."""
    case_id = a_case()
    consent = a_consent(case_id)
    await lotse.referral(case_id, "accept", consent=consent)
    await lotse.running.feed(over(consent))
    ended = (await lotse.told())[-1]
    assert isinstance(ended, ReferralEnded)
    assert ended.reason is reason


async def test_a_renewed_consent_carries_a_referral_that_its_first_time_would_not(lotse: Lotse) -> None:
    """Until its new time; a renewal that arrives after the end revives nothing."""
    case_id, now = a_case(), datetime.now(UTC)
    soon = a_consent(case_id, valid_until=now + timedelta(seconds=1))
    await lotse.running.feed(soon, renewed(soon, now + timedelta(days=10)))
    await lotse.running.move_clock(timedelta(days=2))
    made = await lotse.request(case_id, await lotse.offer())
    assert made.status_code == 201
    await lotse.running.feed(withdrawn(soon), renewed(soon, now + timedelta(days=20)))
    assert (await lotse.request(case_id, await lotse.offer())).status_code == 409
    (kept,) = await lotse.running.rows("select state from referral.consent")
    assert kept["state"] == "withdrawn"


@pytest.mark.parametrize("acts", [("reject",), ("accept", "start", "complete"), ("cancel",)])
async def test_what_is_over_is_not_ended_again(lotse: Lotse, acts: tuple[str, ...]) -> None:
    """Neither by a withdrawal nor by an erasure."""
    case_id = a_case()
    consent = a_consent(case_id)
    await lotse.referral(case_id, *acts, consent=consent)
    before = await lotse.kinds()
    await lotse.running.feed(withdrawn(consent), erased(case_id))
    assert await lotse.kinds() == before


async def test_a_withdrawal_of_something_else_ends_nothing(lotse: Lotse) -> None:
    """Feedback, another transfer, another case."""
    case_id = a_case()
    await lotse.referral(case_id, "accept")
    feedback = a_feedback(case_id)
    other, foreign = a_consent(case_id, to_unit=CARITAS_MBE), a_consent(a_case())
    await lotse.running.feed(
        feedback,
        other,
        foreign,
        withdrawn(feedback),
        withdrawn(other),
        withdrawn(foreign),
        expired(a_feedback(case_id)),
    )
    assert "ended" not in await lotse.kinds()


async def test_all_referrals_on_one_consent_end_and_the_others_stay(lotse: Lotse) -> None:
    """Two rest on it, one on a consent to another service."""
    case_id = a_case()
    awo, caritas = a_consent(case_id), a_consent(case_id, to_unit=CARITAS_MBE)
    await lotse.running.feed(awo, caritas)
    first = await lotse.request(case_id, await lotse.offer())
    second = await lotse.request(case_id, await lotse.offer())
    third = await lotse.request(case_id, await lotse.offer(unit=CARITAS_MBE))
    await lotse.running.feed(withdrawn(awo))
    states = [(await lotse.seen(each.json()["referral_id"]))["state"] for each in (first, second, third)]
    assert states == ["ended", "ended", "requested"]


async def test_an_erasure_ends_all_of_a_case(lotse: Lotse) -> None:
    """Whatever consent they rest on; what is known of consents is dropped and none is taken any more."""
    case_id = a_case()
    await lotse.referral(case_id, "accept", "start")
    await lotse.running.feed(a_consent(case_id, to_unit=CARITAS_MBE))
    await lotse.request(case_id, await lotse.offer(unit=CARITAS_MBE))
    await lotse.running.feed(erased(case_id), a_consent(case_id), a_feedback(case_id))
    ended = [event for event in await lotse.told() if isinstance(event, ReferralEnded)]
    assert [event.mode for event in ended] == [EndMode.DETACHED, EndMode.CANCELLED]
    assert {(event.reason, event.acted_by) for event in ended} == {(EndReason.PERSON_ERASED, None)}
    assert await lotse.running.rows("select * from referral.consent where case_id = $1", case_id) == []


async def test_a_fetch_at_the_gate_is_a_receipt(lotse: Lotse) -> None:
    """Once; by the partner that fetched."""
    case_id = a_case()
    referral_id = await lotse.referral(case_id)
    fetched = disclosed(case_id, UUID(referral_id))
    await lotse.running.feed(fetched, fetched)
    assert await lotse.kinds() == ["requested", "received"]
    received = (await lotse.told())[-1]
    assert isinstance(received, ReferralReceived)
    assert received.acted_by == "awo-rheinland"


async def test_a_fetch_later_or_of_something_else_changes_nothing(lotse: Lotse) -> None:
    """An accepted referral, an unknown one, one of another case or unit."""
    case_id, other = a_case(), a_case()
    accepted, requested = await lotse.referral(case_id, "accept"), await lotse.referral(other)
    before = await lotse.kinds()
    await lotse.running.feed(
        disclosed(case_id, UUID(accepted)),
        disclosed(case_id, new_id()),
        disclosed(case_id, UUID(requested)),
        disclosed(other, UUID(requested), to_unit=CARITAS_MBE),
    )
    assert await lotse.kinds() == before


@pytest.mark.parametrize(
    ("acts", "status"),
    [
        ((), "requested"),
        (("accept", "start"), "in-progress"),
        (("accept", "start", "complete"), "completed"),
    ],
)
async def test_a_late_feedback_consent_is_answered_with_the_present_state(
    lotse: Lotse, acts: tuple[str, ...], status: str
) -> None:
    """One event, caused by the consent, whatever happened before it; the outcome needs its own consent."""
    case_id = a_case()
    referral_id = await lotse.referral(case_id, *acts)
    before = len(await lotse.told())
    feedback = a_feedback(case_id)
    [cause] = await lotse.running.feed(feedback)
    await lotse.running.feed(feedback)
    [shared] = (await lotse.told())[before:]
    assert isinstance(shared, ReferralStatusShared)
    assert (shared.status, shared.outcome, shared.acted_by) == (ReferralState(status), None, None)
    assert str(shared.referral_id) == referral_id
    assert (await lotse.running.outbox_rows())[-1]["headers"]["ce_causationid"] == str(cause)


@pytest.mark.parametrize("acts", [("cancel",), ("accept", "start", "cancel"), ("reject",)])
async def test_a_late_feedback_consent_tells_nothing_of_what_ended(lotse: Lotse, acts: tuple[str, ...]) -> None:
    """Nothing follows an end or a rejection; a referral of the same direction that is open is told."""
    case_id = a_case()
    await lotse.referral(case_id, *acts)
    still_open = await lotse.referral(case_id)
    before = len(await lotse.told())
    await lotse.running.feed(a_feedback(case_id), a_feedback(case_id, Scope.FEEDBACK_OUTCOME))
    [shared] = (await lotse.told())[before:]
    assert isinstance(shared, ReferralStatusShared)
    assert (str(shared.referral_id), shared.status) == (still_open, ReferralState.REQUESTED)


@pytest.mark.parametrize(
    ("scopes", "outcomes"),
    [
        ((Scope.FEEDBACK_STATUS, Scope.FEEDBACK_OUTCOME), [None, Outcome.NEED_MET]),
        ((Scope.FEEDBACK_OUTCOME, Scope.FEEDBACK_STATUS), [Outcome.NEED_MET]),
    ],
)
async def test_one_signature_for_both_scopes_tells_nothing_twice(
    lotse: Lotse, scopes: tuple[Scope, ...], outcomes: list[Outcome | None]
) -> None:
    """The second consent is told only where it adds the outcome, which is carried only once it is allowed."""
    case_id = a_case()
    await lotse.referral(case_id, "accept", "start", "complete")
    await lotse.running.feed(*(a_feedback(case_id, scope) for scope in scopes))
    shared = [event for event in await lotse.told() if isinstance(event, ReferralStatusShared)]
    assert [event.outcome for event in shared] == outcomes


@pytest.mark.parametrize("scope", [Scope.FEEDBACK_STATUS, Scope.FEEDBACK_OUTCOME])
async def test_a_renewed_feedback_consent_tells_nothing_again(lotse: Lotse, scope: Scope) -> None:
    """Neither while the first one holds nor after its end, as long as nothing has changed."""
    case_id = a_case()
    await lotse.referral(case_id, "accept", "start", "complete")
    first = {each: a_feedback(case_id, each) for each in (Scope.FEEDBACK_STATUS, Scope.FEEDBACK_OUTCOME)}
    await lotse.running.feed(*first.values())
    before = await lotse.kinds()
    again = a_feedback(case_id, scope)
    await lotse.running.feed(again, withdrawn(first[scope]), withdrawn(again), a_feedback(case_id, scope))
    assert await lotse.kinds() == before


async def test_a_renewal_while_the_consent_holds_tells_nothing_that_the_events_told(lotse: Lotse) -> None:
    """The sender heard each step; only a consent after a gap is answered with where it stands now."""
    case_id = a_case()
    referral_id = await lotse.referral(case_id)
    status, renewed = a_feedback(case_id), a_feedback(case_id)
    await lotse.running.feed(status)
    await lotse.act(referral_id, "accept")
    before = await lotse.kinds()
    await lotse.running.feed(renewed)
    assert await lotse.kinds() == before
    await lotse.running.feed(withdrawn(status), withdrawn(renewed), a_feedback(case_id))
    shared = (await lotse.told())[-1]
    assert isinstance(shared, ReferralStatusShared)
    assert shared.status is ReferralState.ACCEPTED


async def test_a_later_outcome_consent_tells_of_a_completed_referral_only(lotse: Lotse) -> None:
    """And only to a sender who may know that it is completed."""
    done, running, unheard = a_case(), a_case(), a_case()
    await lotse.referral(done, "accept", "start", "complete")
    await lotse.referral(running, "accept", "start")
    await lotse.referral(unheard, "accept", "start", "complete")
    await lotse.running.feed(a_feedback(done), a_feedback(running))
    before = len(await lotse.told())
    await lotse.running.feed(*(a_feedback(case, Scope.FEEDBACK_OUTCOME) for case in (done, running, unheard)))
    [shared] = (await lotse.told())[before:]
    assert isinstance(shared, ReferralStatusShared)
    assert (shared.case_id, shared.outcome) == (done, Outcome.NEED_MET)


async def test_a_consent_that_opens_nothing_is_not_answered(lotse: Lotse) -> None:
    """Over already, ended before, of another pair, or to a transfer."""
    case_id = a_case()
    await lotse.referral(case_id, "accept")
    before = await lotse.kinds()
    ended = a_feedback(case_id)
    over = a_feedback(case_id, valid_until=a_consent(case_id).valid_until.replace(year=2020))
    await lotse.running.feed(withdrawn(ended), ended, over)
    other = a_consent(case_id, from_unit=CARITAS_MBE, to_unit=CITY, scope=Scope.FEEDBACK_STATUS)
    await lotse.running.feed(other, a_consent(case_id))
    assert await lotse.kinds() == before


async def test_the_referrals_of_an_erased_person_are_forgotten_with_the_last_backup(lotse: Lotse) -> None:
    """Those of others stay, and nothing brings the erased ones back."""
    gone, kept = a_case(), a_case()
    of_gone, of_kept = await lotse.referral(gone), await lotse.referral(kept)
    await lotse.running.feed(erased(gone))
    await lotse.running.move_clock(ERASED_KEPT - timedelta(days=1))
    assert await lotse.running.run_job("forget-erased-cases") == 0
    await lotse.running.move_clock(ERASED_KEPT + timedelta(days=1))
    assert await lotse.running.run_job("forget-erased-cases") == 1
    answers = [await lotse.get(f"/v1/referrals/{each}") for each in (of_gone, of_kept)]
    assert [each.status_code for each in answers] == [404, 200]
    assert await lotse.running.run_job("forget-erased-cases") == 0

"""Following the referrals."""

from schemas import (
    EVENTS,
    CooperationDeclined,
    CooperationEnded,
    CooperationLapsed,
    CooperationLeft,
    CooperationProposed,
    PartnerInformed,
    RecallAcknowledged,
    RecallOpened,
    ReferralAccepted,
    ReferralCompleted,
    ReferralEvent,
    ReferralReceived,
    ReferralStarted,
    ReferralStatusShared,
    new_id,
)
from schemas.codes import Outcome, ReferralState
from services.intake.handlers import HANDLERS
from tests.harness import REFERRAL
from tests.intake.builders import Desk, a_referral, ended, moved


async def states(desk: Desk) -> list[str]:
    """Where the referrals stand."""
    return [row["state"] for row in await desk.intake.rows("select state from intake.referral order by referral_id")]


def test_every_event_of_a_referral_is_handled() -> None:
    """One that were left out would leave the gate open behind it."""
    of_referrals = {each for each in EVENTS.values() if issubclass(each, ReferralEvent)}
    of_cooperations = {CooperationProposed, CooperationDeclined, CooperationLeft, CooperationLapsed, CooperationEnded}
    assert set(HANDLERS) == {*of_referrals, *of_cooperations, PartnerInformed, RecallOpened, RecallAcknowledged}


async def test_a_referral_is_followed_from_event_to_event(desk: Desk) -> None:
    """To its completion and to what is shared of it later."""
    referral = a_referral(new_id())
    seen = []
    for event in (
        referral,
        moved(referral, ReferralReceived, ReferralState.RECEIVED),
        moved(referral, ReferralAccepted, ReferralState.ACCEPTED),
        moved(referral, ReferralStarted, ReferralState.IN_PROGRESS, first_contact_on="2026-02-01"),
        moved(referral, ReferralCompleted, ReferralState.COMPLETED, outcome=Outcome.ENROLLED),
        moved(referral, ReferralStatusShared, ReferralState.COMPLETED, status=ReferralState.COMPLETED),
    ):
        await desk.intake.feed(event, source=REFERRAL)
        seen += await states(desk)
    assert seen == ["requested", "received", "accepted", "in-progress", "completed", "completed"]
    assert await desk.intake.parked() == []


async def test_an_event_that_comes_twice_or_late_changes_nothing(desk: Desk) -> None:
    """The version says so."""
    referral = a_referral(new_id())
    await desk.intake.feed(referral, ended(referral), source=REFERRAL)
    await desk.intake.feed(referral, source=REFERRAL, version=1)
    assert await states(desk) == ["cancelled"]
    assert await desk.intake.parked() == []


async def test_two_referrals_of_one_case_are_kept_apart(desk: Desk) -> None:
    """The one ends, the other goes on."""
    first = a_referral(new_id())
    second = a_referral(first.case_id)
    await desk.intake.feed(first, second, ended(first), source=REFERRAL)
    assert sorted(await states(desk)) == ["cancelled", "requested"]

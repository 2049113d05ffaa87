"""The rules of a referral, without a database."""

import itertools
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import ConsentId, OfferId, Party, ReferralId, new_id
from schemas.codes import EndReason, Outcome, ReferralState, RejectionReason, Scope
from services.referral.model.referrals import (
    OPEN,
    TRANSITIONS,
    WITHOUT_FEEDBACK,
    Act,
    Referral,
    event_of,
    insight,
    is_possible_contact_day,
    steps,
)
from tests.referral.builders import AWO, CARITAS_MBE, CITY, a_case

NOON = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)
STATES = [state for state in ReferralState if state is not ReferralState.UNKNOWN]
FACTS: dict[Act, dict[str, Any]] = {
    Act.REJECT: {"rejection_reason": RejectionReason.NO_CAPACITY},
    Act.START: {"first_contact_on": date(2026, 5, 4)},
    Act.COMPLETE: {"outcome": Outcome.NEED_MET},
    Act.CANCEL: {"end_reason": EndReason.RECALLED},
}
ALLOWED = {
    ("requested", "receive"): ["received"],
    ("requested", "accept"): ["received", "accepted"],
    ("requested", "reject"): ["received", "rejected"],
    ("requested", "cancel"): ["cancelled"],
    ("received", "accept"): ["accepted"],
    ("received", "reject"): ["rejected"],
    ("received", "cancel"): ["cancelled"],
    ("accepted", "start"): ["in-progress"],
    ("accepted", "cancel"): ["cancelled"],
    ("in-progress", "complete"): ["completed"],
    ("in-progress", "cancel"): ["detached"],
}


def a_referral(state: ReferralState = ReferralState.REQUESTED, **changes: Any) -> Referral:
    """A referral of the City to AWO, requested at noon."""
    ids = (ReferralId(new_id()), a_case(), ConsentId(new_id()), OfferId(new_id()))
    return replace(Referral(*ids, CITY, AWO, NOON, state), **changes)


@pytest.mark.parametrize(("state", "act"), list(itertools.product(STATES, Act)))
def test_every_state_takes_exactly_the_acts_of_the_table(state: ReferralState, act: Act) -> None:
    """All else is refused, the same act a second time too."""
    came_to = [each.state.value for each in steps(a_referral(state), act, FACTS.get(act, {}))]
    assert came_to == ALLOWED.get((state.value, act.value), [])


@given(st.lists(st.sampled_from(list(Act)), max_size=12))
def test_no_way_leads_out_of_an_ended_referral(acts: list[Act]) -> None:
    """Versions rise by one a state, and every state has its event."""
    referral, versions = a_referral(), [1]
    for act in acts:
        moved = steps(referral, act, FACTS.get(act, {}))
        assert not moved or referral.state in OPEN
        versions += [each.version for each in moved]
        assert [event_of(each, None).state for each in moved] == [each.state for each in moved]
        referral = moved[-1] if moved else referral
    assert versions == list(range(1, len(versions) + 1))


def test_the_table_ends_where_nothing_is_open() -> None:
    """What is open can be left, what is not open cannot."""
    assert {state for state, _ in TRANSITIONS} == OPEN


def test_a_unit_without_a_part_has_none() -> None:
    """Not even another unit of a party."""
    referral = a_referral()
    parties = [referral.party(unit) for unit in (CITY, AWO, CARITAS_MBE, "awo-rheinland/other", "")]
    assert parties == [Party.SENDER, Party.RECIPIENT, None, None, None]


@pytest.mark.parametrize("state", STATES)
def test_a_sender_without_consent_hears_four_words_at_most(state: ReferralState) -> None:
    """And neither outcome, nor dates, nor how often it changed."""
    full = a_referral(state, outcome=Outcome.NEED_MET, end_reason=EndReason.RECALLED, version=5)
    for scopes in (frozenset[Scope](), frozenset({Scope.FEEDBACK_OUTCOME, Scope.COOPERATION})):
        known = insight(full, Party.SENDER, scopes)
        assert known.standing is WITHOUT_FEEDBACK[state]
        assert known.standing in ("requested", "received", "rejected", "ended")
        assert (known.outcome, known.first_contact_on, known.end_reason, known.version) == (None,) * 4


def test_the_outcome_needs_both_consents() -> None:
    """Status alone shows the real state without it; the recipient sees all without any."""
    full = a_referral(ReferralState.COMPLETED, outcome=Outcome.NEED_MET, version=5)
    status = insight(full, Party.SENDER, {Scope.FEEDBACK_STATUS})
    both = insight(full, Party.SENDER, {Scope.FEEDBACK_STATUS, Scope.FEEDBACK_OUTCOME})
    recipient = insight(full, Party.RECIPIENT, frozenset())
    assert (status.standing, status.outcome, status.version) == ("completed", None, None)
    assert (both.outcome, both.version) == (Outcome.NEED_MET, None)
    assert (recipient.outcome, recipient.version) == (Outcome.NEED_MET, 5)


@pytest.mark.parametrize(
    ("requested", "now", "day", "possible"),
    [
        (NOON, NOON, date(2026, 5, 4), True),
        (NOON, NOON, date(2026, 5, 5), False),
        (NOON, NOON, date(2026, 5, 3), False),
        # 22:30 UTC is half past midnight in Koblenz: both calendars are right
        (datetime(2026, 5, 4, 22, 30, tzinfo=UTC), datetime(2026, 5, 4, 22, 31, tzinfo=UTC), date(2026, 5, 4), True),
        (datetime(2026, 5, 4, 22, 30, tzinfo=UTC), datetime(2026, 5, 4, 22, 31, tzinfo=UTC), date(2026, 5, 5), True),
    ],
)
def test_the_first_contact_lies_between_request_and_today(
    requested: datetime, now: datetime, day: date, possible: bool
) -> None:
    """At night the day is the caller's, in UTC or in Koblenz."""
    assert is_possible_contact_day(a_referral(requested_at=requested), day, now) is possible

"""The rules of a referral, without a database."""

import itertools
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import ConsentId, OfferId, Party, ReferralId, new_id
from schemas.codes import (
    EndReason,
    ErrorReason,
    FailureReason,
    HoldReason,
    Outcome,
    ReferralState,
    RejectionReason,
    Scope,
    TakenBackReason,
)
from services.referral.model.insight import OVER, WITHOUT_FEEDBACK, insight
from services.referral.model.referrals import ACTS, OPEN, TRANSITIONS, Act, Referral, is_possible_day, steps
from services.referral.model.telling import event_of
from tests.referral.builders import AWO, CARITAS_MBE, CITY, a_case

NOON = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)
STATES = [state for state in ReferralState if state is not ReferralState.UNKNOWN]
FACTS: dict[Act, dict[str, Any]] = {
    Act.ACCEPT: {"responsible": "Beratung", "first_contact_planned_on": date(2026, 5, 11), "accepted_at": NOON},
    Act.TAKE_BACK: {"taken_back_reason": TakenBackReason.WRONG_REFERRAL},
    Act.HOLD: {"hold_reason": HoldReason.WAITLIST, "review_on": date(2026, 6, 4)},
    Act.FAIL: {"failure_reason": FailureReason.MOVED_AWAY},
    Act.ANNUL: {"error_reason": ErrorReason.WRONG_PERSON},
    Act.REJECT: {"rejection_reason": RejectionReason.NO_CAPACITY},
    Act.START: {"first_contact_on": date(2026, 5, 4)},
    Act.COMPLETE: {"outcome": Outcome.NEED_MET},
    Act.CANCEL: {"end_reason": EndReason.RECALLED},
}
ALLOWED = {
    "requested": {
        "receive": ["received"],
        "accept": ["received", "accepted"],
        "reject": ["received", "rejected"],
        "expire": ["expired"],
        "cancel": ["cancelled"],
    },
    "received": {"accept": ["accepted"], "reject": ["rejected"], "expire": ["expired"], "cancel": ["cancelled"]},
    "accepted": {
        "take-back": ["received"],
        "start": ["in-progress"],
        "hold": ["on-hold"],
        "fail": ["failed"],
        "cancel": ["cancelled"],
    },
    "in-progress": {"complete": ["completed"], "hold": ["on-hold"], "fail": ["failed"], "cancel": ["detached"]},
    "on-hold": {"resume": ["accepted"], "fail": ["failed"], "cancel": ["cancelled"]},
    "entered-in-error": {},
}
"""From each state, but that everything that exists may turn out to be entered in error."""


def a_referral(state: ReferralState = ReferralState.REQUESTED, **changes: Any) -> Referral:
    """A referral of the City to AWO, requested at noon; one on hold was accepted before."""
    if state is ReferralState.ON_HOLD:
        changes = {"held_from": ReferralState.ACCEPTED, **changes}
    ids = (ReferralId(new_id()), a_case(), ConsentId(new_id()), OfferId(new_id()))
    return replace(Referral(*ids, CITY, AWO, NOON, state), **changes)


@pytest.mark.parametrize(("state", "act"), list(itertools.product(STATES, Act)))
def test_every_state_takes_exactly_the_acts_of_the_table(state: ReferralState, act: Act) -> None:
    """All else is refused, the same act a second time too."""
    came_to = [each.state.value for each in steps(a_referral(state), act, FACTS.get(act, {}))]
    expected = ALLOWED.get(state.value, {}).get(act.value, [])
    if act is Act.ANNUL and state is not ReferralState.ENTERED_IN_ERROR:
        expected = ["entered-in-error"]
    assert came_to == expected


def test_every_act_is_somebodys_and_expiry_the_clocks() -> None:
    """The sender ends and annuls; the recipient does the work and ends it too."""
    assert ACTS[Party.SENDER] == {Act.CANCEL, Act.ANNUL}
    assert ACTS[Party.SENDER] & ACTS[Party.RECIPIENT] == {Act.CANCEL}
    assert set(Act) - ACTS[Party.SENDER] - ACTS[Party.RECIPIENT] == {Act.EXPIRE}


@pytest.mark.parametrize(
    ("before", "end"),
    [(ReferralState.ACCEPTED, "cancelled"), (ReferralState.IN_PROGRESS, "detached")],
)
def test_a_pause_leads_back_and_ends_as_what_it_interrupted(before: ReferralState, end: str) -> None:
    """Before the first contact cancelled, after it detached; the pause's reason is gone once it is over."""
    [held] = steps(a_referral(before), Act.HOLD, FACTS[Act.HOLD])
    [resumed] = steps(held, Act.RESUME, {})
    [ended] = steps(held, Act.CANCEL, FACTS[Act.CANCEL])
    assert (resumed.state, resumed.hold_reason, resumed.review_on, resumed.held_from) == (before, None, None, None)
    assert ended.state.value == end


def test_an_acceptance_taken_back_leaves_nothing_of_itself() -> None:
    """The request waits as if nobody had accepted; the next acceptance forgets that one was taken back."""
    [accepted] = steps(a_referral(ReferralState.RECEIVED), Act.ACCEPT, FACTS[Act.ACCEPT])
    [again] = steps(accepted, Act.TAKE_BACK, FACTS[Act.TAKE_BACK])
    assert (again.responsible, again.first_contact_planned_on, again.accepted_at) == (None, None, None)
    [anew] = steps(again, Act.ACCEPT, FACTS[Act.ACCEPT])
    assert anew.taken_back_reason is None


@given(st.lists(st.sampled_from(list(Act)), max_size=12))
def test_no_way_leads_out_of_an_ended_referral(acts: list[Act]) -> None:
    """Versions rise by one a state, and every state has its event."""
    referral, versions = a_referral(), [1]
    for act in acts:
        moved = steps(referral, act, FACTS.get(act, {}))
        assert not moved or referral.state in OPEN or act is Act.ANNUL
        versions += [each.version for each in moved]
        assert [event_of(each, None, act).state for each in moved] == [each.state for each in moved]
        assert all((each.held_from is not None) == (each.state is ReferralState.ON_HOLD) for each in moved)
        referral = moved[-1] if moved else referral
    assert versions == list(range(1, len(versions) + 1))


def test_the_table_ends_where_nothing_is_open() -> None:
    """What is open can be left, what is not open cannot."""
    assert {state for state, act in TRANSITIONS if act is not Act.ANNUL} == OPEN
    assert {state for state, act in TRANSITIONS if act is Act.ANNUL} == set(STATES) - {ReferralState.ENTERED_IN_ERROR}


def test_one_may_go_on_from_what_is_over_only() -> None:
    """As far as the reader may know; not from what should never have existed."""
    for state in STATES:
        known = insight(a_referral(state), Party.RECIPIENT, frozenset())
        assert (known.standing in OVER) == (state not in OPEN and state is not ReferralState.ENTERED_IN_ERROR)


def test_a_unit_without_a_part_has_none() -> None:
    """Not even another unit of a party."""
    referral = a_referral()
    parties = [referral.party(unit) for unit in (CITY, AWO, CARITAS_MBE, "awo-rheinland/other", "")]
    assert parties == [Party.SENDER, Party.RECIPIENT, None, None, None]


@pytest.mark.parametrize("state", STATES)
def test_a_sender_without_consent_hears_six_words_at_most(state: ReferralState) -> None:
    """And neither outcome, nor dates, nor who is responsible, nor how often it changed."""
    told = {"responsible": "Beratung", "first_contact_planned_on": NOON.date(), "happened_on": NOON.date()}
    why = {"hold_reason": HoldReason.WAITLIST, "failure_reason": FailureReason.MOVED_AWAY, "review_on": NOON.date()}
    full = a_referral(state, outcome=Outcome.NEED_MET, end_reason=EndReason.RECALLED, version=5, **told, **why)
    for scopes in (frozenset[Scope](), frozenset({Scope.FEEDBACK_OUTCOME, Scope.COOPERATION})):
        known = insight(full, Party.SENDER, scopes)
        assert known.standing is WITHOUT_FEEDBACK[state]
        assert known.standing in ("requested", "received", "rejected", "expired", "entered-in-error", "ended")
        assert (known.outcome, known.first_contact_on, known.end_reason, known.version) == (None,) * 4
        assert (known.responsible, known.first_contact_planned_on, known.hold_reason, known.review_on) == (None,) * 4
        assert known.failure_reason is None
        assert known.happened_on == (NOON.date() if state is ReferralState.REJECTED else None)


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
    assert is_possible_day(a_referral(requested_at=requested), day, now) is possible

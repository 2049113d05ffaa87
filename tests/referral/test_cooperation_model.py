"""The rules of a cooperation, without a database: every state, every part, every act."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.states.cooperation import ARROWS
from schemas import ConsentId, CooperationDeclined, CooperationId, CooperationMeetingPlanned, UnitId, new_id
from schemas.cooperation import CooperationEndReason, CooperationState, DeclineReason, ParticipantState
from services.referral.model.cooperation_insight import seen_by
from services.referral.model.cooperations import (
    OPEN,
    Act,
    Cooperation,
    Part,
    agreement,
    applied,
    begun,
    ending,
    ends_without,
    is_over_for_want,
    over,
    permits,
    proposal,
    work,
)
from tests.referral.builders import AWO, CARITAS_MBE, CITY, JOBCENTER, a_case

NOON = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)
WITHDRAWN = CooperationEndReason.CONSENT_WITHDRAWN
STATES = [state for state in CooperationState if state is not CooperationState.UNKNOWN]
UNIT_OF = {Part.PROPOSER: AWO, Part.ASKED: CITY, Part.TAKING_PART: JOBCENTER, Part.OUT: CARITAS_MBE}
WORK = {"name-lead", "plan-meeting", "plan-step", "do-step", "drop-step"}
ALLOWED = {
    ("proposed", "proposer"): {"end"},
    ("proposed", "asked"): {"agree", "decline"},
    ("agreed", "proposer"): WORK | {"end"},
    ("agreed", "asked"): {"agree", "decline"},
    ("agreed", "taking-part"): WORK | {"end"},
}


def a_cooperation(*asked: UnitId) -> Cooperation:
    """AWO's proposal to these."""
    consents = {unit: ConsentId(new_id()) for unit in asked}
    return begun(proposal(CooperationId(new_id()), a_case(), AWO, consents), NOON)


def with_yes(cooperation: Cooperation, *units: UnitId) -> Cooperation:
    """These have agreed."""
    for unit in units:
        cooperation = applied(cooperation, agreement(cooperation, unit, (ConsentId(new_id()), ConsentId(new_id()))))
    return cooperation


def every_part() -> Cooperation:
    """One in which each part is somebody's."""
    cooperation = with_yes(a_cooperation(CITY, JOBCENTER, CARITAS_MBE), JOBCENTER, CARITAS_MBE)
    return applied(cooperation, ending(cooperation, CARITAS_MBE, WITHDRAWN, is_act=False))


@pytest.mark.parametrize(("state", "part", "act"), list(itertools.product(STATES, Part, Act)))
def test_every_state_lets_each_part_do_exactly_the_acts_of_the_table(
    state: CooperationState, part: Part, act: Act
) -> None:
    """All else is refused; what is over takes nothing from anybody."""
    cooperation = replace(every_part(), state=state)
    assert cooperation.part(UNIT_OF[part]) is part
    expected = act.value in ALLOWED.get((state.value, part.value), set())
    assert permits(cooperation, UNIT_OF[part], act) is expected


def test_who_has_no_part_may_nothing() -> None:
    """Whatever the act."""
    cooperation = with_yes(a_cooperation(JOBCENTER), JOBCENTER)
    assert cooperation.part(CITY) is None
    assert not any(permits(cooperation, CITY, act) for act in Act)


def test_the_first_yes_makes_it_agreed_and_later_ones_join() -> None:
    """So that it counts once."""
    cooperation = a_cooperation(JOBCENTER, CARITAS_MBE)
    ids = (ConsentId(new_id()), ConsentId(new_id()))
    first = agreement(cooperation, JOBCENTER, ids)
    after = applied(cooperation, first)
    second = agreement(after, CARITAS_MBE, ids)
    assert [first.event_type, second.event_type] == ["lotse.cooperation.agreed.v1", "lotse.cooperation.joined.v1"]
    assert first.units == (AWO, JOBCENTER)
    assert second.units == (AWO, JOBCENTER, CARITAS_MBE)


@pytest.mark.parametrize("agreed", [False, True])
@pytest.mark.parametrize("way", [0, 1])
def test_a_consent_that_ends_takes_out_the_unit_that_rests_on_it(agreed: bool, way: int) -> None:
    """There or back; whoever has not agreed rests on the way there only. The others go on."""
    cooperation = a_cooperation(JOBCENTER, CARITAS_MBE)
    if agreed:
        cooperation = with_yes(cooperation, JOBCENTER, CARITAS_MBE)
    rests_on = cooperation.participants[1].rests_on
    assert len(rests_on) == (2 if agreed else 1)
    if way >= len(rests_on):
        return
    event = ends_without(cooperation, rests_on[way], WITHDRAWN)
    assert event is not None
    assert (event.event_type, event.unit, event.acted_by) == ("lotse.cooperation.left.v1", JOBCENTER, None)
    assert (CARITAS_MBE in event.units) is agreed
    after = applied(cooperation, event)
    assert after.part(JOBCENTER) is Part.OUT
    assert after.state in OPEN
    last = ends_without(after, after.participants[2].rests_on[0], WITHDRAWN)
    assert last is not None
    assert last.event_type == f"lotse.cooperation.{'ended' if agreed else 'lapsed'}.v1"
    assert last.unit is None
    assert ends_without(after, rests_on[way], WITHDRAWN) is None


def test_who_is_only_asked_is_told_no_act_of_the_others() -> None:
    """Neither that somebody agreed nor what is planned; its own end it is told."""
    cooperation = with_yes(a_cooperation(JOBCENTER, CARITAS_MBE), JOBCENTER)
    planned = work(CooperationMeetingPlanned, cooperation, AWO, meets_on=NOON.date())
    assert planned.units == (AWO, JOBCENTER)
    assert CARITAS_MBE in ending(cooperation, AWO, CooperationEndReason.OTHER).units


parts = st.sampled_from([AWO, JOBCENTER, CARITAS_MBE, CITY])


@given(unit=parts, heard=st.frozensets(parts), planner=parts)
def test_nobody_sees_what_was_said_by_whom_it_may_not_hear(
    unit: UnitId, heard: frozenset[UnitId], planner: UnitId
) -> None:
    """Whoever reads, whatever consents hold; its own words it sees as long as it was there."""
    cooperation = every_part()
    named = tuple(replace(each, responsible=f"Team {each.unit}", lead=JOBCENTER) for each in cooperation.participants)
    cooperation = replace(cooperation, participants=named, meets_on=NOON.date(), meeting_planned_by=planner)
    seen = seen_by(cooperation, unit, heard - {unit}).cooperation
    is_working = cooperation.part(unit) in (Part.PROPOSER, Part.TAKING_PART)
    may_know = {unit, *(heard if is_working else ())}
    assert (seen.meets_on is not None) == (planner in may_know)
    for before, after in zip(cooperation.participants, seen.participants, strict=True):
        assert (after.responsible is not None) == (before.unit in may_know)
        assert (after.lead is not None) == (before.unit in may_know)
        if before.state is ParticipantState.AGREED and before.unit not in {*may_know, AWO}:
            assert after.state is ParticipantState.ASKED


def test_who_is_out_or_only_asked_is_not_told_where_the_whole_stands() -> None:
    """`agreed` would tell that somebody else is in."""
    cooperation = every_part()
    assert seen_by(cooperation, CITY, frozenset({AWO})).state is CooperationState.PROPOSED
    assert seen_by(cooperation, CARITAS_MBE, frozenset({AWO, JOBCENTER})).state is None
    assert seen_by(cooperation, JOBCENTER, frozenset()).state is CooperationState.AGREED


acts = st.lists(st.tuples(st.sampled_from(["agree", "decline", "end", "lose"]), st.integers(0, 2)), max_size=12)


@given(acts)
def test_states_change_only_as_they_are_drawn(tried: list[tuple[str, int]]) -> None:
    """Whatever is done in whatever order; what is over stays over, and somebody is in as long as it is not."""
    drawn = {(before, after) for before, after, _ in ARROWS}
    cooperation = a_cooperation(JOBCENTER, CARITAS_MBE)
    for act, place in tried:
        before, unit = cooperation, cooperation.units[place]
        if act == "lose":
            ids = before.participants[place].rests_on
            event = ends_without(before, ids[-1], WITHDRAWN) if ids and before.state in OPEN else None
            cooperation = applied(before, event) if event else before
        elif permits(before, unit, Act(act)):
            if act == "agree":
                cooperation = with_yes(before, unit)
            elif act == "end":
                cooperation = applied(before, ending(before, unit, CooperationEndReason.OTHER))
            else:
                said = work(CooperationDeclined, before, unit, reason=DeclineReason.OTHER)
                cooperation = applied(before, said)
                if is_over_for_want(cooperation):
                    cooperation = applied(cooperation, over(cooperation, CooperationEndReason.NOBODY_LEFT))
        assert before.state == cooperation.state or (before.state, cooperation.state) in drawn
        assert not is_over_for_want(cooperation)

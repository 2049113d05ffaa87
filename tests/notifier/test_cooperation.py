"""Who hears what of a cooperation: each participant under the consent from whoever speaks, and an end without any."""

from datetime import date, timedelta
from itertools import permutations
from typing import Any

import pytest

from schemas import (
    CaseId,
    ConsentGiven,
    ConsentId,
    ConsentWithdrawn,
    CooperationAgreed,
    CooperationDeclined,
    CooperationEnded,
    CooperationEvent,
    CooperationId,
    CooperationJoined,
    CooperationLeadNamed,
    CooperationLeft,
    CooperationLinked,
    CooperationProposed,
    CooperationStepPlanned,
    HouseholdId,
    PersonErased,
    StepId,
    UnitId,
    new_id,
    partner_of,
)
from schemas.codes import ConsentForm, ErasureReason, Scope
from schemas.cooperation import CooperationEndReason, DeclineReason, StepKind
from tests.harness import REFERRAL, Running
from tests.notifier.events import AWO, CARITAS, CITY, JOBCENTER, NEXT_YEAR, YESTERDAY
from tests.notifier.streams import heard, stream

PROPOSER, ASKED, ASKED_TOO = (
    UnitId("awo-rheinland/mbe"),
    UnitId("jobcenter-koblenz/jobcenter"),
    UnitId("caritas-koblenz/mbe"),
)
ALL_UNITS = (PROPOSER, ASKED, ASKED_TOO)


class Table:
    """One cooperation of AWO with the Jobcenter and Caritas."""

    def __init__(self) -> None:
        self.case_id, self.cooperation_id = CaseId(new_id()), CooperationId(new_id())

    def allow(self, from_unit: UnitId, to_unit: UnitId, **more: Any) -> ConsentGiven:
        """The person lets the one tell the other."""
        said = {
            "case_id": self.case_id,
            "consent_id": ConsentId(new_id()),
            "from_unit": from_unit,
            "to_unit": to_unit,
            "scope": Scope.COOPERATION,
            "data_categories": (),
            "valid_until": NEXT_YEAR,
            "notice_version": "1",
            "notice_language": "ar",
            "form": ConsentForm.PAPER,
            "acted_by": partner_of(from_unit),
        }
        return ConsentGiven(**{**said, **more})

    def withdraw(self, given: ConsentGiven) -> ConsentWithdrawn:
        """The person takes it back."""
        named = given.model_dump(include={"case_id", "consent_id", "from_unit", "to_unit", "scope"})
        return ConsentWithdrawn(**named)

    def proposed(self) -> CooperationProposed:
        """AWO asks both."""
        ids = (ConsentId(new_id()), ConsentId(new_id()))
        return CooperationProposed(**self._said(PROPOSER), asked=ALL_UNITS[1:], rests_on=ids)

    def agreed(self, unit: UnitId = ASKED, units: tuple[UnitId, ...] = ALL_UNITS) -> CooperationEvent:
        """One of them takes part."""
        event_class = CooperationAgreed if unit == ASKED else CooperationJoined
        return event_class(**self._said(unit, units), rests_on=(ConsentId(new_id()), ConsentId(new_id())))

    def planned(self, unit: UnitId = PROPOSER) -> CooperationStepPlanned:
        """A step is agreed."""
        step = {"step_id": StepId(new_id()), "kind": StepKind.FORM_HELP, "due_on": date(2030, 1, 1)}
        return CooperationStepPlanned(**self._said(unit), **step, done_by=unit)

    def linked(self, household_id: HouseholdId, *rests_on: ConsentGiven) -> CooperationLinked:
        """AWO says to which household the person belongs, on these consents."""
        units = (PROPOSER, *(each.to_unit for each in rests_on))
        ids = tuple(each.consent_id for each in rests_on)
        return CooperationLinked(**self._said(PROPOSER, units), household_id=household_id, rests_on=ids)

    def named(self, unit: UnitId = PROPOSER) -> CooperationLeadNamed:
        """One of them wants the Jobcenter to lead the case."""
        return CooperationLeadNamed(**self._said(unit), lead=ASKED)

    def declined(self, unit: UnitId = ASKED) -> CooperationDeclined:
        """One of them does not take part."""
        return CooperationDeclined(**self._said(unit, (PROPOSER,)), reason=DeclineReason.NO_CAPACITY)

    def left(self, unit: UnitId = ASKED) -> CooperationLeft:
        """The consent of one of them ended."""
        said = {**self._said(unit), "acted_by": None}
        return CooperationLeft(**said, reason=CooperationEndReason.CONSENT_WITHDRAWN)

    def ended(self, unit: UnitId | None = PROPOSER) -> CooperationEnded:
        """It is over."""
        return CooperationEnded(**self._said(unit), reason=CooperationEndReason.AIM_REACHED)

    def erased(self) -> PersonErased:
        """The person is gone."""
        return PersonErased(case_id=self.case_id, reason=ErasureReason.REQUESTED)

    def _said(self, unit: UnitId | None, units: tuple[UnitId, ...] = ALL_UNITS) -> dict[str, Any]:
        return {
            "case_id": self.case_id,
            "cooperation_id": self.cooperation_id,
            "acted_by": partner_of(unit) if unit else None,
            "unit": unit,
            "units": units,
        }


async def tell(notifier: Running, *events: CooperationEvent) -> None:
    """What the referral service says."""
    await notifier.feed(*events, source=REFERRAL)


async def test_each_hears_what_it_may_and_nobody_its_own_act(notifier: Running) -> None:
    """All consents hold: both that are asked hear the proposal, and everybody each other; the City hears nothing."""
    table = Table()
    await notifier.feed(*(table.allow(*way) for way in permutations(ALL_UNITS, 2)))
    await tell(notifier, table.proposed(), table.agreed(ASKED, ALL_UNITS[:2]), table.agreed(ASKED_TOO), table.planned())
    assert await heard(notifier, AWO) == ["cooperation.agreed", "cooperation.joined"]
    assert await heard(notifier, JOBCENTER) == [
        "cooperation.proposed",
        "cooperation.joined",
        "cooperation.step_planned",
    ]
    assert await heard(notifier, CARITAS) == ["cooperation.proposed", "cooperation.step_planned"]
    assert await heard(notifier, CITY) == []
    [proposed, *_] = await stream(notifier, JOBCENTER)
    assert proposed.data.keys() == {"case_ref", "cooperation_id", "unit", "asked"}
    assert proposed.data["case_ref"] == notifier.reference(JOBCENTER, table.case_id)


@pytest.mark.parametrize("scope", [scope for scope in Scope if scope not in (Scope.COOPERATION, Scope.UNKNOWN)])
async def test_no_other_consent_lets_anybody_tell(notifier: Running, scope: Scope) -> None:
    """Nor one the other way round, one that is over, or one of another case."""
    table = Table()
    await notifier.feed(table.allow(PROPOSER, ASKED, scope=scope), table.allow(ASKED, PROPOSER))
    await notifier.feed(table.allow(PROPOSER, ASKED, valid_until=YESTERDAY), Table().allow(PROPOSER, ASKED))
    await tell(notifier, table.proposed(), table.planned())
    assert await heard(notifier, JOBCENTER) == []


async def test_two_that_were_asked_do_not_hear_each_other_without_a_consent_of_their_own(notifier: Running) -> None:
    """The proposer is not a bridge: what the Jobcenter says reaches AWO alone."""
    table = Table()
    star = [way for way in permutations(ALL_UNITS, 2) if PROPOSER in way]
    await notifier.feed(*(table.allow(*way) for way in star))
    await tell(notifier, table.proposed(), table.agreed(), table.agreed(ASKED_TOO), table.planned(ASKED))
    assert await heard(notifier, AWO) == ["cooperation.agreed", "cooperation.joined", "cooperation.step_planned"]
    assert await heard(notifier, CARITAS) == ["cooperation.proposed"]


async def test_a_withdrawal_stops_that_direction_at_once_and_no_other(notifier: Running) -> None:
    """Before the referral service has said anything; the end follows without consent, without its reason."""
    table = Table()
    ways = {way: table.allow(*way) for way in permutations(ALL_UNITS, 2)}
    await notifier.feed(*ways.values())
    await tell(notifier, table.proposed(), table.agreed(), table.agreed(ASKED_TOO))
    await notifier.feed(table.withdraw(ways[PROPOSER, ASKED]))
    await tell(notifier, table.planned(), table.ended())
    assert (await heard(notifier, JOBCENTER))[-2:] == ["consent.withdrawn", "cooperation.ended"]
    assert "reason" not in (await stream(notifier, JOBCENTER))[-1].data
    assert (await heard(notifier, CARITAS))[-2:] == ["cooperation.step_planned", "cooperation.ended"]
    assert (await stream(notifier, CARITAS))[-1].data["reason"] == "aim-reached"


async def test_a_decline_reaches_the_proposer_without_a_consent_back(notifier: Running) -> None:
    """That, not why."""
    table = Table()
    await notifier.feed(table.allow(PROPOSER, ASKED))
    await tell(notifier, table.proposed(), table.declined())
    [declined] = await stream(notifier, AWO)
    assert declined.data.keys() == {"case_ref", "cooperation_id", "unit"}
    assert declined.data["unit"] == ASKED


async def test_an_end_is_told_to_those_who_knew_of_that_cooperation(notifier: Running) -> None:
    """Caritas was named, never told: it hears no end. Another cooperation on the same case changes nothing."""
    table, other = Table(), Table()
    other.case_id = table.case_id
    await notifier.feed(table.allow(PROPOSER, ASKED), table.allow(PROPOSER, ASKED_TOO, valid_until=YESTERDAY))
    await tell(notifier, table.proposed(), other.ended(None), table.left(), table.ended(None))
    assert await heard(notifier, JOBCENTER) == ["cooperation.proposed", "cooperation.left", "cooperation.ended"]
    assert await heard(notifier, CARITAS) == []
    assert await heard(notifier, AWO) == ["cooperation.left", "cooperation.ended"]


async def test_after_the_end_nothing_of_it_is_told(notifier: Running) -> None:
    """Whatever arrives late; another cooperation on the case goes on."""
    table, other = Table(), Table()
    other.case_id = table.case_id
    await notifier.feed(table.allow(PROPOSER, ASKED))
    await tell(notifier, table.proposed(), other.proposed(), table.ended(), table.planned())
    await tell(notifier, table.planned(), other.planned())
    kinds = await heard(notifier, JOBCENTER)
    assert kinds == ["cooperation.proposed"] * 2 + ["cooperation.ended", "cooperation.step_planned"]
    assert (await stream(notifier, JOBCENTER))[-1].data["cooperation_id"] == str(other.cooperation_id)


async def test_who_was_told_under_a_consent_is_asked_when_it_ends(notifier: Running) -> None:
    """The recipient of just that consent; nobody where nothing was told under it."""
    table = Table()
    ways = {way: table.allow(*way) for way in permutations(ALL_UNITS, 2)}
    await notifier.feed(*ways.values())
    await tell(notifier, table.proposed(), table.agreed())
    await notifier.feed(table.withdraw(ways[ASKED_TOO, ASKED]), table.withdraw(ways[PROPOSER, ASKED]))
    recalls = await notifier.rows("select partner, consent_id from notifier.recall")
    told_under = ways[PROPOSER, ASKED].consent_id
    assert [(each["partner"], each["consent_id"]) for each in recalls] == [(JOBCENTER, told_under)]
    await notifier.feed(table.erased())
    recalls = await notifier.rows("select partner from notifier.recall where consent_id is null order by 1")
    assert [each["partner"] for each in recalls] == [AWO, CARITAS, JOBCENTER]


async def test_what_ends_while_the_clock_runs_is_looked_at_when_it_is_told(notifier: Running) -> None:
    """A consent whose time is over lets nobody tell, before anybody has said that it expired."""
    table = Table()
    await notifier.feed(*(table.allow(*way) for way in permutations(ALL_UNITS, 2)))
    await tell(notifier, table.proposed())
    await notifier.move_clock(timedelta(days=400))
    await tell(notifier, table.planned())
    assert await heard(notifier, JOBCENTER) == ["cooperation.proposed"]


async def test_a_household_is_told_to_each_by_a_reference_of_its_own(notifier: Running) -> None:
    """On the consents that name it: another COOPERATION consent does not tell it, nor one that is over."""
    table, household_id = Table(), HouseholdId(new_id())
    named, other, over = table.allow(PROPOSER, ASKED), table.allow(PROPOSER, ASKED_TOO), table.allow(PROPOSER, ASKED)
    named_too = table.allow(PROPOSER, ASKED_TOO)
    await notifier.feed(named, other, over, table.withdraw(over))
    await tell(notifier, table.proposed(), table.linked(household_id, over), table.linked(household_id, named_too))
    for partner in (AWO, JOBCENTER, CARITAS):
        assert "cooperation.linked" not in await heard(notifier, partner)
    await notifier.feed(named_too)
    await tell(notifier, table.linked(household_id, named, named_too), table.linked(household_id))
    assert "cooperation.linked" not in await heard(notifier, AWO)
    for partner in (JOBCENTER, CARITAS):
        [linked] = [each for each in await stream(notifier, partner) if each.type == "lotse.cooperation.linked.v1"]
        assert linked.data.keys() == {"case_ref", "cooperation_id", "unit", "household_ref"}
        assert linked.data["household_ref"] == notifier.reference(partner, household_id)


async def test_whom_a_unit_names_as_lead_hears_who_may_hear_the_unit(notifier: Running) -> None:
    """Like all else it says."""
    table = Table()
    star = [way for way in permutations(ALL_UNITS, 2) if PROPOSER in way]
    await notifier.feed(*(table.allow(*way) for way in star))
    await tell(notifier, table.proposed(), table.named(ASKED))
    assert await heard(notifier, CARITAS) == ["cooperation.proposed"]
    [named] = await stream(notifier, AWO)
    assert (named.type, named.data["lead"]) == ("lotse.cooperation.lead_named.v1", ASKED)

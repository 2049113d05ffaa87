"""The routing table of Koblenz, person by person: who is proposed what, at each boundary, on each day."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import OfferId, UnitId, new_id
from schemas.calendar import years_between
from schemas.codes import Concern, ServiceType
from schemas.partner_file import load_partners
from schemas.routing import (
    BenefitRegime,
    ConsentAnswer,
    CourseRight,
    Danger,
    Priority,
    ProposalKind,
    Question,
    RankedBy,
    Requirement,
    Stated,
    StatusGroup,
)
from schemas.routing_file import OLDEST, RoutingFile, load_routing
from services.referral.model.routing import Proposal, Provider, months_since, propose
from tests.harness import ROOT

TABLE = load_routing(ROOT / "deploy" / "routing" / "koblenz.toml")
TODAY = date(2026, 11, 23)
AWO, CARITAS, JMD = UnitId("awo-rheinland/mbe"), UnitId("caritas-koblenz/mbe"), UnitId("caritas-koblenz/jmd")
OFFER = OfferId(new_id())
UNITS = (
    Provider(AWO, ServiceType.MBE, (OFFER,), frozenset({"de", "tr"})),
    Provider(CARITAS, ServiceType.MBE, (OFFER,), frozenset({"de", "ar"})),
    Provider(JMD, ServiceType.JMD, (OFFER,), frozenset({"de"})),
)
MBE_STATUS = (
    StatusGroup.EU_EEA,
    StatusGroup.LONG_TERM_TITLE,
    StatusGroup.RECOGNISED_PROTECTION,
    StatusGroup.TEMPORARY_PROTECTION,
    StatusGroup.ASYLUM_PROCEDURE,
    StatusGroup.LATE_REPATRIATE,
    StatusGroup.OPPORTUNITY_TITLE,
    StatusGroup.TOLERATED_WITH_PROSPECT,
)


def asked(on: date = TODAY, table: RoutingFile = TABLE, **said: Any) -> tuple[Proposal, ...]:
    """What is proposed for a person of whom this is said."""
    return propose(table, table.used_on(on), Question(**said), UNITS, on)


def first(on: date = TODAY, **said: Any) -> tuple[ProposalKind, str | None]:
    """The first choice."""
    proposal = asked(on, **said)[0]
    return proposal.kind, proposal.to


def rules(proposals: tuple[Proposal, ...]) -> list[str]:
    """The rules that led to these proposals, in order."""
    return [reason.rule for proposal in proposals for reason in proposal.reasons]


def an_adult(**said: Any) -> dict[str, Any]:
    """Somebody the migration counselling for adults is for."""
    return {"age": 40, "status": StatusGroup.EU_EEA} | said


REFER, SIGNPOST, INFORM = ProposalKind.REFER, ProposalKind.SIGNPOST, ProposalKind.INFORM


@pytest.mark.parametrize(
    ("born", "service"),
    [
        (date(1999, 11, 24), "JMD"),
        (date(1999, 11, 23), "MBE"),
        (date(1999, 11, 22), "MBE"),
        (date(2014, 11, 23), "JMD"),
        (date(2014, 11, 24), None),
    ],
    ids=["26 years 364 days", "27th birthday", "27 and a day", "12th birthday", "11 years 364 days"],
)
def test_the_birthday_decides(born: date, service: str | None) -> None:
    """From 12 to the day before the 27th birthday the youth migration service; a child is not referred."""
    expected = (INFORM, None) if service is None else (REFER, service)
    assert first(age=years_between(born, TODAY), status=StatusGroup.EU_EEA) == expected


def test_who_was_born_on_29_february_turns_27_on_1_march_of_a_common_year() -> None:
    """§ 188 BGB; in a leap year on the day itself."""
    born = date(2000, 2, 29)
    said = [
        first(on, age=years_between(born, on), status=StatusGroup.EU_EEA)[1]
        for on in (date(2027, 2, 28), date(2027, 3, 1))
    ]
    assert said == ["JMD", "MBE"]
    leap = [years_between(date(2004, 2, 29), date(2032, 2, day)) for day in (28, 29)]
    assert leap == [27, 28]


@pytest.mark.parametrize("status", StatusGroup)
def test_from_27_the_status_decides_between_two_services(status: StatusGroup) -> None:
    """Who has none to state is taken by the service that is open to all; it has no unit here, so its name is given."""
    expected = (REFER, "MBE") if status in MBE_STATUS else (SIGNPOST, "MFD")
    assert first(age=27, status=status) == expected


@pytest.mark.parametrize("status", MBE_STATUS)
def test_who_the_adults_service_is_not_responsible_for_goes_to_the_one_for_all(status: StatusGroup) -> None:
    """Whatever the status says."""
    assert first(age=30, status=status, declined_by=frozenset({ServiceType.MBE})) == (SIGNPOST, "MFD")


def test_nothing_stated_is_answered_all_the_same() -> None:
    """With the service that is open to all, and the flyer."""
    proposals = asked()
    assert [(each.kind, each.to) for each in proposals] == [(SIGNPOST, "MFD"), (INFORM, None)]
    assert rules(proposals) == ["R7", "R0a"]


@pytest.mark.parametrize("age", [None, 0, 11, 12, 17])
def test_a_child_alone_is_the_youth_welfare_offices(age: int | None) -> None:
    """From 12 the youth migration service may advise besides, with the guardian's consent; 18 is too old."""
    proposals = asked(age=age, unaccompanied=Stated.YES)
    assert (proposals[0].kind, proposals[0].to) == (SIGNPOST, "jugendamt")
    besides = [each for each in proposals if each.to == "JMD"]
    assert len(besides) == int(age in (12, 17))
    assert all(Requirement.GUARDIAN_CONSENT in each.requires for each in besides)
    assert first(age=18, unaccompanied=Stated.YES) == (REFER, "JMD")


def test_under_15_a_guardian_consents() -> None:
    """From the 15th birthday the person does."""
    needs = [Requirement.GUARDIAN_CONSENT in asked(age=age)[0].requires for age in (14, 15)]
    assert needs == [True, False]


def test_a_young_adult_may_choose_the_adults_service_with_a_reason() -> None:
    """With children of the own and no question about school, or by wish."""
    for said in ({"own_children": Stated.YES}, {"wish": ServiceType.MBE}):
        proposals = asked(age=24, **said)
        assert [each.to for each in proposals][:2] == ["JMD", "MBE"]
        assert Requirement.REASON in proposals[1].requires
    at_school = asked(age=24, own_children=Stated.YES, concerns=frozenset({Concern.SCHOOL_TRAINING}))
    assert "MBE" not in [each.to for each in at_school]


@pytest.mark.parametrize(
    ("on", "priority"),
    [(date(2026, 11, 30), Priority.NEWCOMER), (date(2026, 12, 1), Priority.CATCH_UP)],
)
def test_36_months_are_over_on_the_first_of_the_37th(on: date, priority: Priority) -> None:
    """Entry in November 2023; nobody is turned away."""
    proposal = asked(on, **an_adult(months_since_arrival=months_since(on, ["2023-11"])))[0]
    assert (proposal.kind, proposal.to, proposal.priority) == (REFER, "MBE", priority)


def test_months_count_from_the_later_of_entry_and_first_title() -> None:
    """A month ahead counts as none; without a month nothing is said of a priority."""
    assert months_since(TODAY, ["2015-09", "2025-11"]) == 12
    assert months_since(TODAY, ["2027-01"]) == 0
    assert months_since(TODAY, []) is None
    assert asked(**an_adult())[0].priority is None


def test_a_household_on_both_sides_of_27_gets_two_linked_referrals() -> None:
    """One case lead, and each adult consents."""
    proposals = asked(**an_adult(household_spans_27=Stated.YES))
    both = [each for each in proposals if each.kind is REFER]
    assert [each.to for each in both] == ["MBE", "JMD"]
    assert all({Requirement.CASE_LEAD, Requirement.EACH_ADULT_CONSENTS} <= each.requires for each in both)


def places(**said: Any) -> set[str | None]:
    """Where a person is sent without anything being transferred."""
    return {each.to for each in asked(**said) if each.kind is SIGNPOST}


def test_work_and_income_lead_to_the_jobcenter_besides() -> None:
    """From 15 to the age of a pension, for who is able to work, and not under the AsylbLG."""
    work = frozenset({Concern.WORK})
    assert "jobcenter" in places(age=66, concerns=work)
    assert "jobcenter" in places(concerns=work)
    assert "jobcenter" not in places(age=67, concerns=work)
    assert "jobcenter" not in places(age=14, concerns=work)
    assert "jobcenter" not in places(age=40, concerns=work, able_to_work=Stated.NO)
    under_asylblg = places(age=40, concerns=work, regime=BenefitRegime.ASYLBLG)
    assert {"sozialamt", "arbeitsagentur"} <= under_asylblg
    assert "jobcenter" not in under_asylblg


def test_the_rule_for_titles_since_april_2025_is_shipped_off_and_replaces_the_jobcenter_once_on() -> None:
    """From its first day at midnight in Koblenz; March 2025 is not meant."""
    said: dict[str, Any] = {
        "age": 40,
        "status": StatusGroup.TEMPORARY_PROTECTION,
        "concerns": frozenset({Concern.WORK}),
    }
    assert "jobcenter" in places(**said, first_title="2025-04")
    begins = date(2027, 1, 1)
    ruled = tuple(
        each.model_copy(update={"off": None, "from_": begins}) if each.id == "UA_2025" else each for each in TABLE.rules
    )
    table = TABLE.model_copy(update={"rules": ruled})

    def sent(on: date, title: str) -> set[str | None]:
        return {each.to for each in asked(on, table, **said, first_title=title) if each.kind is SIGNPOST}

    assert "jobcenter" in sent(begins - timedelta(days=1), "2025-04")
    assert sent(begins, "2025-04") == {"sozialamt", "arbeitsagentur"}
    assert "jobcenter" in sent(begins, "2025-03")


def test_a_question_of_title_leads_to_the_authority_with_nothing_transferred() -> None:
    """The immigration authority is a place to go to and never a recipient."""
    proposals = asked(**an_adult(concerns=frozenset({Concern.RESIDENCE_TITLE})))
    there = [each for each in proposals if each.to == "auslaenderbehoerde"]
    assert [each.kind for each in there] == [SIGNPOST]
    assert there[0].requires == {Requirement.APPOINTMENT}


@pytest.mark.parametrize(
    ("on", "course", "code"),
    [
        (TODAY, CourseRight.CLAIM, "course-claim"),
        (TODAY, CourseRight.OBLIGED, "course-obliged"),
        (TODAY, CourseRight.ADMISSION_ONLY, "course-no-admission-2026"),
        (date(2026, 12, 31), CourseRight.ADMISSION_ONLY, "course-no-admission-2026"),
        (date(2027, 1, 1), CourseRight.ADMISSION_ONLY, "course-ask-for-admission"),
        (TODAY, CourseRight.NOT_STATED, "course-right-open"),
    ],
)
def test_a_course_is_found_by_the_right_to_it(on: date, course: CourseRight, code: str) -> None:
    """No admissions in 2026; what follows is another rule from the first of January on."""
    proposals = asked(on, **an_adult(concerns=frozenset({Concern.LANGUAGE_COURSE}), course=course))
    codes = [reason.code for each in proposals for reason in each.reasons]
    assert [each for each in codes if each.startswith("course")] in ([code], [code, code])


def test_late_repatriates_get_their_course_by_another_authority() -> None:
    """Not by a right that the others need."""
    said = {"age": 40, "status": StatusGroup.LATE_REPATRIATE, "concerns": frozenset({Concern.LANGUAGE_COURSE})}
    assert places(**said) == {"bundesverwaltungsamt", "kurstraeger"}


def test_the_last_opportunity_titles_end_in_june_2027() -> None:
    """Then their holders are the service's that is open to all."""
    said: dict[str, Any] = {"age": 40, "status": StatusGroup.OPPORTUNITY_TITLE}
    assert first(date(2027, 6, 30), **said) == (REFER, "MBE")
    assert first(date(2027, 7, 1), **said) == (SIGNPOST, "MFD")


@pytest.mark.parametrize("danger", Danger)
def test_danger_is_answered_with_telephone_numbers_and_nothing_else(danger: Danger) -> None:
    """Nothing is referred and nothing waits, whatever else was said."""
    proposals = asked(**an_adult(danger=frozenset({danger}), consent=ConsentAnswer.REFUSED, wish=ServiceType.MBE))
    assert {each.kind for each in proposals} == {ProposalKind.AT_ONCE}
    assert any(TABLE.place(str(each.to)).phone for each in proposals)
    assert all(not each.providers and not each.requires for each in proposals)


def test_two_dangers_name_the_police_once() -> None:
    """With both reasons."""
    proposals = asked(danger=frozenset({Danger.VIOLENCE, Danger.CHILD_AT_RISK}))
    police = [each for each in proposals if each.to == "polizei"]
    assert [reason.rule for each in police for reason in each.reasons] == ["R1a", "R1c"]


def test_without_a_consent_nothing_is_referred_and_the_service_is_named() -> None:
    """Refused is refused: the units are shown so that the person can go there alone."""
    proposals = asked(**an_adult(consent=ConsentAnswer.REFUSED))
    assert REFER not in {each.kind for each in proposals}
    assert (proposals[0].kind, proposals[0].to) == (INFORM, "MBE")
    assert {each.unit for each in proposals[0].providers} == {AWO, CARITAS}
    assert "R0" in rules(proposals[:1])
    assert not proposals[0].requires


def test_a_consent_that_is_not_asked_for_yet_is_required() -> None:
    """One that names one of the units is enough."""
    assert Requirement.CONSENT in asked(**an_adult())[0].requires
    given = asked(**an_adult(consent=ConsentAnswer.GIVEN, named_units=frozenset({AWO})))[0]
    assert (given.kind, [each.unit for each in given.providers], given.requires) == (REFER, [AWO], frozenset())


def test_a_consent_that_names_only_one_provider_leads_to_no_other() -> None:
    """Where that one has not answered, the person is asked again; a consent that names both needs no question."""
    silent = {"silent_units": frozenset({CARITAS})}
    again = asked(**an_adult(consent=ConsentAnswer.GIVEN, named_units=frozenset({CARITAS}), **silent))[0]
    assert (again.kind, [each.unit for each in again.providers]) == (ProposalKind.ASK_AGAIN, [AWO])
    assert Requirement.CONSENT in again.requires
    assert "R15" in rules((again,))
    named = asked(**an_adult(consent=ConsentAnswer.GIVEN, named_units=frozenset({CARITAS, AWO}), **silent))[0]
    assert (named.kind, [each.unit for each in named.providers]) == (REFER, [AWO])
    nobody = asked(**an_adult(silent_units=frozenset({CARITAS, AWO})))[0]
    assert (nobody.kind, nobody.providers) == (SIGNPOST, ())


def order(on: date = TODAY, **said: Any) -> list[UnitId]:
    """The units for an adult, in the order of choice."""
    return [each.unit for each in asked(on, **an_adult(**said))[0].providers]


def test_the_wish_goes_before_the_language_and_the_language_before_the_turn() -> None:
    """A region makes no difference to a language; the turn changes daily and evens out."""
    for day in range(14):
        on = TODAY + timedelta(days=day)
        assert order(on, language="ar-SY")[0] == CARITAS
        assert order(on, language="tr", wished_unit=CARITAS)[0] == CARITAS
    turns = [order(TODAY + timedelta(days=day))[0] for day in range(14)]
    assert turns.count(AWO) == 7
    assert turns[0] != turns[1]


def test_a_unit_without_a_usable_offer_stands_behind() -> None:
    """Unless the person wishes for it, or it alone speaks the language."""
    empty = tuple(replace(each, offers=()) if each.unit == CARITAS else each for each in UNITS)
    for day in range(2):
        on = TODAY + timedelta(days=day)
        proposals = propose(TABLE, TABLE.used_on(on), Question(**an_adult()), empty, on)
        assert [each.unit for each in proposals[0].providers] == [AWO, CARITAS]


def test_without_taking_turns_the_order_is_the_same_every_day() -> None:
    """By the units' ids."""
    providers = TABLE.providers.model_copy(update={"order": (RankedBy.WISH,)})
    table = TABLE.model_copy(update={"providers": providers})
    for day in range(3):
        on = TODAY + timedelta(days=day)
        proposals = propose(table, table.used_on(on), Question(**an_adult()), UNITS, on)
        assert [each.unit for each in proposals[0].providers] == [AWO, CARITAS]


questions = st.builds(
    Question,
    consent=st.sampled_from(ConsentAnswer),
    danger=st.frozensets(st.sampled_from(Danger), max_size=2) | st.just(frozenset()),
    age=st.none() | st.integers(0, OLDEST),
    unaccompanied=st.sampled_from(Stated),
    status=st.sampled_from(StatusGroup),
    declined_by=st.frozensets(st.sampled_from([ServiceType.MBE, ServiceType.JMD, ServiceType.MFD])),
    wish=st.none() | st.sampled_from(ServiceType),
    own_children=st.sampled_from(Stated),
    household_spans_27=st.sampled_from(Stated),
    months_since_arrival=st.none() | st.integers(0, 600),
    first_title=st.none() | st.sampled_from(["2014-01", "2025-03", "2025-04", "2026-11"]),
    regime=st.sampled_from(BenefitRegime),
    able_to_work=st.sampled_from(Stated),
    concerns=st.frozensets(st.sampled_from(Concern), max_size=4),
    course=st.sampled_from(CourseRight),
    wished_unit=st.none() | st.sampled_from([AWO, CARITAS, JMD]),
    language=st.none() | st.sampled_from(["de", "ar", "tr", "ti"]),
    named_units=st.frozensets(st.sampled_from([AWO, CARITAS, JMD])),
    silent_units=st.frozensets(st.sampled_from([AWO, CARITAS, JMD])),
)


@given(
    question=questions,
    on=st.dates(date(2014, 1, 8), date(2040, 1, 1)),
    providers=st.permutations(UNITS).flatmap(lambda units: st.sampled_from([units, units[:1], []])),
)
@settings(max_examples=500, deadline=None)
def test_every_question_has_an_answer_and_always_the_same(
    question: Question, on: date, providers: list[Provider]
) -> None:
    """Never empty; in whatever order the units are known; nothing is referred against the person's word."""
    proposals = propose(TABLE, TABLE.used_on(on), question, providers, on)
    assert proposals
    assert all(each.reasons for each in proposals)
    assert len({(each.kind, each.to) for each in proposals if each.to is not None}) == len(
        [each for each in proposals if each.to is not None]
    )
    assert proposals == propose(TABLE, TABLE.used_on(on), question, providers[::-1], on)
    for each in proposals:
        if each.kind is REFER:
            assert not question.danger
            assert question.consent is not ConsentAnswer.REFUSED
            assert each.providers
            assert not {unit.unit for unit in each.providers} & question.silent_units
            if question.consent is ConsentAnswer.GIVEN:
                assert {unit.unit for unit in each.providers} <= question.named_units


def test_religion_and_nationality_are_no_words_of_a_question_or_a_table() -> None:
    """Neither as a field nor as a code."""
    codes = (StatusGroup, BenefitRegime, Concern, CourseRight, Danger, Stated, RankedBy)
    words = {*Question.__dataclass_fields__, *(code.value for each in codes for code in each)}
    for forbidden in (
        "relig",
        "faith",
        "church",
        "national",
        "citizen",
        "origin",
        "ethnic",
        "undocumented",
        "sex",
        "gender",
    ):
        assert not [word for word in words if forbidden in word]


def test_the_table_knows_every_service_type_that_a_unit_of_koblenz_gives() -> None:
    """So that no unit of the agreement can never be proposed."""
    given_here = {
        service_type
        for unit in load_partners(ROOT / "deploy" / "partners").units.values()
        for service_type in unit.service_types
        if service_type in (ServiceType.MBE, ServiceType.JMD, ServiceType.MFD)
    }
    assert given_here <= {place.code for place in TABLE.places}

"""Members of a household are linked by the unit that refers them; each service knows of those whom it got."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, cast

import httpx2
import pytest

from schemas import CaseId, CooperationEvent, CooperationLinked, Event, ReferralLinked, UnitId
from schemas.codes import DataCategory, Scope
from services.referral.app import SERVICE
from tests.conftest import CreateDatabase
from tests.harness import running
from tests.referral.builders import (
    AWO,
    CARITAS_JMD,
    CARITAS_MBE,
    CITY,
    JOBCENTER,
    Lotse,
    a_case,
    a_consent,
    a_feedback,
    adopt,
    erased,
    is_problem,
    withdrawn,
)
from tests.referral.working_together import PART, Table, agreed, all_three


async def link(lotse: Lotse, *cases: CaseId, unit: str = CITY, **headers: str) -> httpx2.Response:
    """Say that these are one household."""
    body = {"case_refs": [lotse.case_ref(each, unit) for each in cases]}
    return cast(httpx2.Response, await lotse.post("/v1/households", body, unit=unit, role="clerk", **headers))


async def linked(lotse: Lotse, *cases: CaseId, unit: str = CITY) -> str:
    """The same, where it is taken; returns the household's reference."""
    answer = await link(lotse, *cases, unit=unit)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/v1/households/{answer.json()['household_ref']}"
    return str(answer.json()["household_ref"])


async def read(lotse: Lotse, household_ref: str, unit: str = CITY) -> httpx2.Response:
    """Look it up."""
    return await lotse.get(f"/v1/households/{household_ref}", unit=unit)


async def members(lotse: Lotse, household_ref: str, unit: str = CITY) -> set[str]:
    """Whom a unit sees in it."""
    answer = await read(lotse, household_ref, unit)
    assert answer.status_code == 200, answer.text
    return set(answer.json()["case_refs"])


async def referred(lotse: Lotse, case_id: CaseId, unit: UnitId = AWO, by: UnitId = CITY, **changes: Any) -> str:
    """A referral that is under way, with a consent that names the household; returns its id."""
    said = {"data_categories": (DataCategory.IDENTITY, DataCategory.HOUSEHOLD), **changes}
    await lotse.running.feed(a_consent(case_id, from_unit=by, to_unit=unit, **said))
    answer = await lotse.request(case_id, await lotse.offer(unit), unit=by)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["referral_id"])


async def a_family(lotse: Lotse, size: int = 2) -> tuple[list[CaseId], list[str]]:
    """Persons whom the City refers to AWO, and their referrals."""
    cases = [a_case() for _ in range(size)]
    return cases, [await referred(lotse, each) for each in cases]


async def links(lotse: Lotse) -> list[ReferralLinked]:
    """What was told of households to services."""
    return [each for each in await lotse.told() if isinstance(each, ReferralLinked)]


async def test_a_household_is_told_to_the_service_of_each_of_its_members(lotse: Lotse) -> None:
    """Both parties see it on the referral, each by a reference of its own; no event says who else belongs to it."""
    cases, referrals = await a_family(lotse)
    household_ref = await linked(lotse, *cases)
    told = await links(lotse)
    assert {each.case_id for each in told} == set(cases)
    assert len({each.household_id for each in told}) == 1
    assert {(each.from_unit, each.to_unit, each.acted_by) for each in told} == {(CITY, AWO, "stadt-koblenz")}
    own = lotse.running.reference("awo-rheinland", told[0].household_id)
    assert own != household_ref
    for referral_id in referrals:
        assert (await lotse.seen(referral_id))["household_ref"] == household_ref
        assert (await lotse.seen(referral_id, AWO))["household_ref"] == own
    assert await members(lotse, household_ref) == {lotse.case_ref(each, CITY) for each in cases}
    assert await members(lotse, own, AWO) == {lotse.case_ref(each, AWO) for each in cases}
    for row in await lotse.running.outbox_rows():
        assert sum(str(each).encode() in row["value"] for each in cases) <= 1


async def test_a_service_knows_of_those_whom_it_got_and_no_more(lotse: Lotse) -> None:
    """The mother to AWO, the son to the youth service: two services cannot put a household together behind her back."""
    mother, son = a_case(), a_case()
    await referred(lotse, mother)
    await referred(lotse, son, CARITAS_JMD)
    household_ref = await linked(lotse, mother, son)
    [first, second] = await links(lotse)
    assert first.household_id == second.household_id
    own = {unit: lotse.running.reference(unit.partition("/")[0], first.household_id) for unit in (AWO, CARITAS_JMD)}
    assert len({household_ref, *own.values()}) == 3
    assert await members(lotse, own[AWO], AWO) == {lotse.case_ref(mother, AWO)}
    assert await members(lotse, own[CARITAS_JMD], CARITAS_JMD) == {lotse.case_ref(son, CARITAS_JMD)}
    for unit, of_another in ((AWO, household_ref), (AWO, own[CARITAS_JMD]), (JOBCENTER, own[AWO]), (CITY, own[AWO])):
        assert is_problem(await read(lotse, of_another, unit), 404, "not-found")
    assert is_problem(await read(lotse, own[CARITAS_JMD], CARITAS_MBE), 404, "not-found")


async def test_who_is_linked_anew_leaves_the_household_before(lotse: Lotse) -> None:
    """One alone is taken out; what is referred later is told of the household there is then."""
    (mother, son, daughter), referrals = await a_family(lotse, 3)
    before = await linked(lotse, mother, son, daughter)
    after = await linked(lotse, mother, daughter)
    assert await members(lotse, before) == {lotse.case_ref(son)}
    assert await members(lotse, after) == {lotse.case_ref(each) for each in (mother, daughter)}
    alone = await linked(lotse, mother)
    assert [(await lotse.seen(each))["household_ref"] for each in referrals] == [alone, before, after]
    await referred(lotse, daughter, CARITAS_MBE)
    *_, last = await links(lotse)
    assert (last.to_unit, last.case_id) == (CARITAS_MBE, daughter)
    assert lotse.running.reference("stadt-koblenz", last.household_id) == after
    assert (await lotse.kinds())[-2:] == ["requested", "linked"]


async def test_two_units_speak_of_households_of_their_own(lotse: Lotse) -> None:
    """What AWO says of persons whom it sends on changes nothing of what the City said."""
    cases, referrals = await a_family(lotse)
    of_the_city = await linked(lotse, *cases)
    onward = [await referred(lotse, each, CARITAS_MBE, by=AWO) for each in cases]
    assert len(await links(lotse)) == 2
    of_awo = await linked(lotse, *cases, unit=AWO)
    assert (await lotse.seen(onward[0], AWO))["household_ref"] == of_awo
    assert (await lotse.seen(referrals[0]))["household_ref"] == of_the_city
    assert await members(lotse, of_the_city) == {lotse.case_ref(each) for each in cases}


@pytest.mark.parametrize("gone", ["never", "rejected", "cancelled", "of-another"])
async def test_whom_the_unit_has_not_referred_it_links_with_nobody(lotse: Lotse, gone: str) -> None:
    """And the other is linked with nobody either."""
    (mother, *_), _ = await a_family(lotse, 1)
    other = a_case()
    if gone == "of-another":
        await referred(lotse, other, CARITAS_MBE, by=AWO)
    elif gone != "never":
        referral_id = await referred(lotse, other)
        ended = lotse.act(referral_id, "reject") if gone == "rejected" else lotse.act(referral_id, "cancel", unit=CITY)
        assert (await ended).status_code == 200
    assert is_problem(await link(lotse, mother, other), 409, "nothing-under-way", "case_refs")
    assert await links(lotse) == []
    assert await lotse.running.rows("select unit from referral.household") == []


async def test_that_a_service_is_done_does_not_show_in_what_may_be_linked(lotse: Lotse) -> None:
    """Without a feedback consent the sender knows that it arrived, and may link until it is told of the end."""
    cases = [a_case(), a_case()]
    silent, _ = [await referred(lotse, each) for each in cases]
    for act in ("accept", "start"):
        assert (await lotse.act(silent, act)).status_code == 200
    assert (await lotse.act(silent, "complete")).status_code == 200
    assert (await lotse.seen(silent))["state"] == "received"
    assert (await link(lotse, *cases)).status_code == 201
    assert {each.case_id: each.consent_id is None for each in await links(lotse)} == dict(
        zip(cases, (True, False), strict=True)
    )
    await lotse.running.feed(a_feedback(cases[0]), a_feedback(cases[0], Scope.FEEDBACK_OUTCOME))
    assert (await lotse.seen(silent))["state"] == "completed"
    assert is_problem(await link(lotse, *cases), 409, "nothing-under-way")


@pytest.mark.parametrize("ended", ["withdrawn", "rejected", "completed"])
async def test_a_service_that_is_out_sees_no_household_any_more(lotse: Lotse, ended: str) -> None:
    """Nor learns who joins it later; of another member whom it has it still sees."""
    mother, son = a_case(), a_case()
    consent = a_consent(mother, data_categories=(DataCategory.HOUSEHOLD,))
    first = await lotse.referral(mother, consent=consent)
    second = await referred(lotse, son)
    household_ref = await linked(lotse, mother, son)
    own = (await lotse.seen(first, AWO))["household_ref"]
    if ended == "withdrawn":
        await lotse.running.feed(withdrawn(consent))
    else:
        for act in ["reject"] if ended == "rejected" else ["accept", "start", "complete"]:
            assert (await lotse.act(first, act)).status_code == 200
    assert (await lotse.seen(first, AWO))["household_ref"] is None
    assert (await lotse.seen(second, AWO))["household_ref"] == own
    assert await members(lotse, own, AWO) == {lotse.case_ref(son, AWO)}
    assert (await lotse.act(second, "reject")).status_code == 200
    assert is_problem(await read(lotse, own, AWO), 404, "not-found")
    assert len(await members(lotse, household_ref)) == 2


async def test_an_erased_person_is_of_no_household(lotse: Lotse) -> None:
    """The others stay."""
    (mother, son), _ = await a_family(lotse)
    household_ref = await linked(lotse, mother, son)
    await lotse.running.feed(erased(mother))
    assert await members(lotse, household_ref) == {lotse.case_ref(son)}
    assert is_problem(await link(lotse, mother, son), 409, "nothing-under-way")
    await lotse.running.feed(erased(son))
    assert is_problem(await read(lotse, household_ref), 404, "not-found")


@pytest.mark.parametrize("lets_it_be_told", [(), (DataCategory.IDENTITY, DataCategory.AGE)])
async def test_a_person_who_has_not_said_yes_to_it_is_linked_with_nobody(lotse: Lotse, lets_it_be_told: Any) -> None:
    """Whatever else is consented to; then a consent of its own is enough, and it alone is shown."""
    mother, son = a_case(), a_case()
    first = await referred(lotse, mother)
    second = await referred(lotse, son, data_categories=lets_it_be_told)
    assert is_problem(await link(lotse, mother, son), 409, "no-consent", "case_refs")
    assert await links(lotse) == []
    assert await lotse.running.rows("select unit from referral.household") == []
    named = a_consent(son, data_categories=(DataCategory.HOUSEHOLD,))
    await lotse.running.feed(named)
    await linked(lotse, mother, son)
    assert {each.consent_id for each in await links(lotse)} >= {named.consent_id}
    own = (await lotse.seen(second, AWO))["household_ref"]
    assert (await lotse.seen(first, AWO))["household_ref"] == own is not None
    await lotse.running.feed(withdrawn(named))
    assert ((await lotse.seen(second, AWO))["state"], (await lotse.seen(second, AWO))["household_ref"]) == (
        "requested",
        None,
    )
    assert await members(lotse, own, AWO) == {lotse.case_ref(mother, AWO)}
    assert (await link(lotse, son)).status_code == 201
    assert (await lotse.seen(first, AWO))["household_ref"] == own


async def test_of_two_services_only_that_one_hears_of_it_for_whom_the_person_allows_it(lotse: Lotse) -> None:
    """Also when the referral comes later."""
    mother, son = a_case(), a_case()
    for each in (mother, son):
        await referred(lotse, each)
    silent = await referred(lotse, mother, CARITAS_MBE, data_categories=(DataCategory.IDENTITY,))
    await linked(lotse, mother, son)
    later = await referred(lotse, son, CARITAS_MBE, data_categories=(DataCategory.IDENTITY,))
    for each in (silent, later):
        assert (await lotse.seen(each, CARITAS_MBE))["household_ref"] is None
        assert (await lotse.seen(each))["household_ref"] is not None
    told = {(each.to_unit, each.consent_id is not None) for each in await links(lotse)}
    assert told == {(AWO, True), (CARITAS_MBE, False)}


@pytest.mark.parametrize(
    ("case_refs", "code"),
    [([], "not-valid"), (["0" * 31], "not-valid"), (["0" * 32] * 21, "not-valid"), (["0" * 32] * 2, "person-twice")],
)
async def test_wrong_persons_are_named(lotse: Lotse, case_refs: Any, code: str) -> None:
    """None, too many, no reference, the same one twice."""
    answer = await lotse.post("/v1/households", {"case_refs": case_refs}, unit=CITY, role="clerk")
    assert is_problem(answer, 422, code)
    assert "case_refs" in answer.json()["errors"][0]["field"]


async def test_a_repeated_link_makes_one_household(lotse: Lotse) -> None:
    """By Idempotency-Key."""
    cases, _ = await a_family(lotse)
    first, second = [await link(lotse, *cases, Idempotency_Key="once") for _ in range(2)]
    assert second.headers["Idempotency-Replayed"] == "true"
    assert (first.json(), first.headers["location"]) == (second.json(), second.headers["location"])
    assert len(await links(lotse)) == 2
    await linked(lotse, *cases)
    third = await link(lotse, *cases, Idempotency_Key="once")
    assert (third.status_code, third.json()["case_refs"]) == (201, [])
    assert third.json()["household_ref"] == first.json()["household_ref"]


async def test_two_who_link_the_same_persons_at_once_leave_one_household(lotse: Lotse) -> None:
    """Whoever comes last; the cases are locked in one order."""
    cases, referrals = await a_family(lotse, 4)
    for _ in range(5):
        answers = await asyncio.gather(link(lotse, *cases), link(lotse, *reversed(cases)))
        assert [each.status_code for each in answers] == [201, 201]
        assert len({(await lotse.seen(each))["household_ref"] for each in referrals}) == 1


async def test_a_withdrawal_that_meets_the_link_ends_before_it_or_is_told_after_it(lotse: Lotse) -> None:
    """Never is a household told on a referral that is over."""
    for _ in range(5):
        mother, son = a_case(), a_case()
        consent = a_consent(mother, data_categories=(DataCategory.HOUSEHOLD,))
        referral_id = await lotse.referral(mother, consent=consent)
        await referred(lotse, son)
        answer, _ = await asyncio.gather(link(lotse, mother, son), lotse.running.feed(withdrawn(consent)))
        assert answer.status_code in (201, 409)
        told = [each for each in await lotse.told() if getattr(each, "referral_id", None) is not None]
        kinds = [each.event_type for each in told if str(each.model_dump()["referral_id"]) == referral_id]
        assert kinds[-1] == "lotse.referral.ended.v1"


async def test_a_restored_database_has_the_households_from_the_bus(
    lotse: Lotse, create_database: CreateDatabase, tmp_path: Path
) -> None:
    """As they were said last; a link of a referral that is not known is lost."""
    (mother, son, daughter), referrals = await a_family(lotse, 3)
    await linked(lotse, mother, son, daughter)
    await linked(lotse, daughter, son)
    offers = await lotse.running.published()
    told = await lotse.told()
    async with running(SERVICE, tmp_path / "empty", await create_database("referral")) as service:
        forgetful = Lotse(service)
        assert await adopt(forgetful, told[-1:]) == [False]
        assert all(await adopt(forgetful, [*offers, *told]))
        before, *after = [(await forgetful.seen(each))["household_ref"] for each in referrals]
        assert await members(forgetful, before) == {forgetful.case_ref(mother)}
        assert after[0] == after[1]
        assert await members(forgetful, after[0]) == {forgetful.case_ref(each) for each in (son, daughter)}


# One case lead


async def leads(table: Table, unit: str = AWO) -> tuple[str | None, dict[str, str | None]]:
    """The case lead, and whom each has named, as a unit sees it."""
    seen = await table.seen(unit)
    return seen["case_lead"], {each["unit"]: each["names_as_lead"] for each in seen["participants"]}


NAMED = {"data_categories": (DataCategory.HOUSEHOLD,)}


async def a_linked_pair(lotse: Lotse) -> tuple[Table, Table, str]:
    """Two cases at which AWO and the Jobcenter work together, one household."""
    first, second = await agreed(lotse, **NAMED), await agreed(lotse, **NAMED)
    household_ref = await linked(lotse, first.case_id, second.case_id, unit=AWO)
    return first, second, household_ref


async def test_a_lead_is_agreed_when_all_name_the_same(lotse: Lotse) -> None:
    """And is not any more when one of them changes its mind."""
    table = await agreed(lotse)
    assert await leads(table) == (None, {AWO: None, JOBCENTER: None})
    await table.done("lead", {"unit": AWO})
    assert await leads(table, JOBCENTER) == (None, {AWO: AWO, JOBCENTER: None})
    await table.done("lead", {"unit": JOBCENTER}, unit=JOBCENTER)
    assert (await leads(table))[0] is None
    assert (await table.done("lead", {"unit": AWO}, unit=JOBCENTER))["case_lead"] == AWO
    assert (await leads(table, JOBCENTER))[0] == AWO
    assert (await table.done("lead", {"unit": JOBCENTER}))["case_lead"] is None
    assert (await table.kinds())[2:] == ["lead_named"] * 4


async def test_who_joins_names_the_lead_too(lotse: Lotse) -> None:
    """Until then there is none; nor when the lead leaves."""
    table = await agreed(lotse)
    for unit in (AWO, JOBCENTER):
        await table.done("lead", {"unit": JOBCENTER}, unit=unit)
    await table.allow((AWO, CARITAS_MBE), (CARITAS_MBE, AWO))
    assert (await leads(table))[0] == JOBCENTER
    three = await all_three(lotse, everybody_hears=True)
    for unit in (AWO, JOBCENTER):
        await three.done("lead", {"unit": JOBCENTER}, unit=unit)
    assert (await leads(three))[0] is None
    assert (await three.done("lead", {"unit": JOBCENTER}, unit=CARITAS_MBE))["case_lead"] == JOBCENTER
    await three.done("end", {"reason": "moved-away"}, unit=JOBCENTER)
    assert (await leads(three))[0] is None
    for unit in (AWO, CARITAS_MBE):
        await three.done("lead", {"unit": AWO}, unit=unit)
    assert (await leads(three, CARITAS_MBE))[0] == AWO


async def test_a_lead_is_seen_by_whom_all_who_named_it_may_tell(lotse: Lotse) -> None:
    """The proposer hears both; two that were asked do not hear each other, and so see no agreed lead."""
    table = await all_three(lotse)
    for unit in (AWO, JOBCENTER, CARITAS_MBE):
        await table.done("lead", {"unit": AWO}, unit=unit)
    assert await leads(table) == (AWO, {AWO: AWO, JOBCENTER: AWO, CARITAS_MBE: AWO})
    assert await leads(table, CARITAS_MBE) == (AWO, {AWO: AWO, JOBCENTER: None, CARITAS_MBE: AWO})
    assert is_problem(await table.act("lead", {"unit": CARITAS_MBE}, unit=JOBCENTER), 409, "not-taking-part", "unit")


async def test_a_household_has_one_lead_named_at_once_for_all_its_cases(lotse: Lotse) -> None:
    """Whichever of its cooperations it is said in; in another household it is agreed anew."""
    first, second, _ = await a_linked_pair(lotse)
    await first.done("lead", {"unit": AWO})
    assert (await second.done("lead", {"unit": AWO}, unit=JOBCENTER))["case_lead"] == AWO
    assert (await leads(first))[0] == AWO
    assert (await first.kinds())[-4:] == ["lead_named"] * 4
    await linked(lotse, first.case_id, unit=AWO)
    assert ((await leads(first)), (await leads(second))[0]) == ((None, {AWO: None, JOBCENTER: None}), AWO)


async def test_the_lead_of_a_household_takes_part_in_each_case_of_who_names_it(lotse: Lotse) -> None:
    """Caritas takes part in one only."""
    first, second = await all_three(lotse, **NAMED), await agreed(lotse, **NAMED)
    await linked(lotse, first.case_id, second.case_id, unit=AWO)
    assert is_problem(await first.act("lead", {"unit": CARITAS_MBE}), 409, "not-taking-part", "unit")
    assert is_problem(await second.act("lead", {"unit": CITY}), 409, "not-taking-part", "unit")
    assert (await first.kinds())[-1] == "linked"
    await first.done("lead", {"unit": CARITAS_MBE}, unit=CARITAS_MBE)
    await first.done("lead", {"unit": JOBCENTER})
    assert (await leads(second))[1] == {AWO: JOBCENTER, JOBCENTER: None}


async def test_cooperations_are_linked_like_referrals(lotse: Lotse) -> None:
    """Those asked learn it with the proposal; who is not of the partner that says so sees its own members."""
    first, second, household_ref = await a_linked_pair(lotse)
    told = [each for each in await lotse.told() if isinstance(each, CooperationLinked)]
    assert {(each.case_id, each.unit, each.units) for each in told} == {
        (each.case_id, AWO, (AWO, JOBCENTER)) for each in (first, second)
    }
    own = (await first.seen(JOBCENTER))["household_ref"]
    assert (await first.seen())["household_ref"] == household_ref != own
    assert await members(lotse, own, JOBCENTER) == {
        lotse.case_ref(each, JOBCENTER) for each in (first.case_id, second.case_id)
    }
    later = Table(lotse, case_id=first.case_id)
    await later.allow((AWO, CARITAS_MBE), (CARITAS_MBE, AWO), **NAMED)
    assert (await later.propose(CARITAS_MBE)).json()["household_ref"] == household_ref
    assert (await later.kinds())[-2:] == ["proposed", "linked"]
    asked = await later.seen(CARITAS_MBE)
    assert await members(lotse, asked["household_ref"], CARITAS_MBE) == {lotse.case_ref(first.case_id, CARITAS_MBE)}
    await later.done("decline", {"reason": "other"}, unit=CARITAS_MBE)
    assert (await later.seen(CARITAS_MBE))["household_ref"] is None
    assert is_problem(await read(lotse, asked["household_ref"], CARITAS_MBE), 404, "not-found")


async def test_a_household_is_not_seen_without_the_consent_that_names_it(lotse: Lotse) -> None:
    """It ran out a moment ago, and nobody has said so yet; the cooperation goes on by another."""
    first = await agreed(lotse)
    await first.allow((AWO, JOBCENTER), valid_until=datetime.now(UTC) + timedelta(days=1), **NAMED)
    await linked(lotse, first.case_id, unit=AWO)
    own = (await first.seen(JOBCENTER))["household_ref"]
    assert own is not None
    await lotse.running.move_clock(timedelta(days=2))
    assert (await first.seen(JOBCENTER))["household_ref"] is None
    assert (await first.seen())["household_ref"] is not None
    assert is_problem(await read(lotse, own, JOBCENTER), 404, "not-found")


async def test_who_may_not_know_of_the_household_names_a_lead_for_one_case(lotse: Lotse) -> None:
    """Nor learns of it by what is refused; the proposer's word counts everywhere, and so there is one lead or none."""
    first, second = await agreed(lotse, JOBCENTER), await all_three(lotse, **NAMED)
    await second.done("end", {"reason": "other"}, unit=JOBCENTER)
    third = await agreed(lotse, JOBCENTER)
    await first.allow((AWO, CARITAS_MBE), **NAMED)
    await third.allow((AWO, CARITAS_MBE), **NAMED)
    for table in (first, third):
        extra = Table(lotse, table.case_id, table.consents)
        await extra.propose(CARITAS_MBE)
    await linked(lotse, first.case_id, second.case_id, third.case_id, unit=AWO)
    assert (await first.seen(JOBCENTER))["household_ref"] is None
    await first.done("lead", {"unit": JOBCENTER}, unit=JOBCENTER)
    assert (await leads(third))[1] == {AWO: None, JOBCENTER: None}
    assert is_problem(await first.act("lead", {"unit": JOBCENTER}), 409, "not-taking-part", "unit")
    await first.done("lead", {"unit": AWO})
    assert (await leads(third))[1] == {AWO: AWO, JOBCENTER: None}


async def test_leads_and_links_come_back_after_a_restore(lotse: Lotse) -> None:
    """In the order in which they were said: a link makes void what was named before it."""
    first, second, _ = await a_linked_pair(lotse)
    for unit in (AWO, JOBCENTER):
        await first.done("lead", {"unit": AWO}, unit=unit)
    await linked(lotse, second.case_id, unit=AWO)
    before = [await each.seen() for each in (first, second)]
    told: list[Event] = [each for each in await lotse.told() if isinstance(each, CooperationEvent)]
    async with lotse.running.context.database.transaction() as conn:
        await conn.execute("delete from referral.cooperation")
        await conn.execute("delete from referral.household")
    assert await adopt(lotse, told[-1:]) == [False]
    assert all(await adopt(lotse, told))
    after = [await each.seen() for each in (first, second)]
    for shown in (*before, *after):
        del shown["proposed_at"]
        for each in shown["participants"]:
            each["responsible"] = None
    assert after == before


ACTS = ("link", "propose", "leave", *["agree"] * 3, *["name"] * 14)


@pytest.mark.parametrize("seed", range(4))
async def test_a_household_never_has_two_leads_whatever_is_done(lotse: Lotse, seed: int) -> None:
    """Three persons, three services, any order; the proposer hears everybody and so would see a second lead."""
    chance = Random(seed)  # noqa: S311 - a test's dice
    others = (JOBCENTER, CARITAS_MBE)
    tables = people = [await all_three(lotse, everybody_hears=True, **NAMED) for _ in range(3)]
    await linked(lotse, *(each.case_id for each in people), unit=AWO)
    agreed_leads = 0
    for _ in range(60):
        act, table, unit = chance.choice(ACTS), chance.choice(tables), chance.choice((AWO, *others))
        if act == "link":
            chosen = chance.sample(people, chance.randint(2, 3))
            answer = await link(lotse, *(each.case_id for each in chosen), unit=AWO)
        elif act == "propose":
            table = Table(lotse, chance.choice(people).case_id)
            answer = await table.propose(*chance.sample(others, chance.randint(1, 2)))
            tables = [*tables, table]
        else:
            said: dict[str, Any] = {"name": {"unit": chance.choice((AWO, JOBCENTER))}, "agree": PART, "leave": {}}
            place = {"name": "lead", "agree": "agree", "leave": "end"}[act]
            unit = JOBCENTER if act == "leave" else unit
            answer = await table.act(place, said[act] or {"reason": "other"}, unit=unit)
        assert answer.status_code in (200, 201, 404, 409), answer.text
        shown = [await each.seen() for each in tables]
        leads_of: dict[str, set[str]] = {}
        for each in shown:
            if each["case_lead"] is not None:
                leads_of.setdefault(each["household_ref"], set()).add(each["case_lead"])
                agreed_leads += 1
        assert all(len(each) == 1 for each in leads_of.values()), leads_of
    assert agreed_leads

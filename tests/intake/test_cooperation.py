"""Each unit of a cooperation records its own consents by it: the ones it needs to answer and to go on."""

from typing import Any

import pytest

from schemas import CaseId, ConsentGiven, CooperationEvent
from tests.harness import REFERRAL
from tests.intake.builders import AWO, CARITAS_MBE, CITY, JOBCENTER, Desk, a_consent, problem, signed
from tests.schemas.samples import a


def back(from_unit: str = JOBCENTER, to_unit: str = AWO, **changes: Any) -> dict[str, Any]:
    """The Jobcenter may tell AWO."""
    changes = {"scope": "cooperation", "data_categories": [], **changes}
    return a_consent(from_unit=from_unit, to_unit=to_unit, **changes)


def event(name: str, case_id: CaseId, **changes: Any) -> CooperationEvent:
    """What the referral service says of the one cooperation of these tests."""
    said: CooperationEvent = a(f"lotse.cooperation.{name}.v1", case_id=case_id, **changes)
    return said


async def proposed(desk: Desk) -> tuple[CaseId, str]:
    """AWO, which registered the person, asks the Jobcenter and Caritas; returns the case and where to record."""
    case_id = desk.case_id(await desk.register(AWO), AWO)
    said = event("proposed", case_id)
    await desk.intake.feed(said, source=REFERRAL)
    return case_id, f"/v1/cooperations/{said.cooperation_id}/consents"


async def test_a_unit_that_is_asked_records_its_consent_back(desk: Desk) -> None:
    """In its own name, for a person that another unit registered; it reads it by its own reference of the case."""
    case_id, path = await proposed(desk)
    answer = await desk.post(JOBCENTER, path, signed(back(), back(to_unit=CARITAS_MBE)))
    assert answer.status_code == 201, answer.text
    consents = answer.json()["consents"]
    assert consents[0]["case_ref"] == desk.intake.reference("jobcenter-koblenz", case_id)
    given = [each for each in await desk.intake.published() if isinstance(each, ConsentGiven)]
    assert [(each.from_unit, each.to_unit, each.acted_by) for each in given] == [
        (JOBCENTER, AWO, "jobcenter-koblenz"),
        (JOBCENTER, CARITAS_MBE, "jobcenter-koblenz"),
    ]
    withdrawn = await desk.withdraw(consents[0]["consent_ref"], JOBCENTER)
    assert withdrawn.json()["state"] == "withdrawn"


@pytest.mark.parametrize(
    ("consent", "status", "code", "field"),
    [
        (back(scope="transfer", data_categories=["identity"]), 422, "not-cooperation", "scope"),
        (back(scope="feedback-status"), 422, "not-cooperation", "scope"),
        (back(to_unit=CITY), 422, "not-in-cooperation", "to_unit"),
        (back(from_unit=AWO, to_unit=CARITAS_MBE), 403, "not-your-unit", "from_unit"),
        (back(to_unit=JOBCENTER), 422, "same-partner", "to_unit"),
    ],
)
async def test_nothing_else_is_recorded_by_it(
    desk: Desk, consent: dict[str, Any], status: int, code: str, field: str
) -> None:
    """Another purpose, another unit, or in another's name."""
    _, path = await proposed(desk)
    fields = problem(await desk.post(JOBCENTER, path, signed(consent)), status, code)
    assert any(field in each for each in fields)
    assert await desk.published_types("lotse.consent") == []


async def test_whoever_has_no_part_finds_nothing(desk: Desk) -> None:
    """Neither a stranger, nor who declined or left, nor anybody once it is over or the person is erased."""
    case_id, path = await proposed(desk)
    problem(await desk.post(CITY, path, signed(back(CITY))), 404, "not-found")
    declined = event("declined", case_id, unit=CARITAS_MBE)
    await desk.intake.feed(declined, source=REFERRAL)
    problem(await desk.post(CARITAS_MBE, path, signed(back(CARITAS_MBE))), 404, "not-found")
    assert (await desk.post(JOBCENTER, path, signed(back()))).status_code == 201
    await desk.intake.feed(event("left", case_id, unit=JOBCENTER), source=REFERRAL)
    problem(await desk.post(JOBCENTER, path, signed(back())), 404, "not-found")


@pytest.mark.parametrize("end", ["lapsed", "ended"])
async def test_what_is_over_is_forgotten_here(desk: Desk, end: str) -> None:
    """Nothing is told of it any more, so nobody needs a consent for it."""
    case_id, path = await proposed(desk)
    await desk.intake.feed(event("agreed", case_id), event(end, case_id), source=REFERRAL)
    problem(await desk.post(JOBCENTER, path, signed(back())), 404, "not-found")
    assert await desk.intake.rows("select units from intake.cooperation") == []


async def test_no_consent_is_recorded_for_an_erased_person(desk: Desk) -> None:
    """Also before the referral service has ended the cooperation."""
    case_id, path = await proposed(desk)
    case_ref = desk.intake.reference("awo-rheinland", case_id)
    assert (await desk.post(AWO, f"/v1/persons/{case_ref}/erase", {})).status_code == 200
    problem(await desk.post(JOBCENTER, path, signed(back())), 404, "not-found")

"""Who was told of an end, and what each partner did then, as units may see it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from schemas import CaseId, ConsentId, EventId, PartnerSlug, RecallAcknowledged, RecallOpened, new_id
from schemas.codes import RecallAction
from tests.harness import Running
from tests.intake.builders import AWO, CARITAS_MBE, CITY, Desk

NOTIFIER = "/koblenz/notifier/1"
AWO_PARTNER = PartnerSlug("awo-rheinland")


def opened(case_id: CaseId, consent_id: ConsentId | None) -> RecallOpened:
    """AWO is asked."""
    return RecallOpened(
        partner=AWO_PARTNER,
        event_id=EventId(new_id()),
        closing_type="lotse.consent.withdrawn.v1" if consent_id else "lotse.person.erased.v1",
        case_id=case_id,
        consent_id=consent_id,
        due_at=datetime.now(UTC) + timedelta(days=7),
    )


async def seen(desk: Desk, unit: str, path: str) -> list[dict[str, Any]]:
    """What a unit reads there."""
    answer = await desk.intake.client.get(path, headers=desk.intake.headers(unit, "clerk"))
    assert answer.status_code == 200, answer.text
    propagation: list[dict[str, Any]] = answer.json()["propagation"]
    return propagation


async def test_a_consents_two_units_see_who_was_told_and_what_was_done(intake: Running) -> None:
    """Empty before the end; then who was told when and until when; then the answer. Under each unit's reference."""
    desk = Desk(intake)
    _, _, [consent] = await desk.a_referred_person()
    consent_id = ConsentId(intake.context.references.resolve("stadt-koblenz", consent))
    [row] = await intake.rows("select case_id from intake.consent where consent_id = $1", consent_id)
    by_awo = intake.reference(AWO_PARTNER, consent_id)
    assert await seen(desk, CITY, f"/v1/consents/{consent}/propagation") == []

    recall = opened(CaseId(row["case_id"]), consent_id)
    await intake.feed(recall, source=NOTIFIER)
    for unit, reference in ((CITY, consent), (AWO, by_awo)):
        [told] = await seen(desk, unit, f"/v1/consents/{reference}/propagation")
        assert (told["partner"], told["consent_ref"], told["action"]) == (AWO_PARTNER, reference, None)
        assert told["deadline"] > told["delivered_at"]

    said = RecallAcknowledged(partner=AWO_PARTNER, event_id=recall.event_id, action=RecallAction.DELETED)
    await intake.feed(said, source=NOTIFIER)
    [told] = await seen(desk, CITY, f"/v1/consents/{consent}/propagation")
    assert (told["action"], told["acknowledged_at"] is not None) == ("deleted", True)


async def test_a_stranger_sees_nothing_of_it(intake: Running) -> None:
    """A unit that the consent does not name gets the answer of one that does not exist."""
    desk = Desk(intake)
    case_ref, _, [consent] = await desk.a_referred_person()
    for path in (f"/v1/consents/{consent}/propagation", f"/v1/persons/{case_ref}/propagation"):
        answer = await intake.client.get(path, headers=intake.headers(CARITAS_MBE, "clerk"))
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:lotse:problem:not-found")


async def test_the_unit_that_registered_an_erased_person_still_sees_who_has_answered(intake: Running) -> None:
    """Never consented, erased by the job after 72 hours: the record is gone, the duty to follow up is not."""
    desk = Desk(intake)
    case_ref = await desk.register(CITY)
    case_id = CaseId(desk.case_id(case_ref))
    await intake.move_clock(timedelta(hours=73))
    await intake.run_job("erase-never-consented")
    await intake.feed(opened(case_id, None), source=NOTIFIER)
    [told] = await seen(desk, CITY, f"/v1/persons/{case_ref}/propagation")
    assert (told["type"], told["consent_ref"]) == ("lotse.person.erased.v1", None)
    assert (
        await intake.client.get(f"/v1/persons/{case_ref}", headers=intake.headers(CITY, "clerk"))
    ).status_code == 404

"""Who looked at a record or a consent is noted; what nobody was shown is not."""

import pytest

from tests.intake.builders import AWO, CARITAS_MBE, CITY, Desk, a_consent, problem


async def noted(desk: Desk) -> list[tuple[str, str, list[str]]]:
    """The access log: unit, action, references."""
    rows = await desk.intake.rows("select unit, action, refs, subject from chassis.access order by at")
    assert {row["subject"] for row in rows} <= {"stadt-koblenz:counsellor", "awo-rheinland:counsellor"}
    return [(row["unit"], row["action"], row["refs"]) for row in rows]


async def test_looking_at_a_record_and_a_consent_is_noted(desk: Desk) -> None:
    """By both sides, each with its own reference of the case, and never with ours."""
    case_ref = await desk.register()
    [consent] = await desk.consent(case_ref)
    consent_id = desk.intake.context.references.resolve("stadt-koblenz", consent)
    theirs = desk.intake.reference("awo-rheinland", desk.case_id(case_ref))
    await desk.get(CITY, f"/v1/persons/{case_ref}")
    await desk.get(CITY, f"/v1/consents/{consent}")
    await desk.get(AWO, f"/v1/consents/{desk.intake.reference('awo-rheinland', consent_id)}")
    assert await noted(desk) == [
        (CITY, "read-person", [case_ref]),
        (CITY, "read-consent", [case_ref]),
        (AWO, "read-consent", [theirs]),
    ]
    [text] = await desk.intake.rows("select string_agg(access::text, ' ') as text from chassis.access")
    assert str(desk.case_id(case_ref)) not in text["text"]


async def test_what_was_refused_is_not_noted_as_read(desk: Desk) -> None:
    """Another's, one that does not exist, a wrong role."""
    case_ref = await desk.register()
    problem(await desk.get(CARITAS_MBE, f"/v1/persons/{case_ref}"), 404, "not-found")
    problem(await desk.get(CITY, f"/v1/consents/{'0' * 32}"), 404, "not-found")
    problem(await desk.get(CITY, f"/v1/persons/{case_ref}", role="coordinator"), 403, "role-missing")
    assert await noted(desk) == []


@pytest.mark.parametrize("what", ["persons", "consents"])
async def test_what_cannot_be_noted_is_not_shown(desk: Desk, what: str) -> None:
    """A log that fails is no reason to answer without it."""
    case_ref = await desk.register()
    [consent] = await desk.consent(case_ref, a_consent())
    async with desk.intake.context.database.transaction() as conn:
        await conn.execute("alter table chassis.access add check (unit = 'nobody')")
    answer = await desk.get(CITY, f"/v1/{what}/{case_ref if what == 'persons' else consent}")
    problem(answer, 500, "internal")
    assert case_ref not in answer.text

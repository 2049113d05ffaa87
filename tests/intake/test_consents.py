"""Recording and withdrawing consents."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from schemas import ConsentGiven, ConsentWithdrawn, ReferralCompleted, ReferralRejected
from schemas.codes import DataCategory, EndMode, Outcome, ReferralState, RejectionReason
from services.chassis.keys import lock_keys
from services.intake.commands.persons import case_key
from tests.conftest import eventually
from tests.harness import REFERRAL
from tests.intake.builders import (
    AWO,
    CARITAS_JMD,
    CARITAS_MBE,
    CITY,
    JOBCENTER,
    Desk,
    a_consent,
    a_referral,
    ended,
    in_days,
    moved,
    problem,
    signed,
)

FEEDBACK = {"from_unit": AWO, "to_unit": CITY, "scope": "feedback-status", "data_categories": []}


async def nothing_given(desk: Desk) -> bool:
    """Neither stored nor told; the person still counts as never having consented."""
    stored = await desk.intake.rows("select 1 from intake.consent")
    consented = await desk.intake.rows("select 1 from intake.person where first_consent_at is not null")
    return stored == consented == await desk.intake.published() == []


async def refused(desk: Desk, *consents: dict[str, Any], unit: str = CITY) -> Any:
    """The answer to consents that cannot be recorded; checks that nothing happened."""
    case_ref = await desk.register(unit)
    response = await desk.post(unit, f"/v1/persons/{case_ref}/consents", signed(*consents))
    assert await nothing_given(desk)
    return response


async def test_one_signature_records_and_tells_each_consent(desk: Desk) -> None:
    """Two consents, two events, in order, with what was shown and signed."""
    case_ref = await desk.register()
    until = in_days(100)
    wanted = [
        a_consent(data_categories=["contact", "identity", "contact"], valid_until=until),
        a_consent(scope="cooperation", to_unit=CARITAS_MBE, data_categories=[]),
    ]
    answer = await desk.post(CITY, f"/v1/persons/{case_ref}/consents", signed(*wanted, form="oral-documented"))
    assert answer.status_code == 201
    first, second = answer.json()["consents"]
    assert (first["state"], first["ended_at"], first["case_ref"]) == ("given", None, case_ref)
    assert (first["data_categories"], second["data_categories"]) == (["identity", "contact"], [])
    shown = first["notice"]
    assert (shown["version"], shown["language"], first["form"]) == ("2026-01", "de", "oral-documented")
    (kept,) = await desk.intake.rows("select title, text from intake.notice where sha256 = $1", shown["sha256"])
    assert kept["text"].startswith(f"# {kept['title']}")
    events = await desk.intake.published()
    assert [type(event) for event in events] == [ConsentGiven, ConsentGiven]
    given = events[0]
    assert isinstance(given, ConsentGiven)
    assert desk.intake.reference("stadt-koblenz", given.consent_id) == first["consent_ref"]
    assert given.case_id == desk.case_id(case_ref)
    assert (given.from_unit, given.to_unit, given.acted_by) == (CITY, AWO, "stadt-koblenz")
    assert given.data_categories == (DataCategory.IDENTITY, DataCategory.CONTACT)
    assert given.valid_until == datetime.fromisoformat(until)


async def test_the_same_request_again_gives_the_same_consents_and_no_second_event(desk: Desk) -> None:
    """The answer shows them as they are now."""
    case_ref, body, key = await desk.register(), signed(), str(uuid4())
    path = f"/v1/persons/{case_ref}/consents"
    first = await desk.post(CITY, path, body, key=key)
    await desk.withdraw(first.json()["consents"][0]["consent_ref"])
    again = await desk.post(CITY, path, body, key=key)
    assert again.status_code == 201
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json()["consents"][0]["consent_ref"] == first.json()["consents"][0]["consent_ref"]
    assert again.json()["consents"][0]["state"] == "withdrawn"
    assert await desk.published_types() == ["lotse.consent.given.v1", "lotse.consent.withdrawn.v1"]
    problem(await desk.post(CITY, path, signed(form="paper", consents=[]), key=key), 422, "not-valid")
    other = signed(a_consent(data_categories=["age"]))
    problem(await desk.post(CITY, path, other, key=key), 422, "idempotency-key-reused")


BROKEN_RULES: list[tuple[dict[str, Any], int, str, str]] = [
    ({"from_unit": JOBCENTER}, 403, "not-your-unit", "from_unit"),
    ({"to_unit": "awo-rheinland/jmd"}, 422, "unit-unknown", "to_unit"),
    ({"to_unit": CITY}, 422, "same-partner", "to_unit"),
    ({"data_categories": []}, 422, "no-data-category", "data_categories"),
    ({"valid_until": in_days(-1)}, 422, "not-in-future", "valid_until"),
    ({"valid_until": "0001-01-01T00:00:00+23:59"}, 422, "not-in-future", "valid_until"),
    ({"valid_until": in_days(367)}, 422, "valid-too-long", "valid_until"),
    ({"valid_until": "9999-12-31T23:59:59-23:59"}, 422, "valid-too-long", "valid_until"),
]


async def test_a_consent_that_breaks_a_rule_stops_all_of_the_signature(desk: Desk) -> None:
    """The answer names which and what; nothing is stored, nothing told."""
    for wrong, status, code, field in BROKEN_RULES:
        answer = await refused(desk, a_consent(scope="feedback-status"), a_consent(**wrong))
        assert problem(answer, status, code) == [f"consents.1.{field}"], wrong


WRONG_BODIES: list[tuple[dict[str, Any], str]] = [
    (signed(consents=[]), "consents"),
    (signed(*[a_consent()] * 11), "consents"),
    (signed(consents="all"), "consents"),
    (signed(a_consent(scope="everything")), "consents.0.scope"),
    (signed(a_consent(scope="unknown")), "consents.0.scope"),
    (signed(a_consent(data_categories=["religion"])), "consents.0.data_categories.0"),
    (signed(a_consent(data_categories="age")), "consents.0.data_categories"),
    (signed(a_consent(from_unit="AWO")), "consents.0.from_unit"),
    (signed(a_consent(to_unit="awo-rheinland/mbe\x00")), "consents.0.to_unit"),
    (signed(a_consent(valid_until="2027-01-01")), "consents.0.valid_until"),
    (signed(a_consent(valid_until="2027-02-30T00:00:00Z")), "consents.0.valid_until"),
    (signed(a_consent(valid_until="2027-01-01T00:00:00")), "consents.0.valid_until"),
    (signed(a_consent(valid_until=1_800_000_000)), "consents.0.valid_until"),
    (signed(a_consent(purpose="counselling")), "consents.0.purpose"),
    (signed(notice={"version": "2026-01"}), "notice.language"),
    (signed(notice={"version": "a b", "language": "ar"}), "notice.version"),
    (signed(form="nod"), "form"),
    (signed(signed_by="x"), "signed_by"),
]


async def test_a_wrong_body_names_its_field_and_records_nothing(desk: Desk) -> None:
    """Whatever is wrong with it."""
    case_ref = await desk.register()
    for body, field in WRONG_BODIES:
        answer = await desk.post(CITY, f"/v1/persons/{case_ref}/consents", body)
        assert problem(answer, 422, "not-valid") == [field], body
    assert await nothing_given(desk)


async def test_a_wrong_reference_is_no_reference(desk: Desk) -> None:
    """Too short, upper case, a UUID with hyphens."""
    for reference in ("0", "A" * 32, str(uuid4())):
        answer = await desk.post(CITY, f"/v1/persons/{reference}/consents", signed())
        assert problem(answer, 422, "not-valid") == ["case_ref"]
        assert problem(await desk.withdraw(reference), 422, "not-valid") == ["consent_ref"]
    answer = await desk.post(AWO, "/v1/referrals/7/consents", signed())
    assert problem(answer, 422, "not-valid") == ["referral_id"]


async def test_a_person_erased_while_a_consent_waits_for_the_lock_gets_none(desk: Desk) -> None:
    """The consent comes too late and is refused."""
    case_ref = await desk.register()
    case_id = desk.case_id(case_ref)
    async with desk.intake.context.database.transaction() as conn:
        await lock_keys(conn, [case_key(case_id)])
        consenting = asyncio.create_task(desk.post(CITY, f"/v1/persons/{case_ref}/consents", signed()))
        await eventually(lambda: someone_waits(desk))
        await conn.execute("update intake.person set erased_at = now(), erasure_reason = 'never-consented'")
    problem(await consenting, 404, "not-found")
    assert await nothing_given(desk)


async def test_a_consent_after_72_hours_comes_too_late_though_no_job_ran(desk: Desk) -> None:
    """Neither by the person's record nor by a referral; the person is then erased as announced."""
    case_ref = await desk.register()
    referral = await desk.refer(case_ref)
    await desk.intake.move_clock(timedelta(hours=72))
    body = signed(a_consent(valid_until=in_days(20)))
    problem(await desk.post(CITY, f"/v1/persons/{case_ref}/consents", body), 404, "not-found")
    body = signed(a_consent(**FEEDBACK | {"valid_until": in_days(20)}))
    problem(await desk.post(AWO, f"/v1/referrals/{referral}/consents", body), 404, "not-found")
    assert await nothing_given(desk)
    assert await desk.intake.run_job("erase-never-consented") == 1


async def someone_waits(desk: Desk) -> bool:
    """Whether a transaction in this database waits for a lock."""
    waiting = "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    return bool(await desk.intake.rows(waiting))


async def test_a_unit_cannot_speak_for_another_unit_of_its_partner(desk: Desk) -> None:
    """Caritas's youth service asks for itself."""
    answer = await refused(desk, a_consent(from_unit=CARITAS_MBE), unit=CARITAS_JMD)
    assert problem(answer, 403, "not-your-unit") == ["consents.0.from_unit"]


async def test_a_person_of_another_unit_cannot_be_asked_by_it(desk: Desk) -> None:
    """Caritas's youth service records nothing for a person its adult service registered, named either way."""
    case_ref = await desk.register(CARITAS_MBE)
    for from_unit in (CARITAS_JMD, CARITAS_MBE):
        body = signed(a_consent(from_unit=from_unit))
        answer = await desk.post(CARITAS_JMD, f"/v1/persons/{case_ref}/consents", body)
        problem(answer, 404, "not-found")
    assert await nothing_given(desk)


async def test_another_unit_gets_no_answer_by_repeating_a_consent(desk: Desk) -> None:
    """A key that one unit used is refused to another of the same partner."""
    case_ref, key = await desk.register(CARITAS_MBE), str(uuid4())
    path, body = f"/v1/persons/{case_ref}/consents", signed(a_consent(from_unit=CARITAS_MBE))
    assert (await desk.post(CARITAS_MBE, path, body, key=key)).status_code == 201
    problem(await desk.post(CARITAS_JMD, path, body, key=key), 422, "idempotency-key-reused")
    assert await desk.published_types() == ["lotse.consent.given.v1"]


async def test_a_consent_is_seen_by_its_two_units_only(desk: Desk) -> None:
    """Another unit of the sender or of the recipient gets what it would get for one that does not exist."""
    case_ref = await desk.register()
    (consent,) = await desk.consent(case_ref, a_consent(to_unit=CARITAS_MBE))
    consent_id = desk.intake.context.references.resolve("stadt-koblenz", consent)
    reference = desk.intake.reference("caritas-koblenz", consent_id)
    assert (await desk.get(CARITAS_MBE, f"/v1/consents/{reference}")).json()["to_unit"] == CARITAS_MBE
    hidden = await desk.get(CARITAS_JMD, f"/v1/consents/{reference}")
    unknown = await desk.get(CARITAS_JMD, f"/v1/consents/{'0' * 32}")
    problem(hidden, 404, "not-found")
    assert hidden.text == unknown.text


async def test_any_unit_of_either_partner_takes_a_withdrawal_and_learns_no_more_than_the_end(desk: Desk) -> None:
    """Whoever the person tells; also when it has ended already, and when the request is repeated."""
    for from_unit, to_unit in ((CITY, CARITAS_MBE), (CARITAS_MBE, AWO)):
        case_ref = await desk.register(from_unit)
        (given,) = await desk.consent(case_ref, a_consent(from_unit=from_unit, to_unit=to_unit), unit=from_unit)
        consent_id = desk.intake.context.references.resolve(from_unit.partition("/")[0], given)
        reference, key = desk.intake.reference("caritas-koblenz", consent_id), str(uuid4())
        path = f"/v1/consents/{reference}/withdraw"
        first = await desk.post(CARITAS_JMD, path, key=key)
        assert first.status_code == 200
        assert first.json() == {
            "consent_ref": reference, "state": "withdrawn", "ended_at": first.json()["ended_at"],
        }  # fmt: skip
        assert first.json()["ended_at"] is not None
        assert (await desk.post(CARITAS_JMD, path, key=key)).json() == first.json()
        assert (await desk.withdraw(reference, CARITAS_JMD)).json() == first.json()
        named = (await desk.withdraw(reference, CARITAS_MBE)).json()
        assert (named["to_unit"], named["ended_at"]) == (to_unit, first.json()["ended_at"])
        rows = await desk.intake.rows("select end_recorded_by from intake.consent order by given_at desc limit 1")
        assert rows[0]["end_recorded_by"] == CARITAS_JMD
    assert await desk.published_types("lotse.consent.w") == ["lotse.consent.withdrawn.v1"] * 2


async def test_another_unit_that_withdraws_what_has_expired_learns_when(desk: Desk) -> None:
    """As it stands, before any job ran, and nothing is told."""
    (consent,) = await desk.consent(
        await desk.register(CARITAS_MBE), a_consent(from_unit=CARITAS_MBE, valid_until=in_days(1)), unit=CARITAS_MBE
    )
    await desk.intake.move_clock(timedelta(days=1))
    shown = (await desk.get(CARITAS_MBE, f"/v1/consents/{consent}")).json()
    answer = (await desk.withdraw(consent, CARITAS_JMD)).json()
    assert answer == {"consent_ref": consent, "state": "expired", "ended_at": shown["valid_until"]}
    assert await desk.published_types() == ["lotse.consent.given.v1"]


async def test_the_same_consent_twice_in_one_request_is_refused(desk: Desk) -> None:
    """Taking one of them back would leave the other, which nobody would expect."""
    answer = await refused(desk, a_consent(), a_consent(data_categories=["age"]))
    assert problem(answer, 422, "consent-twice") == ["consents.1.scope"]


async def test_a_whole_year_is_not_too_long(desk: Desk) -> None:
    """Twelve months to the day."""
    case_ref = await desk.register()
    now = datetime.now(UTC)
    until = now.replace(year=now.year + 1) if (now.month, now.day) != (2, 29) else now + timedelta(days=365)
    assert len(await desk.consent(case_ref, a_consent(valid_until=until.isoformat()))) == 1


async def test_anothers_case_and_an_unknown_one_answer_alike(desk: Desk) -> None:
    """The City's reference means nothing at another partner, and the right reference of an unrelated one neither."""
    case_ref, unit = await desk.register(), AWO
    own_reference = desk.intake.reference("awo-rheinland", desk.case_id(case_ref))
    body = signed(a_consent(from_unit=unit, to_unit=CARITAS_MBE))
    texts = set()
    for reference in (case_ref, own_reference, "0" * 32):
        answer = await desk.post(unit, f"/v1/persons/{reference}/consents", body)
        problem(answer, 404, "not-found")
        texts.add(answer.text)
    assert len(texts) == 1
    assert await nothing_given(desk)


async def test_either_side_takes_a_withdrawal(desk: Desk) -> None:
    """A person tells whom she likes of the two; the event names nobody as acting."""
    for unit in (CITY, AWO):
        case_ref = await desk.register()
        (consent,) = await desk.consent(case_ref)
        consent_id = desk.intake.context.references.resolve("stadt-koblenz", consent)
        answer = await desk.withdraw(desk.intake.reference(unit.partition("/")[0], consent_id), unit)
        assert answer.status_code == 200
        assert answer.json()["state"] == "withdrawn"
        assert answer.json()["ended_at"] is not None
        event = (await desk.intake.published())[-1]
        assert isinstance(event, ConsentWithdrawn)
        assert (event.consent_id, event.acted_by) == (consent_id, None)


async def test_a_consent_withdrawn_twice_is_told_once(desk: Desk) -> None:
    """Also when ten people do it at the same moment."""
    (consent,) = await desk.consent(await desk.register())
    answers = await asyncio.gather(*(desk.withdraw(consent) for _ in range(10)))
    assert {(answer.status_code, answer.json()["state"]) for answer in answers} == {(200, "withdrawn")}
    assert len({answer.json()["ended_at"] for answer in answers}) == 1
    assert await desk.published_types("lotse.consent.w") == ["lotse.consent.withdrawn.v1"]


async def test_a_withdrawal_needs_no_body(desk: Desk) -> None:
    """Taking back is not harder than giving."""
    (consent,) = await desk.consent(await desk.register())
    path = f"/v1/consents/{consent}/withdraw"
    answer = await desk.intake.client.post(path, headers=desk.intake.headers(CITY, "commissioner"))
    assert answer.json()["state"] == "withdrawn"


async def test_a_consent_whose_time_is_over_reads_expired_before_any_job(desk: Desk) -> None:
    """And withdrawing it then changes and tells nothing."""
    (consent,) = await desk.consent(await desk.register(), a_consent(valid_until=in_days(1)))
    await desk.intake.move_clock(timedelta(days=1))
    shown = (await desk.get(CITY, f"/v1/consents/{consent}")).json()
    assert (shown["state"], shown["ended_at"]) == ("expired", shown["valid_until"])
    assert (await desk.withdraw(consent)).json() == shown
    assert await desk.published_types() == ["lotse.consent.given.v1"]


async def test_a_consent_is_seen_by_its_two_partners_only(desk: Desk) -> None:
    """Each under references of its own."""
    case_ref = await desk.register()
    (consent,) = await desk.consent(case_ref)
    consent_id = desk.intake.context.references.resolve("stadt-koblenz", consent)
    awos = desk.intake.reference("awo-rheinland", consent_id)
    shown = (await desk.get(AWO, f"/v1/consents/{awos}")).json()
    assert shown["consent_ref"] == awos
    assert shown["case_ref"] == desk.intake.reference("awo-rheinland", desk.case_id(case_ref))
    for reference in (consent, awos, desk.intake.reference("jobcenter-koblenz", consent_id)):
        problem(await desk.get(JOBCENTER, f"/v1/consents/{reference}"), 404, "not-found")
        problem(await desk.withdraw(reference, JOBCENTER), 404, "not-found")
    problem(await desk.get(AWO, f"/v1/consents/{consent}"), 404, "not-found")
    assert await desk.published_types() == ["lotse.consent.given.v1"]


async def test_the_service_of_a_referral_records_feedback_to_its_sender(desk: Desk) -> None:
    """Both feedback scopes with one signature, told as from the service to the City."""
    case_ref, referral, _ = await desk.a_referred_person()
    wanted = [a_consent(**FEEDBACK), a_consent(**FEEDBACK | {"scope": "feedback-outcome"})]
    answer = await desk.post(AWO, f"/v1/referrals/{referral}/consents", signed(*wanted, form="oral-documented"))
    assert answer.status_code == 201
    assert {each["case_ref"] for each in answer.json()["consents"]} == {
        desk.intake.reference("awo-rheinland", desk.case_id(case_ref))
    }
    events = [event for event in await desk.intake.published() if isinstance(event, ConsentGiven)][1:]
    assert [(event.scope, event.from_unit, event.to_unit) for event in events] == [
        ("feedback-status", AWO, CITY),
        ("feedback-outcome", AWO, CITY),
    ]


NO_FEEDBACK: list[tuple[dict[str, Any], int, str, str]] = [
    ({"scope": "transfer", "data_categories": ["age"]}, 422, "not-feedback", "scope"),
    ({"scope": "cooperation"}, 422, "not-feedback", "scope"),
    ({"to_unit": CARITAS_MBE}, 422, "not-back-to-sender", "to_unit"),
    ({"from_unit": CARITAS_MBE}, 403, "not-your-unit", "from_unit"),
]


async def test_for_a_referral_only_feedback_to_its_sender_can_be_given(desk: Desk) -> None:
    """Everything else goes the way of a person's own registration."""
    _, referral, _ = await desk.a_referred_person()
    for wrong, status, code, field in NO_FEEDBACK:
        body = signed(a_consent(**FEEDBACK | wrong))
        answer = await desk.post(AWO, f"/v1/referrals/{referral}/consents", body)
        assert problem(answer, status, code) == [f"consents.0.{field}"], wrong
    assert await desk.published_types() == ["lotse.consent.given.v1"]


async def test_feedback_is_for_referrals_that_go_on_or_were_completed(desk: Desk) -> None:
    """A rejected, cancelled or detached one has nothing left to tell."""
    case_ref = await desk.register()
    outcomes = []
    for step in (
        lambda referral: moved(referral, ReferralCompleted, ReferralState.COMPLETED, outcome=Outcome.ENROLLED),
        lambda referral: moved(referral, ReferralRejected, ReferralState.REJECTED, reason=RejectionReason.NO_CAPACITY),
        lambda referral: ended(referral, EndMode.CANCELLED),
        lambda referral: ended(referral, EndMode.DETACHED),
    ):
        referral = a_referral(desk.case_id(case_ref))
        await desk.intake.feed(referral, step(referral), source=REFERRAL)
        path = f"/v1/referrals/{referral.referral_id}/consents"
        outcomes.append(await desk.post(AWO, path, signed(a_consent(**FEEDBACK))))
    assert outcomes[0].status_code == 201
    for answer in outcomes[1:]:
        problem(answer, 409, "referral-ended")


async def test_feedback_for_a_referral_of_nobody_or_to_somebody_else_is_not_found(desk: Desk) -> None:
    """An unknown person, another unit's referral and an unknown referral look alike."""
    _, referral, _ = await desk.a_referred_person()
    of_nobody = a_referral(uuid4())
    await desk.intake.feed(of_nobody, source=REFERRAL)
    answers = await asyncio.gather(
        desk.post(AWO, f"/v1/referrals/{of_nobody.referral_id}/consents", signed(a_consent(**FEEDBACK))),
        desk.post(JOBCENTER, f"/v1/referrals/{referral}/consents", signed(a_consent(**FEEDBACK))),
        desk.post(AWO, f"/v1/referrals/{uuid4()}/consents", signed(a_consent(**FEEDBACK))),
    )
    for answer in answers:
        problem(answer, 404, "not-found")
    assert await desk.published_types() == ["lotse.consent.given.v1"]

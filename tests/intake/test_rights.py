"""Access, correction, erasure, legal holds: the rights of a person at the counter."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest

from schemas import (
    EVENTS,
    CaseEvent,
    CaseId,
    ConsentWithdrawn,
    EventId,
    PartnerInformed,
    PartnerSlug,
    PersonCorrected,
    PersonErased,
    new_id,
)
from schemas.codes import (
    AccessibilityNeed,
    AgeBand,
    ChannelKind,
    Code,
    ConsentForm,
    ConsentState,
    DataCategory,
    EndMode,
    ErasureReason,
    GivenBy,
    HoldGround,
    InterpreterKind,
    RecallAction,
)
from schemas.delivery import Told
from services.intake.paper.access import WORDS
from services.intake.paper.wording import LANGUAGES, wording
from tests.harness import REFERRAL
from tests.intake.builders import (
    AWO,
    BIRTH_DATE,
    CARITAS_MBE,
    CITY,
    NAME,
    PHONE,
    Desk,
    a_consent,
    a_person,
    a_referral,
    ended,
    in_days,
    problem,
)


async def record(desk: Desk, case_ref: str) -> httpx2.Response:
    """The record without what the person said."""
    return await desk.get(CITY, f"/v1/persons/{case_ref}", role="clerk")


async def access(desk: Desk, case_ref: str, unit: str = CITY) -> dict[str, Any]:
    """The answer to an access request, as JSON."""
    answer = await desk.get(unit, f"/v1/persons/{case_ref}/access", role="clerk")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def correct(desk: Desk, case_ref: str, etag: str | None = None, **said: Any) -> httpx2.Response:
    """Put the record right, as it was seen last unless an ETag is given."""
    etag = etag or (await record(desk, case_ref)).headers["etag"]
    headers = {**desk.intake.headers(CITY, "clerk"), "If-Match": etag}
    return await desk.intake.client.put(f"/v1/persons/{case_ref}", json=a_person(**said), headers=headers)


async def erase(desk: Desk, case_ref: str, **more: Any) -> httpx2.Response:
    """The person asks to be erased."""
    return await desk.post(CITY, f"/v1/persons/{case_ref}/erase", **more)


async def hold(desk: Desk, case_ref: str) -> str:
    """The commissioner sets a legal hold; returns its reference."""
    body = {"ground": "legal-claim"}
    answer = await desk.post(CITY, f"/v1/persons/{case_ref}/holds", body, role="commissioner")
    assert answer.status_code == 201, answer.text
    return str(answer.json()["hold_ref"])


async def release(desk: Desk, case_ref: str, hold_ref: str) -> httpx2.Response:
    """The commissioner releases it."""
    return await desk.post(CITY, f"/v1/persons/{case_ref}/holds/{hold_ref}/release", role="commissioner")


async def corrections(desk: Desk) -> list[PersonCorrected]:
    """What was told of corrections."""
    return [each for each in await desk.intake.published() if isinstance(each, PersonCorrected)]


async def test_an_access_request_shows_what_the_person_said_and_what_became_of_it(desk: Desk) -> None:
    """In one answer, never to be cached."""
    case_ref, referral, (consent,) = await desk.a_referred_person()
    await desk.fetch(referral)
    answer = await desk.get(CITY, f"/v1/persons/{case_ref}/access", role="clerk")
    assert answer.headers["cache-control"] == "no-store"
    shown = answer.json()
    assert shown["said"] == {
        "identity": {"name": NAME},
        "contact": {"kind": "phone", "value": PHONE},
        "language": {"language": "ar", "interpreter": True},
        "age": {"birth_date": BIRTH_DATE, "age_band": None},
        "accessibility": None,
    }
    assert [(each["consent_ref"], each["state"]) for each in shown["consents"]] == [(consent, "given")]
    assert [each["state"] for each in shown["consents"][0]["history"]] == ["given"]
    (fetched,) = shown["fetched"]
    assert (fetched["unit"], fetched["referral_id"], fetched["number"]) == (AWO, str(referral), 1)
    assert [each["partner"] for each in shown["ask_there"]] == ["awo-rheinland"]


async def test_the_answer_is_a_page_too(desk: Desk) -> None:
    """German, without a script, what the person wrote is escaped and keeps its direction."""
    case_ref = await desk.register(name="زينب <b>القدسي</b>")
    await desk.consent(case_ref)
    headers = {**desk.intake.headers(CITY, "clerk"), "Accept": "text/html"}
    answer = await desk.intake.client.get(f"/v1/persons/{case_ref}/access", headers=headers)
    assert answer.headers["content-type"].startswith("text/html")
    assert "script" not in answer.text
    assert '<dd dir="auto">زينب &lt;b&gt;القدسي&lt;/b&gt;</dd>' in answer.text
    assert "Auskunft über Ihre Daten" in answer.text


async def test_looking_at_it_all_is_noted(desk: Desk) -> None:
    """The next answer names who asked for the one before."""
    case_ref = await desk.register()
    await access(desk, case_ref)
    (look,) = (await access(desk, case_ref))["looked_at"]
    assert (look["unit"], look["action"]) == (CITY, "answer-access-request")


async def test_only_the_unit_that_registered_answers(desk: Desk) -> None:
    """For anybody else there is no such person."""
    case_ref, _, _ = await desk.a_referred_person()
    theirs = desk.intake.reference("awo-rheinland", desk.case_id(case_ref))
    for method, path in (
        ("GET", f"/v1/persons/{theirs}/access"),
        ("PUT", f"/v1/persons/{theirs}"),
        ("POST", f"/v1/persons/{theirs}/erase"),
    ):
        headers = {**desk.intake.headers(AWO, "counsellor"), "If-Match": '"1"'}
        body = a_person() if method == "PUT" else None
        problem(await desk.intake.client.request(method, path, json=body, headers=headers), 404, "not-found")


async def test_what_a_restore_lost_is_said_to_be_lost(desk: Desk) -> None:
    """The consents are there, what the person said is not, and that is answered rather than refused."""
    case_ref, _, _ = await desk.a_referred_person()
    async with desk.intake.context.database.transaction() as conn:
        await conn.execute("update intake.person set lost_at = now()")
    shown = await access(desk, case_ref)
    assert shown["said"]["identity"] is None
    assert shown["lost_at"]


async def test_a_correction_is_told_to_whoever_fetched_what_changed(desk: Desk) -> None:
    """Only the categories that changed, were fetched and are still allowed; the next fetch has them."""
    case_ref, referral, _ = await desk.a_referred_person()
    await desk.fetch(referral)
    answer = await correct(desk, case_ref, name="Zaynab Al-Quds", language="ku")
    assert answer.status_code == 200, answer.text
    (told,) = await corrections(desk)
    assert (told.referral_id, told.to_unit, told.acted_by) == (referral, AWO, "stadt-koblenz")
    assert told.data_categories == (DataCategory.IDENTITY, DataCategory.LANGUAGE)
    fetched = (await desk.fetch(referral)).json()
    assert (fetched["identity"]["name"], fetched["language"]["language"]) == ("Zaynab Al-Quds", "ku")
    assert fetched["contact"] == {"kind": "phone", "value": PHONE}


async def test_nobody_is_told_of_what_he_never_fetched_or_may_not_have_any_more(desk: Desk) -> None:
    """Not before the first fetch, and not after the end of the consent."""
    case_ref, referral, (consent,) = await desk.a_referred_person()
    await correct(desk, case_ref, name="Eins")
    await desk.fetch(referral)
    await desk.withdraw(consent)
    await correct(desk, case_ref, name="Zwei")
    assert await corrections(desk) == []


async def test_a_correction_that_changes_nothing_tells_nothing(desk: Desk) -> None:
    """The version stays too."""
    case_ref, referral, _ = await desk.a_referred_person()
    await desk.fetch(referral)
    before = (await record(desk, case_ref)).headers["etag"]
    answer = await correct(desk, case_ref)
    assert (answer.headers["etag"], await corrections(desk)) == (before, [])


async def test_a_correction_needs_the_version_that_was_seen(desk: Desk) -> None:
    """Two clerks do not overwrite each other."""
    case_ref = await desk.register()
    first = (await record(desk, case_ref)).headers["etag"]
    await correct(desk, case_ref, first, name="Eins")
    problem(await correct(desk, case_ref, first, name="Zwei"), 412, "stale")
    headers = desk.intake.headers(CITY, "clerk")
    answer = await desk.intake.client.put(f"/v1/persons/{case_ref}", json=a_person(), headers=headers)
    problem(answer, 428, "if-match-missing")
    assert (await access(desk, case_ref))["said"]["identity"] == {"name": "Eins"}


async def test_a_need_can_be_taken_out_of_the_record(desk: Desk) -> None:
    """Health data that is not needed any more is gone from the vault."""
    case_ref = await desk.register(accessibility=["step-free"])
    assert "accessibility" in (await record(desk, case_ref)).json()["categories"]
    answer = await correct(desk, case_ref)
    assert "accessibility" not in answer.json()["categories"]


@pytest.mark.parametrize("said", [{"birth_date": "1850-01-01"}, {"name": ""}])
async def test_a_wrong_correction_changes_nothing(desk: Desk, said: dict[str, Any]) -> None:
    """Refused with the field that is wrong."""
    case_ref = await desk.register()
    answer = await correct(desk, case_ref, **said)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == next(iter(said))
    assert (await access(desk, case_ref))["said"]["identity"] == {"name": NAME}


async def test_an_erasure_ends_all_consents_and_leaves_nothing_of_what_was_said(desk: Desk) -> None:
    """Withdrawn first, then erased; the data key goes too, and nobody finds the person again."""
    case_ref, referral, (consent,) = await desk.a_referred_person()
    await desk.consent(case_ref, a_consent(to_unit=CARITAS_MBE))
    await desk.post(CITY, f"/v1/persons/{case_ref}/receipts", {"language": "de"})
    answer = await erase(desk, case_ref)
    assert answer.status_code == 200, answer.text
    assert answer.json()["proof_kept_until"].endswith("-12-31")
    ends = [each for each in await desk.intake.published() if isinstance(each, ConsentWithdrawn | PersonErased)]
    assert [type(each) for each in ends] == [ConsentWithdrawn, ConsentWithdrawn, PersonErased]
    assert (ends[-1].reason, ends[-1].acted_by) == (ErasureReason.REQUESTED, "stadt-koblenz")
    for table in ("sealed", "receipt", "told"):
        assert await desk.intake.rows(f"select * from intake.{table}") == []  # noqa: S608 - fixed names
    (queued,) = await desk.intake.rows("select * from intake.key_to_destroy")
    (person,) = await desk.intake.rows("select * from intake.person")
    assert queued["key_id"] == person["key_id"]
    problem(await record(desk, case_ref), 404, "not-found")
    problem(await desk.fetch(referral), 404, "not-found")
    assert (await desk.withdraw(consent)).json()["state"] == "withdrawn"


async def test_an_expired_consent_is_told_before_the_erasure(desk: Desk) -> None:
    """Nothing about a person is told after the erasure, by no job."""
    case_ref = await desk.register()
    await desk.consent(case_ref, a_consent(valid_until=in_days(1)))
    await desk.intake.move_clock(timedelta(days=2))
    await erase(desk, case_ref)
    await desk.intake.run_job("expire-consents")
    types = await desk.published_types()
    assert types == ["lotse.consent.given.v1", "lotse.consent.expired.v1", "lotse.person.erased.v1"]


async def test_an_erasure_is_answered_again_and_done_once(desk: Desk) -> None:
    """The same Idempotency-Key gets the same answer; another one finds nobody."""
    case_ref = await desk.register()
    first, again = [await erase(desk, case_ref, key="once") for _ in range(2)]
    assert first.json() == again.json()
    problem(await erase(desk, case_ref), 404, "not-found")
    assert (await desk.published_types()).count("lotse.person.erased.v1") == 1


async def test_a_legal_hold_beats_the_request_and_the_clock(desk: Desk) -> None:
    """While it stands nothing is erased; once it is released the clock goes on where it is."""
    asked, silent = await desk.register(), await desk.register()
    holds = {each: await hold(desk, each) for each in (asked, silent)}
    problem(await erase(desk, asked), 409, "on-hold")
    await desk.intake.move_clock(timedelta(days=4))
    assert await desk.intake.run_job("erase-never-consented") == 0
    assert (await record(desk, silent)).json()["on_hold"] is True
    released = await release(desk, silent, holds[silent])
    assert released.json()["released_by"] == CITY
    assert await desk.intake.run_job("erase-never-consented") == 1
    problem(await record(desk, silent), 404, "not-found")
    assert (await record(desk, asked)).status_code == 200


async def test_two_holds_are_released_one_by_one(desk: Desk) -> None:
    """Each has a ground of its own."""
    case_ref = await desk.register()
    first, second = await hold(desk, case_ref), await hold(desk, case_ref)
    await release(desk, case_ref, first)
    problem(await erase(desk, case_ref), 409, "on-hold")
    await release(desk, case_ref, second)
    assert (await erase(desk, case_ref)).status_code == 200


async def test_a_hold_of_another_person_is_not_found(desk: Desk) -> None:
    """It cannot be released by way of a person it does not belong to."""
    case_ref, other = await desk.register(), await desk.register()
    problem(await release(desk, other, await hold(desk, case_ref)), 404, "not-found")


async def test_a_clerk_sets_no_hold(desk: Desk) -> None:
    """That is for whoever answers for the office."""
    case_ref = await desk.register()
    answer = await desk.post(CITY, f"/v1/persons/{case_ref}/holds", {"ground": "legal-claim"})
    problem(answer, 403, "role-missing")


async def test_a_correction_that_a_restore_forgot_is_asked_for_again(desk: Desk) -> None:
    """What was said then is gone; the record says which categories to ask for, until somebody puts them right."""
    case_ref, _, _ = await desk.a_referred_person()
    lost = PersonCorrected(
        case_id=desk.case_id(case_ref),
        referral_id=a_referral(UUID(int=1)).referral_id,
        from_unit=CITY,
        to_unit=AWO,
        data_categories=(DataCategory.CONTACT,),
    )
    await adopt(desk, lost)
    assert (await record(desk, case_ref)).json()["correct_again"] == ["contact"]
    await correct(desk, case_ref)
    assert (await record(desk, case_ref)).json()["correct_again"] == []


async def adopt(desk: Desk, event: PersonCorrected) -> None:
    """Take an own event back from the bus, as after a restore."""
    from tests.harness import received

    adoption = desk.intake.service.adoption(desk.intake.context)
    async with desk.intake.context.database.transaction() as conn:
        assert await adoption.events[PersonCorrected](conn, received(event), None)


async def close(desk: Desk, case_ref: str, referral: UUID, consent: str) -> None:
    """The referral ends and the person takes the consent back."""
    event = a_referral(desk.case_id(case_ref))
    await desk.withdraw(consent)
    same = event.model_copy(update={"referral_id": referral})
    await desk.intake.feed(ended(same, EndMode.CANCELLED), source=REFERRAL)


async def test_half_a_year_after_the_last_thing_happened_a_person_is_erased(desk: Desk) -> None:
    """Not a day earlier; and never while a consent is in force."""
    case_ref, referral, (consent,) = await desk.a_referred_person()
    kept, _, _ = await desk.a_referred_person(a_consent(valid_until=in_days(300)))
    await close(desk, case_ref, referral, consent)
    await desk.intake.move_clock(timedelta(days=180))
    assert await desk.intake.run_job("erase-after-closing") == 0
    await desk.intake.move_clock(timedelta(days=190))
    assert await desk.intake.run_job("erase-after-closing") == 1
    problem(await record(desk, case_ref), 404, "not-found")
    assert (await record(desk, kept)).status_code == 200
    (erased,) = [each for each in await desk.intake.published() if isinstance(each, PersonErased)]
    assert erased.reason is ErasureReason.RETENTION


async def test_a_hold_keeps_what_is_due(desk: Desk) -> None:
    """Neither the record nor the proof goes while it stands."""
    case_ref, referral, (consent,) = await desk.a_referred_person()
    await close(desk, case_ref, referral, consent)
    held = await hold(desk, case_ref)
    await desk.intake.move_clock(timedelta(days=2000))
    jobs = ("erase-after-closing", "forget-consent-proof", "forget-erased-persons")
    assert [await desk.intake.run_job(each) for each in jobs] == [0, 0, 0]
    await release(desk, case_ref, held)
    assert [await desk.intake.run_job(each) for each in jobs] == [1, 1, 0]


async def test_proof_goes_after_the_end_of_the_third_year_with_all_that_names_the_case(desk: Desk) -> None:
    """The consents first; the bare record once nothing is left to prove."""
    case_ref, referral, (consent,) = await desk.a_referred_person()
    await close(desk, case_ref, referral, consent)
    await erase(desk, case_ref)
    await desk.intake.move_clock(timedelta(days=3 * 365))
    assert await desk.intake.run_job("forget-consent-proof") == 0
    await desk.intake.move_clock(timedelta(days=4 * 366))
    assert await desk.intake.run_job("forget-consent-proof") == 1
    assert await desk.intake.run_job("forget-erased-persons") == 1
    for table in ("person", "consent", "consent_event", "task", "referral", "recall", "legal_hold"):
        assert await desk.intake.rows(f"select * from intake.{table}") == [], table  # noqa: S608 - fixed names


async def test_who_never_consented_leaves_no_trace_after_the_last_backup(desk: Desk) -> None:
    """Erased after 72 hours; the bare record goes when no backup can bring the data back."""
    await desk.register()
    await desk.intake.move_clock(timedelta(days=4))
    await desk.intake.run_job("erase-never-consented")
    await desk.intake.move_clock(timedelta(days=38))
    assert await desk.intake.run_job("forget-erased-persons") == 0
    await desk.intake.move_clock(timedelta(days=40))
    assert await desk.intake.run_job("forget-erased-persons") == 1
    assert await desk.intake.rows("select * from intake.person") == []


async def informed(desk: Desk, case_id: UUID, partner: str = "awo-rheinland") -> None:
    """The notifier says that a partner was told of a referral."""
    told = Told(event_id=EventId(new_id()), type="lotse.referral.requested.v1", number=1, case_id=CaseId(case_id))
    event = PartnerInformed(partner=PartnerSlug(partner), events=(told,))
    await desk.intake.feed(event, source="/koblenz/notifier/1")


async def test_who_was_told_is_shown_until_the_erasure_and_not_noted_after_it(desk: Desk) -> None:
    """What the notifier says of nobody, of somebody unknown and of somebody erased is not kept."""
    case_ref = await desk.register()
    case_id = desk.case_id(case_ref)
    await informed(desk, case_id)
    await informed(desk, UUID(int=7))
    assert [(each["partner"], each["type"]) for each in (await access(desk, case_ref))["told"]] == [
        ("awo-rheinland", "lotse.referral.requested.v1")
    ]
    await erase(desk, case_ref)
    await informed(desk, case_id, "stadt-koblenz")
    assert await desk.intake.rows("select * from intake.told") == []


def test_every_event_about_a_person_has_its_words_on_the_page() -> None:
    """And every code that the page shows."""
    about_persons = {name for name, each in EVENTS.items() if issubclass(each, CaseEvent) and each.audience}
    for language in LANGUAGES:
        assert sorted(about_persons - wording(language).told.keys()) == []
    shown: list[type[Code]] = [RecallAction, HoldGround, ConsentForm, GivenBy, ChannelKind, ConsentState]
    shown += [AgeBand, AccessibilityNeed, InterpreterKind]
    assert sorted({code for each in shown for code in each.writable()} - WORDS.keys()) == []

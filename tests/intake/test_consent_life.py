"""What becomes of a consent: asked for, given, refused, renewed, ended by somebody else."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from schemas import ConsentExpiring, ConsentGiven, ConsentInvalidated, ConsentRenewed, ConsentRevoked, RefusalCounted
from schemas.codes import ConsentState
from services.intake.model.consents import Consent
from services.intake.store import consents as store
from tests.intake.builders import (
    AWO,
    CARITAS_MBE,
    CITY,
    JOBCENTER,
    Desk,
    a_consent,
    asked_for,
    in_days,
    problem,
    signature,
    signed,
)

TEN_YEARS_AGO = f"{datetime.now(UTC).year - 10}-01-15"


async def asked(desk: Desk, *consents: dict[str, Any]) -> tuple[str, list[str]]:
    """A person who was asked: the case's reference and those of the consents."""
    case_ref = await desk.register()
    answer = await desk.post(CITY, f"/v1/persons/{case_ref}/consent-requests", asked_for(*consents))
    assert answer.status_code == 201, answer.text
    return case_ref, [each["consent_ref"] for each in answer.json()["consents"]]


async def derived(desk: Desk) -> list[tuple[Consent, Consent]]:
    """Each consent as its row says it stands, and as its events make it."""
    pairs = []
    async with desk.intake.context.database.reading() as conn:
        for row in await conn.fetch("select consent_id from intake.consent order by consent_id"):
            standing = await store.consent(conn, row["consent_id"])
            first, *later = await store.acts(conn, row["consent_id"])
            assert standing is not None
            assert first.signature is not None
            is_given = first.state is ConsentState.GIVEN
            made = Consent(
                standing.consent_id,
                standing.case_id,
                standing.wanted,
                first.signature,
                standing.recorded_by,
                given_at=first.at if is_given else None,
                state=first.state,
                requested_at=None if is_given else first.at,
            )
            for act in later:
                made = made.after(act)
            pairs.append((standing, made))
    return pairs


async def test_what_was_asked_for_allows_nothing_before_the_person_says_yes(desk: Desk) -> None:
    """No event, no disclosure; with the yes both."""
    case_ref, (consent,) = await asked(desk)
    record = (await desk.get(CITY, f"/v1/consents/{consent}")).json()
    assert (record["state"], record["given_at"], record["form"]) == ("requested", None, None)
    assert await desk.intake.published() == []
    referral_id = await desk.refer(case_ref)
    problem(await desk.fetch(referral_id), 403, "consent-not-valid")
    answer = await desk.post(CITY, f"/v1/consents/{consent}/give", signature(form="signature-pad"))
    assert answer.json()["state"] == "given"
    assert answer.json()["form"] == "signature-pad"
    assert [type(event) for event in await desk.intake.published()] == [ConsentGiven]
    assert (await desk.fetch(referral_id)).status_code == 200
    problem(await desk.post(CITY, f"/v1/consents/{consent}/give", signature()), 409, "consent-answered")


async def test_a_refusal_leaves_nothing_but_a_count(desk: Desk) -> None:
    """Not a row about the person; the language is counted apart from the unit."""
    _, (consent,) = await asked(desk)
    answer = await desk.post(CITY, f"/v1/consents/{consent}/refuse", {"language": "ar"}, key="no-1")
    assert answer.status_code == 200
    again = await desk.post(CITY, f"/v1/consents/{consent}/refuse", {"language": "ar"}, key="no-1")
    assert again.headers["idempotency-replayed"] == "true"
    assert (await desk.post(CITY, "/v1/refusals", {"language": "ti"})).status_code == 201
    assert await desk.intake.rows("select * from intake.consent") == []
    assert await desk.intake.rows("select * from intake.consent_event") == []
    units = await desk.intake.rows("select unit, count from intake.refusal")
    assert [tuple(row.values()) for row in units] == [(CITY, 2)]
    languages = await desk.intake.rows("select language, count from intake.refusal_language order by language")
    assert [tuple(row.values()) for row in languages] == [("ar", 1), ("ti", 1)]
    assert await desk.intake.published() == []
    problem(await desk.get(CITY, f"/v1/consents/{consent}"), 404, "not-found")


async def test_a_given_consent_cannot_be_refused_any_more(desk: Desk) -> None:
    """It can be withdrawn; what was only asked for cannot."""
    (given,) = await desk.consent(await desk.register())
    problem(await desk.post(CITY, f"/v1/consents/{given}/refuse", {"language": "ar"}), 409, "consent-answered")
    _, (open_one,) = await asked(desk)
    problem(await desk.withdraw(open_one), 409, "consent-not-given")
    problem(await desk.post(CITY, f"/v1/consents/{open_one}/renew", renewal()), 409, "consent-not-given")
    for act, reason in (("revoke", "protection"), ("invalidate", "wrong-person")):
        answer = await desk.post(CITY, f"/v1/consents/{open_one}/{act}", {"reason": reason})
        problem(answer, 409, "consent-not-given")


async def test_the_refusals_of_a_month_are_told_once_it_is_over(desk: Desk) -> None:
    """One number for the unit, no language, no day."""
    for _ in range(3):
        await desk.post(CITY, "/v1/refusals", {"language": "ar"})
    assert await desk.intake.run_job("tell-refusals") == 0
    await desk.intake.move_clock(timedelta(days=32))
    assert await desk.intake.run_job("tell-refusals") == 1
    assert await desk.intake.run_job("tell-refusals") == 0
    (event,) = await desk.intake.published()
    assert isinstance(event, RefusalCounted)
    assert (event.unit, event.count) == (CITY, 3)


async def test_what_nobody_answered_is_forgotten_after_30_days(desk: Desk) -> None:
    """The person, who has consented to something else, stays."""
    case_ref, _ = await asked(desk)
    await desk.consent(case_ref)
    await desk.intake.move_clock(timedelta(days=29, hours=23))
    assert await desk.intake.run_job("forget-stale-requests") == 0
    await desk.intake.move_clock(timedelta(days=30))
    assert await desk.intake.run_job("forget-stale-requests") == 1
    states = await desk.intake.rows("select state from intake.consent")
    assert [row["state"] for row in states] == ["given"]


def renewal(**differences: Any) -> dict[str, Any]:
    """The body of a renewal until a third of a year from now."""
    return signature(valid_until=in_days(120)) | differences


async def test_a_renewed_consent_holds_until_its_new_time(desk: Desk) -> None:
    """It goes on without a gap, and the event says until when."""
    case_ref = await desk.register()
    (consent,) = await desk.consent(case_ref, a_consent(valid_until=in_days(10)))
    referral_id = await desk.refer(case_ref)
    answer = await desk.post(CITY, f"/v1/consents/{consent}/renew", renewal())
    assert answer.json()["state"] == "renewed"
    await desk.intake.move_clock(timedelta(days=11))
    assert await desk.intake.run_job("expire-consents") == 0
    assert (await desk.fetch(referral_id)).status_code == 200
    renewed = [event for event in await desk.intake.published() if isinstance(event, ConsentRenewed)]
    assert [event.valid_until for event in renewed] == [datetime.fromisoformat(answer.json()["valid_until"])]
    await desk.intake.move_clock(timedelta(days=121))
    problem(await desk.fetch(referral_id), 403, "consent-not-valid")
    problem(await desk.post(CITY, f"/v1/consents/{consent}/renew", renewal()), 409, "consent-ended")


async def test_a_renewal_follows_the_rules_of_a_consent(desk: Desk) -> None:
    """Twelve months from now at most, and not into the past."""
    (consent,) = await desk.consent(await desk.register())
    for until, code in ((in_days(-1), "not-in-future"), (in_days(367), "valid-too-long")):
        answer = await desk.post(CITY, f"/v1/consents/{consent}/renew", renewal(valid_until=until))
        assert problem(answer, 422, code) == ["valid_until"]


@pytest.mark.parametrize(
    ("act", "reason", "state", "event_class"),
    [
        ("revoke", "protection", "revoked", ConsentRevoked),
        ("invalidate", "not-understood", "invalidated", ConsentInvalidated),
    ],
)
async def test_who_recorded_a_consent_may_end_it_for_another_reason(
    desk: Desk, act: str, reason: str, state: str, event_class: Any
) -> None:
    """The gate is shut at once, the event says why; said twice, the first end stays."""
    case_ref, referral_id, (consent,) = await desk.a_referred_person()
    answer = await desk.post(CITY, f"/v1/consents/{consent}/{act}", {"reason": reason})
    assert (answer.json()["state"], answer.json()["end_reason"]) == (state, reason)
    problem(await desk.fetch(referral_id), 403, "consent-not-valid")
    again = await desk.post(CITY, f"/v1/consents/{consent}/revoke", {"reason": "other"})
    assert again.json()["end_reason"] == reason
    ends = [event for event in await desk.intake.published() if isinstance(event, event_class)]
    assert [(event.reason, event.acted_by) for event in ends] == [(reason, "stadt-koblenz")]
    listed = (await desk.get(CITY, f"/v1/persons/{case_ref}/consents")).json()["consents"]
    assert [each["state"] for each in listed] == [state]
    withdrawn = await desk.withdraw(consent)
    assert withdrawn.json()["state"] == state


async def test_only_the_unit_that_recorded_a_consent_may_end_it_so(desk: Desk) -> None:
    """To the recipient it is not there for that; to another partner not at all."""
    (consent,) = await desk.consent(await desk.register())
    at_awo = desk.intake.reference("awo-rheinland", desk.intake.context.references.resolve("stadt-koblenz", consent))
    for unit, reference in ((AWO, at_awo), (CARITAS_MBE, consent)):
        for act, reason in (("revoke", "other"), ("invalidate", "other")):
            answer = await desk.post(unit, f"/v1/consents/{reference}/{act}", {"reason": reason})
            problem(answer, 404, "not-found")
    assert (await desk.get(AWO, f"/v1/consents/{at_awo}")).json()["file_ref"] is None


async def test_events_are_never_changed_and_the_row_is_what_they_make_it(desk: Desk) -> None:
    """Whatever happened to a consent."""
    case_ref, (first, second) = await asked(desk, a_consent(), a_consent(scope="cooperation", to_unit=CARITAS_MBE))
    await desk.post(CITY, f"/v1/consents/{first}/give", signature(file_ref="A-17/3"))
    await desk.post(CITY, f"/v1/consents/{first}/renew", renewal(form="electronic-click"))
    await desk.withdraw(first)
    await desk.post(CITY, f"/v1/consents/{second}/give", signature())
    await desk.post(CITY, f"/v1/consents/{second}/invalidate", {"reason": "not-voluntary"})
    await desk.consent(case_ref, a_consent(to_unit=CARITAS_MBE))
    pairs = await derived(desk)
    assert len(pairs) == 3
    for standing, made in pairs:
        assert standing == made
    for statement in (
        "update intake.consent_event set at = now()",
        "delete from intake.consent_event",
        "truncate intake.consent_event",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="never changed"):
            await desk.intake.rows(statement)


async def test_a_unit_is_reminded_30_days_before_a_consent_ends(desk: Desk) -> None:
    """Once for each end, by an event and in its worklist; a renewal closes the task."""
    case_ref = await desk.register()
    (consent, short) = await desk.consent(
        case_ref, a_consent(valid_until=in_days(90)), a_consent(scope="cooperation", valid_until=in_days(20))
    )
    assert await desk.intake.run_job("remind-of-expiry") == 0
    await desk.intake.move_clock(timedelta(days=60, hours=1))
    assert await desk.intake.run_job("remind-of-expiry") == 1
    assert await desk.intake.run_job("remind-of-expiry") == 0
    reminders = [event for event in await desk.intake.published() if isinstance(event, ConsentExpiring)]
    assert [event.scope for event in reminders] == ["transfer"]
    (task,) = (await desk.get(CITY, "/v1/tasks")).json()["items"]
    assert (task["kind"], task["consent_ref"]) == ("renew", consent)
    assert (await desk.get(AWO, "/v1/tasks")).json()["items"] == []
    until = (datetime.now(UTC) + timedelta(days=180)).isoformat()
    await desk.post(CITY, f"/v1/consents/{consent}/renew", renewal(valid_until=until))
    assert (await desk.get(CITY, "/v1/tasks")).json()["items"] == []
    await desk.intake.move_clock(timedelta(days=151))
    assert await desk.intake.run_job("remind-of-expiry") == 1
    assert short


async def test_a_signed_sheet_is_destroyed_when_it_proves_nothing_any_more(desk: Desk) -> None:
    """Three years after the year in which the consent ended; nothing to do where nothing was signed on paper."""
    case_ref = await desk.register()
    on_paper, _ = (
        await desk.consent(case_ref),
        await desk.post(
            CITY, f"/v1/persons/{case_ref}/consents", signed(a_consent(to_unit=CARITAS_MBE), form="signature-pad")
        ),
    )
    await desk.withdraw(on_paper[0])
    (task,) = (await desk.get(CITY, "/v1/tasks")).json()["items"]
    assert (task["kind"], task["due_on"]) == ("destroy-sheet", f"{datetime.now(UTC).year + 3}-12-31")
    problem(await desk.post(AWO, f"/v1/tasks/{task['task_id']}/done"), 404, "not-found")
    done = await desk.post(CITY, f"/v1/tasks/{task['task_id']}/done")
    assert done.json()["done_at"] is not None
    assert (await desk.post(CITY, f"/v1/tasks/{task['task_id']}/done")).json() == done.json()
    assert (await desk.get(CITY, "/v1/tasks")).json()["items"] == []


async def test_a_child_does_not_consent_alone_and_is_asked_again_at_15(desk: Desk) -> None:
    """The guardian does; on the birthday the unit is asked to ask the young person."""
    born = datetime.now(UTC).date().replace(year=datetime.now(UTC).year - 15) + timedelta(days=40)
    case_ref = await desk.register(birth_date=born.isoformat())
    path = f"/v1/persons/{case_ref}/consents"
    assert problem(await desk.post(CITY, path, signed()), 422, "guardian-needed") == ["given_by"]
    answer = await desk.post(CITY, path, signed(given_by="guardian"))
    assert answer.json()["consents"][0]["given_by"] == "guardian"
    assert await desk.intake.run_job("ask-again-at-15") == 0
    await desk.intake.move_clock(timedelta(days=41))
    assert await desk.intake.run_job("ask-again-at-15") == 1
    (task,) = (await desk.get(CITY, "/v1/tasks")).json()["items"]
    assert task["kind"] == "ask-again-at-15"
    await desk.intake.move_clock(timedelta(days=43))
    assert await desk.intake.run_job("ask-again-at-15") == 0
    (bands,) = await desk.intake.rows("select age_band from intake.consent")
    assert bands["age_band"] == "12-14"


async def test_what_only_a_grown_up_decides_is_not_decided_for_one(desk: Desk) -> None:
    """A guardian's consent ends at 18."""
    case_ref = await desk.register(birth_date=None, age_band="27-plus")
    answer = await desk.post(CITY, f"/v1/persons/{case_ref}/consents", signed(given_by="guardian"))
    assert problem(answer, 422, "no-guardian-any-more") == ["given_by"]
    nearly = datetime.now(UTC).date().replace(year=datetime.now(UTC).year - 18) + timedelta(days=40)
    case_ref = await desk.register(birth_date=nearly.isoformat())
    answer = await desk.post(CITY, f"/v1/persons/{case_ref}/consents", signed(given_by="guardian"))
    assert problem(answer, 422, "beyond-majority") == ["consents.0.valid_until"]


async def test_health_data_are_consented_to_apart_and_never_only_aloud(desk: Desk) -> None:
    """And handed out only on that consent."""
    case_ref = await desk.register(accessibility=["wheelchair", "hearing"])
    path = f"/v1/persons/{case_ref}/consents"
    health = a_consent(data_categories=["accessibility"])
    mixed = a_consent(data_categories=["identity", "accessibility"])
    assert problem(await desk.post(CITY, path, signed(mixed)), 422, "health-not-alone") == [
        "consents.0.data_categories"
    ]
    aloud = signed(a_consent(), health, form="oral-documented")
    assert problem(await desk.post(CITY, path, aloud), 422, "oral-for-health") == ["form"]
    await desk.consent(case_ref)
    referral_id = await desk.refer(case_ref)
    assert "accessibility" not in (await desk.fetch(referral_id)).json()
    await desk.consent(case_ref, health)
    assert (await desk.fetch(referral_id)).json()["accessibility"] == {"needs": ["hearing", "wheelchair"]}


async def test_nobody_is_referred_to_the_jobcenter_but_may_be_helped_together_with_it(desk: Desk) -> None:
    """As Koblenz's agreement file says."""
    case_ref = await desk.register()
    path = f"/v1/persons/{case_ref}/consents"
    answer = await desk.post(CITY, path, signed(a_consent(to_unit=JOBCENTER)))
    assert problem(answer, 422, "transfer-not-agreed") == ["consents.0.to_unit"]
    together = a_consent(to_unit=JOBCENTER, scope="cooperation", data_categories=[])
    assert (await desk.post(CITY, path, signed(together))).status_code == 201
    at_jobcenter = await desk.register(JOBCENTER)
    answer = await desk.post(
        JOBCENTER, f"/v1/persons/{at_jobcenter}/consents", signed(a_consent(from_unit=JOBCENTER, to_unit=AWO))
    )
    assert problem(answer, 422, "transfer-not-agreed") == ["consents.0.to_unit"]


async def test_the_events_say_what_was_shown_and_who_said_yes(desk: Desk) -> None:
    """Version, language and hash of the text; interpreter and giver by kind, never by name."""
    case_ref = await desk.register(birth_date=TEN_YEARS_AGO)
    body = signed(given_by="guardian", interpreter={"kind": "telephone", "language": "fa"})
    answer = await desk.post(CITY, f"/v1/persons/{case_ref}/consents", body)
    record = answer.json()["consents"][0]
    (event,) = await desk.intake.published()
    assert isinstance(event, ConsentGiven)
    assert event.notice_sha256 == record["notice"]["sha256"]
    assert event.given_by == "guardian"
    assert event.interpreted is not None
    assert (event.interpreted.kind, event.interpreted.language) == ("telephone", "fa")
    assert record["interpreter"] == {"kind": "telephone", "language": "fa"}


async def test_a_notice_that_is_not_released_or_differs_is_not_signed(desk: Desk) -> None:
    """A version nobody released, a language without a text, a hash of another text."""
    case_ref = await desk.register()
    path = f"/v1/persons/{case_ref}/consents"
    for notice in ({"version": "1900-01", "language": "de"}, signature()["notice"] | {"language": "ti"}):
        assert problem(await desk.post(CITY, path, signed(notice=notice)), 422, "notice-missing") == ["notice"]
    wrong = signed(a_consent(notice_sha256="0" * 64))
    assert problem(await desk.post(CITY, path, wrong), 422, "notice-differs") == ["consents.0.notice_sha256"]
    right = (await desk.post(CITY, path, signed())).json()["consents"][0]["notice"]["sha256"]
    assert (await desk.post(CITY, path, signed(a_consent(notice_sha256=right)))).status_code == 201

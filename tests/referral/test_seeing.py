"""Who sees what of a referral."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas.codes import Scope
from tests.harness import Running
from tests.referral.builders import (
    AWO,
    CARITAS_JMD,
    CARITAS_MBE,
    CITY,
    Lotse,
    a_case,
    a_consent,
    a_feedback,
    expired,
    is_problem,
    withdrawn,
)

WAYS = {
    (): "requested",
    ("accept", "hold"): "received",
    ("accept", "take-back"): "received",
    ("accept", "fail"): "received",
    ("receive",): "received",
    ("accept",): "received",
    ("accept", "start"): "received",
    ("accept", "start", "complete"): "received",
    ("reject",): "rejected",
    ("cancel",): "ended",
    ("accept", "start", "cancel"): "ended",
}
TOLD = {"referral_id", "case_ref", "role", "from_unit", "to_unit", "offer_id", "requested_at", "state"}
OWN = {"based_on", "own_number", "household_ref", "awaits_second_person"}
NOT_TOLD = (
    "error_reason",
    "responsible",
    "first_contact_planned_on",
    "first_contact_on",
    "hold_reason",
    "review_on",
    "outcome",
    "failure_reason",
    "end_reason",
    "happened_on",
)


async def test_a_sender_without_consent_sees_what_it_was_told(lotse: Lotse) -> None:
    """Nothing in the answer differs between the states it may not tell apart."""
    for acts, state in WAYS.items():
        answer = await lotse.get(f"/v1/referrals/{await lotse.referral(a_case(), *acts)}", unit=CITY)
        assert answer.json()["state"] == state
        assert "etag" not in answer.headers
        assert answer.json().keys() == TOLD | OWN | {"rejection_reason", "deadline", *NOT_TOLD}
        assert {answer.json()[name] for name in NOT_TOLD} == {None}
        assert [answer.json()[name] for name in sorted(OWN)] == [False, None, None, None]
        assert (answer.json()["deadline"] is None) == (state != "requested")


async def test_a_status_consent_opens_the_state_and_an_outcome_consent_the_outcome(lotse: Lotse) -> None:
    """Each for itself, and no longer than it holds."""
    case_id = a_case()
    referral_id = await lotse.referral(case_id, "accept", "start", "complete")
    outcome = a_feedback(case_id, Scope.FEEDBACK_OUTCOME)
    await lotse.running.feed(outcome)
    assert _state(await lotse.seen(referral_id)) == ("received", None)
    status = a_feedback(case_id)
    await lotse.running.feed(status)
    assert _state(await lotse.seen(referral_id)) == ("completed", "need-met")
    await lotse.running.feed(withdrawn(outcome))
    assert _state(await lotse.seen(referral_id)) == ("completed", None)
    await lotse.running.feed(expired(status))
    assert _state(await lotse.seen(referral_id)) == ("received", None)


def _state(seen: dict[str, Any]) -> tuple[str, str | None]:
    return seen["state"], seen["outcome"]


async def test_a_status_consent_ends_with_its_time_not_with_its_event(lotse: Lotse) -> None:
    """The clock alone closes the view."""
    case_id = a_case()
    referral_id = await lotse.referral(case_id, "accept")
    await lotse.running.feed(a_feedback(case_id, valid_until=datetime.now(UTC) + timedelta(days=1)))
    assert (await lotse.seen(referral_id))["state"] == "accepted"
    await lotse.running.move_clock(timedelta(days=2))
    assert (await lotse.seen(referral_id))["state"] == "received"


async def test_a_parked_case_shows_the_sender_no_more_than_without_consent(lotse: Lotse) -> None:
    """What waits unread may be the withdrawal; the recipient's own view stays."""
    case_id = a_case()
    referral_id = await lotse.referral(case_id, "accept")
    await lotse.running.feed(a_feedback(case_id))
    await lotse.running.feed(a_feedback(case_id), version=99)
    assert (await lotse.seen(referral_id))["state"] == "received"
    assert (await lotse.seen(referral_id, AWO))["state"] == "accepted"


async def test_another_cases_or_units_consent_opens_nothing(lotse: Lotse) -> None:
    """Case and both units have to fit."""
    case_id = a_case()
    referral_id = await lotse.referral(case_id, "accept")
    await lotse.running.feed(
        a_feedback(a_case()),
        a_feedback(case_id, Scope.COOPERATION),
        a_consent(case_id, from_unit=CARITAS_MBE, to_unit=CITY, scope=Scope.FEEDBACK_STATUS),
        a_consent(case_id, from_unit=CITY, to_unit=AWO, scope=Scope.FEEDBACK_STATUS),
    )
    assert (await lotse.seen(referral_id))["state"] == "received"


async def test_each_partner_reads_its_own_reference_and_never_ours(lotse: Lotse) -> None:
    """Case and consent never appear as we call them."""
    case_id = a_case()
    consent = a_consent(case_id)
    referral_id = await lotse.referral(case_id, consent=consent)
    city = await lotse.get(f"/v1/referrals/{referral_id}", unit=CITY)
    awo = await lotse.get(f"/v1/referrals/{referral_id}", unit=AWO)
    assert city.json()["case_ref"] == lotse.case_ref(case_id, CITY)
    assert awo.json()["case_ref"] == lotse.case_ref(case_id, AWO)
    assert city.json()["case_ref"] != awo.json()["case_ref"]
    for text in (city.text, awo.text, json.dumps(dict(city.headers)), json.dumps(dict(awo.headers))):
        for ours in (case_id, consent.consent_id):
            assert str(ours) not in text
            assert ours.hex not in text


async def test_a_list_has_pages_and_shows_each_party_its_share(lotse: Lotse) -> None:
    """The earliest first; sent and received apart."""
    case_id = a_case()
    made = [await lotse.referral(a_case(), "accept"), await lotse.referral(case_id, "accept")]
    made.append(await lotse.referral(a_case()))
    await lotse.running.feed(a_feedback(case_id))
    first = await _list(lotse.running, CITY, role="sent", limit=2)
    rest = await _list(lotse.running, CITY, role="sent", limit=2, after=first["next"])
    assert [item["referral_id"] for item in first["items"] + rest["items"]] == made
    assert [item["state"] for item in first["items"] + rest["items"]] == ["received", "accepted", "requested"]
    assert rest["next"] is None
    received = await _list(lotse.running, AWO, role="received")
    assert [item["state"] for item in received["items"]] == ["accepted", "accepted", "requested"]
    assert {item["role"] for item in received["items"]} == {"received"}
    assert (await _list(lotse.running, AWO, role="sent"))["items"] == []
    assert (await _list(lotse.running, CITY, role="received"))["items"] == []


async def _list(running: Running, unit: str, **query: Any) -> dict[str, Any]:
    headers = running.headers(unit, "counsellor")
    answer = await running.client.get("/v1/referrals", params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_a_list_is_of_ones_own_unit_only(lotse: Lotse) -> None:
    """The other unit of the same partner sees nothing of it."""
    case_id = a_case()
    await lotse.running.feed(a_consent(case_id, to_unit=CARITAS_MBE))
    await lotse.request(case_id, await lotse.offer(unit=CARITAS_MBE))
    assert len((await _list(lotse.running, CARITAS_MBE, role="received"))["items"]) == 1
    assert (await _list(lotse.running, CARITAS_JMD, role="received"))["items"] == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({}, "role"),
        ({"role": "both"}, "role"),
        ({"role": "sent", "limit": 0}, "limit"),
        ({"role": "sent", "limit": 201}, "limit"),
        ({"role": "sent", "after": "x\0"}, "after"),
    ],
)
async def test_a_wrong_query_is_named(lotse: Lotse, query: dict[str, Any], field: str) -> None:
    """As in bodies."""
    headers = lotse.running.headers(CITY, "clerk")
    answer = await lotse.running.client.get("/v1/referrals", params=query, headers=headers)
    assert is_problem(answer, 422, "not-valid", field)


async def test_reading_needs_a_role_of_casework(lotse: Lotse) -> None:
    """Coordinators and commissioners see no single case."""
    referral_id = await lotse.referral(a_case())
    for role in ("coordinator", "commissioner", "operator"):
        answer = await lotse.get(f"/v1/referrals/{referral_id}", unit=AWO, role=role)
        assert is_problem(answer, 403, "role-missing")
        headers = lotse.running.headers(AWO, role)
        answer = await lotse.running.client.get("/v1/referrals", params={"role": "sent"}, headers=headers)
        assert is_problem(answer, 403, "role-missing")


async def test_looking_at_referrals_is_noted(lotse: Lotse) -> None:
    """One of them, a page of them, by either side; not what is refused and not an empty page."""
    cases = [a_case(), a_case()]
    referral_ids = [await lotse.referral(case_id) for case_id in cases]
    await lotse.get(f"/v1/referrals/{referral_ids[1]}", unit=AWO)
    headers = lotse.running.headers(CITY, "clerk")
    sent = await lotse.running.client.get("/v1/referrals", params={"role": "sent"}, headers=headers)
    assert len(sent.json()["items"]) == 2
    await lotse.running.client.get("/v1/referrals", params={"role": "received"}, headers=headers)
    assert (await lotse.get(f"/v1/referrals/{referral_ids[0]}", unit=CARITAS_MBE)).status_code == 404
    rows = await lotse.running.rows("select unit, subject, action, refs from chassis.access order by at")
    assert [tuple(row.values()) for row in rows] == [
        (AWO, "awo-rheinland:counsellor", "read-referrals", [lotse.case_ref(cases[1], AWO)]),
        (CITY, "stadt-koblenz:clerk", "read-referrals", [lotse.case_ref(each) for each in cases]),
    ]

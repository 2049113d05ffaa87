"""What the parties do with a referral, and what they are refused."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas import ReferralEnded, ReferralEvent, ReferralRejected, ReferralStarted
from schemas.codes import EndMode, EndReason, RejectionReason, Scope
from tests.referral.builders import (
    AWO,
    CARITAS_MBE,
    CITY,
    JOBCENTER,
    Lotse,
    a_case,
    a_feedback,
    facts_of,
    is_problem,
    withdrawn,
)

TO_STATE = {
    "requested": (),
    "received": ("receive",),
    "accepted": ("accept",),
    "rejected": ("reject",),
    "in-progress": ("accept", "start"),
    "completed": ("accept", "start", "complete"),
    "on-hold": ("accept", "hold"),
    "failed": ("accept", "fail"),
    "cancelled": ("cancel",),
    "detached": ("accept", "start", "cancel"),
}
ACTS = ("receive", "accept", "reject", "take-back", "start", "hold", "resume", "complete", "fail", "cancel")


async def test_a_referral_goes_its_whole_way(lotse: Lotse) -> None:
    """Every act is one event by AWO with the state it led to, and the ETag counts them."""
    referral_id = await lotse.referral(a_case(), "receive", "accept", "start", "complete")
    assert await lotse.kinds() == ["requested", "received", "accepted", "started", "completed"]
    events = [event for event in await lotse.told() if isinstance(event, ReferralEvent)]
    assert [event.state for event in events] == ["requested", "received", "accepted", "in-progress", "completed"]
    assert [event.acted_by for event in events] == ["stadt-koblenz", *["awo-rheinland"] * 4]
    answer = await lotse.get(f"/v1/referrals/{referral_id}", unit=AWO)
    assert answer.headers["etag"] == '"5"'
    assert answer.json()["outcome"] == "need-met"


@pytest.mark.parametrize("act", ["accept", "reject"])
async def test_whoever_answers_a_request_has_received_it(lotse: Lotse, act: str) -> None:
    """Both events, in this order, with versions that follow each other."""
    referral_id = await lotse.referral(a_case(), act)
    assert await lotse.kinds() == ["requested", "received", f"{act}ed"]
    rows = [row for row in await lotse.running.outbox_rows() if row["topic"] == "lotse.cases.v1"]
    assert [int(row["headers"]["ce_sequence"]) for row in rows] == [1, 2, 3]
    assert (await lotse.get(f"/v1/referrals/{referral_id}", unit=AWO)).headers["etag"] == '"3"'


async def test_a_rejection_says_why(lotse: Lotse) -> None:
    """In the event and to both parties."""
    referral_id = await lotse.referral(a_case(), "reject")
    rejected = (await lotse.told())[-1]
    assert isinstance(rejected, ReferralRejected)
    assert rejected.reason is RejectionReason.NO_CAPACITY
    assert (await lotse.seen(referral_id, CITY))["rejection_reason"] == "no-capacity"


@pytest.mark.parametrize("state", TO_STATE)
async def test_what_a_state_does_not_take_is_a_conflict_without_event(lotse: Lotse, state: str) -> None:
    """Also the same act a second time under a new key."""
    allowed = {
        "requested": {"receive", "accept", "reject", "cancel"},
        "received": {"accept", "reject", "cancel"},
        "accepted": {"take-back", "start", "hold", "fail", "cancel"},
        "in-progress": {"hold", "complete", "fail", "cancel"},
        "on-hold": {"resume", "fail", "cancel"},
    }.get(state, set())
    referral_id = await lotse.referral(a_case(), *TO_STATE[state])
    before = await lotse.kinds()
    for act in set(ACTS) - allowed:
        assert is_problem(await lotse.act(referral_id, act), 409, "illegal-transition")
    assert await lotse.kinds() == before
    assert (await lotse.seen(referral_id, AWO))["state"] == state


async def test_a_repeated_request_is_answered_and_not_done_again(lotse: Lotse) -> None:
    """The same key gets the referral as it is now."""
    referral_id = await lotse.referral(a_case())
    first = await lotse.act(referral_id, "accept", Idempotency_Key="k")
    await lotse.act(referral_id, "start")
    again = await lotse.act(referral_id, "accept", Idempotency_Key="k")
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json()["state"] == "in-progress"
    assert (await lotse.kinds()).count("accepted") == 1


async def test_two_who_accept_at_once_get_one_acceptance(lotse: Lotse) -> None:
    """The second is told that it came too late."""
    referral_id = await lotse.referral(a_case(), "receive")
    answers = await asyncio.gather(*(lotse.act(referral_id, "accept") for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert await lotse.kinds() == ["requested", "received", "accepted"]


OPEN_WAYS = {(): "cancelled", ("receive",): "cancelled", ("accept",): "cancelled", ("accept", "start"): "detached"}


@pytest.mark.parametrize("by", [CITY, AWO])
async def test_either_party_ends_an_open_referral(lotse: Lotse, by: str) -> None:
    """Cancelled before the first contact, detached after it; the actor is named."""
    for acts, mode in OPEN_WAYS.items():
        referral_id = await lotse.referral(a_case(), *acts)
        assert (await lotse.act(referral_id, "cancel", unit=by)).status_code == 200
        ended = (await lotse.told())[-1]
        assert isinstance(ended, ReferralEnded)
        assert (ended.mode, ended.reason) == (EndMode(mode), EndReason.PERSON_DECLINED)
        assert ended.acted_by == by.partition("/")[0]
        seen = await lotse.seen(referral_id, AWO)
        assert (seen["state"], seen["end_reason"]) == (mode, "person-declined")


async def test_a_refused_cancel_tells_the_sender_no_state(lotse: Lotse) -> None:
    """The answer is word for word the same whatever has happened, also the second time."""
    texts = set()
    for state in ("completed", "failed", "rejected", "cancelled", "detached"):
        referral_id = await lotse.referral(a_case(), *TO_STATE[state])
        if state in ("completed", "failed"):
            assert (await lotse.act(referral_id, "cancel", unit=CITY)).status_code == 200
        answer = await lotse.act(referral_id, "cancel", unit=CITY)
        assert is_problem(answer, 409, "illegal-transition")
        texts.add(answer.text)
    [text] = texts
    assert "This referral cannot be cancelled any more." in text


async def test_a_sender_that_may_not_know_cancels_a_completed_referral_as_an_open_one(lotse: Lotse) -> None:
    """Answer, reading and list are the same for both; of the completed one nobody is told anything."""
    seen = []
    for acts in (TO_STATE["in-progress"], TO_STATE["completed"]):
        referral_id = await lotse.referral(a_case(), *acts)
        before = await lotse.get(f"/v1/referrals/{referral_id}", unit=AWO)
        kinds = await lotse.kinds()
        answer = await lotse.act(referral_id, "cancel", unit=CITY)
        headers = lotse.running.headers(CITY, "clerk")
        page = await lotse.running.client.get("/v1/referrals", params={"role": "sent"}, headers=headers)
        listed = page.json()["items"][-1]
        assert listed == answer.json() == await lotse.seen(referral_id, CITY)
        own = {"referral_id", "case_ref", "offer_id", "requested_at"}
        assert "etag" not in answer.headers
        seen.append((answer.status_code, {name: told for name, told in answer.json().items() if name not in own}))
    assert seen[0] == seen[1]
    assert (seen[1][0], seen[1][1]["state"]) == (200, "ended")
    assert await lotse.kinds() == kinds
    after = await lotse.get(f"/v1/referrals/{referral_id}", unit=AWO)
    assert (after.json(), after.headers["etag"]) == (before.json(), before.headers["etag"])


async def test_a_sender_that_may_know_is_refused_the_cancel_of_a_completed_referral(lotse: Lotse) -> None:
    """With a valid FEEDBACK_STATUS only; once it reads the state, its own earlier cancel hides nothing."""
    case_id, other = a_case(), a_case()
    known, closed = (
        await lotse.referral(case_id, *TO_STATE["completed"]),
        await lotse.referral(other, *TO_STATE["completed"]),
    )
    status = a_feedback(case_id)
    await lotse.running.feed(status, a_feedback(other, Scope.FEEDBACK_OUTCOME))
    assert is_problem(await lotse.act(known, "cancel", unit=CITY), 409, "illegal-transition")
    assert (await lotse.act(closed, "cancel", unit=CITY)).json()["state"] == "ended"
    await lotse.running.feed(withdrawn(status), a_feedback(other))
    assert (await lotse.act(known, "cancel", unit=CITY)).json()["state"] == "ended"
    assert (await lotse.seen(closed, CITY))["state"] == "completed"
    assert is_problem(await lotse.act(closed, "cancel", unit=CITY), 409, "illegal-transition")


async def test_the_senders_if_match_is_refused_unread(lotse: Lotse) -> None:
    """Right, wrong and star get the same answer: comparing would tell how often the state has changed."""
    referral_id = await lotse.referral(a_case(), "accept")
    texts = set()
    for tag in ('"1"', '"3"', "*", "nonsense"):
        answer = await lotse.act(referral_id, "cancel", unit=CITY, If_Match=tag)
        assert is_problem(answer, 400, "if-match-not-taken", "If-Match")
        texts.add(answer.text)
    assert len(texts) == 1
    assert (await lotse.kinds())[-1] == "accepted"


async def test_a_stale_if_match_of_the_recipient_is_refused(lotse: Lotse) -> None:
    """412 changes nothing; the right one goes through."""
    referral_id = await lotse.referral(a_case())
    assert is_problem(await lotse.act(referral_id, "accept", If_Match='"9"'), 412, "stale", "If-Match")
    assert (await lotse.act(referral_id, "accept", If_Match='"1"')).headers["etag"] == '"3"'


async def test_another_units_referral_is_as_one_that_does_not_exist(lotse: Lotse) -> None:
    """404 in the same words, also to another unit of a party."""
    referral_id, answers = await lotse.referral(a_case()), []
    for unit in (JOBCENTER, CARITAS_MBE, "awo-rheinland/other", "stadt-koblenz/other"):
        answers += [await lotse.act(referral_id, act, unit=unit) for act in ACTS]
        answers.append(await lotse.get(f"/v1/referrals/{referral_id}", unit=unit))
        answers.append(await lotse.get(f"/v1/referrals/{a_case()}", unit=unit))
        answers.append(await lotse.act(str(a_case()), "accept", unit=unit))
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    assert await lotse.kinds() == ["requested"]
    assert await lotse.running.rows("select * from chassis.idempotency where route like '%referral_id%'") == []


async def test_the_sender_cannot_act_for_the_service(lotse: Lotse) -> None:
    """The refusal is the same in every state."""
    referral_id = await lotse.referral(a_case())
    acts = set(ACTS) - {"cancel"}
    refused = [await lotse.act(referral_id, act, unit=CITY) for act in acts]
    await lotse.act(referral_id, "accept")
    refused += [await lotse.act(referral_id, act, unit=CITY) for act in acts]
    assert all(is_problem(answer, 403, "not-your-part") for answer in refused)
    assert len({answer.text for answer in refused}) == 1


async def test_a_wrong_role_is_refused(lotse: Lotse) -> None:
    """Even of the right unit, for every act."""
    referral_id = await lotse.referral(a_case())
    for act in (*ACTS, "annul"):
        for role in ("commissioner", "operator"):
            answer = await lotse.post(f"/v1/referrals/{referral_id}/{act}", facts_of(act), unit=AWO, role=role)
            assert is_problem(answer, 403, "role-missing")
    assert await lotse.kinds() == ["requested"]


async def test_a_clerk_does_not_counsel(lotse: Lotse) -> None:
    """Clerks refer and recall; accepting is the counsellors'."""
    referral_id = await lotse.referral(a_case())
    answer = await lotse.post(f"/v1/referrals/{referral_id}/accept", {}, unit=AWO, role="clerk")
    assert is_problem(answer, 403, "role-missing")


WRONG: list[tuple[str, Any, str]] = [
    ("receive", {"note": "hello"}, "note"),
    ("accept", facts_of("accept") | {"note": "hello"}, "note"),
    ("accept", [], "body"),
    ("accept", {}, "responsible"),
    ("accept", {"responsible": "x"}, "first_contact_planned_on"),
    ("accept", facts_of("accept") | {"responsible": " "}, "responsible"),
    ("accept", facts_of("accept") | {"responsible": "a\x00b"}, "responsible"),
    ("accept", facts_of("accept") | {"first_contact_planned_on": "2020-01-01"}, "first_contact_planned_on"),
    ("accept", facts_of("accept") | {"happened_on": "2020-01-01"}, "happened_on"),
    ("accept", facts_of("accept") | {"happened_on": "2999-01-01"}, "happened_on"),
    ("hold", {"reason": "waitlist"}, "review_on"),
    ("hold", {"reason": "waitlist", "review_on": "2020-01-01"}, "review_on"),
    ("hold", {"reason": "lazy", "review_on": "2999-01-01"}, "reason"),
    ("fail", {"reason": "unknown"}, "reason"),
    ("take-back", {}, "reason"),
    ("reject", {}, "reason"),
    ("reject", {"reason": "unknown"}, "reason"),
    ("reject", {"reason": "do not like"}, "reason"),
    ("reject", {"reason": "no-capacity", "note": "x"}, "note"),
    ("start", {"first_contact_on": 1777852800}, "first_contact_on"),
    ("start", {"first_contact_on": "2026-05-04T00:00:00"}, "first_contact_on"),
    ("start", {"first_contact_on": "2026-02-30"}, "first_contact_on"),
    ("start", {"first_contact_on": None}, "first_contact_on"),
    ("complete", {"outcome": "enrolled "}, "outcome"),
    ("complete", {"outcome": True}, "outcome"),
    ("cancel", {"reason": "consent-withdrawn"}, "reason"),
    ("cancel", {"reason": "unknown"}, "reason"),
    ("cancel", {}, "reason"),
]


async def test_a_wrong_body_is_refused_by_field(lotse: Lotse) -> None:
    """Nobody but the clock and the person may say that a consent is over."""
    referral_id = await lotse.referral(a_case())
    for act, body, field in WRONG:
        answer = await lotse.post(f"/v1/referrals/{referral_id}/{act}", body)
        assert is_problem(answer, 422, "not-valid", field)
    assert await lotse.kinds() == ["requested"]


async def test_a_first_contact_in_the_future_is_refused(lotse: Lotse) -> None:
    """As is one before the request."""
    referral_id = await lotse.referral(a_case(), "accept")
    for days in (-2, 2):
        day = (datetime.now(UTC) + timedelta(days=days)).date().isoformat()
        answer = await lotse.post(f"/v1/referrals/{referral_id}/start", {"first_contact_on": day})
        assert is_problem(answer, 422, "not-valid", "first_contact_on")
    assert (await lotse.act(referral_id, "start")).status_code == 200
    started = (await lotse.told())[-1]
    assert isinstance(started, ReferralStarted)


async def test_without_an_idempotency_key_nothing_is_done(lotse: Lotse) -> None:
    """400 names the header."""
    referral_id = await lotse.referral(a_case())
    headers = lotse.running.headers(AWO, "counsellor")
    del headers["Idempotency-Key"]
    answer = await lotse.running.client.post(f"/v1/referrals/{referral_id}/accept", headers=headers)
    assert is_problem(answer, 400, "idempotency-key-missing", "Idempotency-Key")

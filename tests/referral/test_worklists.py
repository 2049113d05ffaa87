"""What a unit has to do about its referrals, and what it waits for."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.referral.app import SERVICE
from tests.conftest import CreateDatabase
from tests.harness import running
from tests.referral.builders import (
    AWO,
    CARITAS_MBE,
    CITY,
    Lotse,
    a_case,
    a_consent,
    a_feedback,
    facts_of,
    is_problem,
    withdrawn,
)
from tests.referral.test_clocks import agreement, run_clocks

US, THEM = "waiting-for-us", "waiting-for-them"


@pytest.fixture
async def decided(create_database: CreateDatabase, tmp_path: Path) -> AsyncIterator[Lotse]:
    """The service after the partners have decided the deadlines."""
    path = agreement(tmp_path, decided_on="2014-01-08")
    async with running(SERVICE, tmp_path, await create_database("referral"), agreement_file=path) as service:
        yield Lotse(service)


async def listed(lotse: Lotse, worklist: str, unit: str, **query: Any) -> list[str]:
    """The ids of the referrals on a list."""
    answer = await lotse.get(f"/v1/worklists/{worklist}", unit=unit, **query)
    assert answer.status_code == 200, answer.text
    return [each["referral_id"] for each in answer.json()["items"]]


async def test_a_service_has_to_answer_and_to_meet_the_person(lotse: Lotse) -> None:
    """Then the work is going on, and no list has it; the City waits until it is told."""
    referral_id = await lotse.referral(a_case())
    for act in ("receive", "accept"):
        assert await listed(lotse, US, AWO) == [referral_id]
        assert await listed(lotse, THEM, CITY) == [referral_id]
        assert (await lotse.act(referral_id, act)).status_code == 200
    assert await listed(lotse, US, AWO) == [referral_id]
    await lotse.act(referral_id, "start")
    assert await listed(lotse, US, AWO) == []
    assert await listed(lotse, US, CITY) == []
    assert await listed(lotse, THEM, AWO) == []


QUIET = [
    ("accept",),
    ("accept", "start"),
    ("accept", "hold"),
    ("accept", "fail"),
    ("accept", "start", "complete"),
]


@pytest.mark.parametrize("acts", QUIET, ids="-".join)
async def test_a_list_tells_a_sender_nothing_that_it_may_not_know(lotse: Lotse, acts: tuple[str, ...]) -> None:
    """Whatever became of a received referral, without a consent it stays on the same list, looking the same."""
    referral_id = await lotse.referral(a_case(), *acts)
    for worklist in ("due-soon", "overdue", "escalated", US):
        assert await listed(lotse, worklist, CITY) == []
    [item] = (await lotse.get(f"/v1/worklists/{THEM}", unit=CITY)).json()["items"]
    assert (item["referral_id"], item["state"], item["deadline"]) == (referral_id, "received", None)


@pytest.mark.parametrize(
    ("acts", "waits", "returned"),
    [
        (("accept",), True, False),
        (("accept", "hold"), True, False),
        (("accept", "start"), False, False),
        (("accept", "start", "complete"), False, False),
        (("accept", "fail"), False, True),
    ],
    ids=str,
)
@pytest.mark.parametrize("is_late", [False, True])
async def test_a_consent_moves_a_referral_to_the_list_it_belongs_on(
    lotse: Lotse, acts: tuple[str, ...], waits: bool, returned: bool, is_late: bool
) -> None:
    """Given before the acts or after them."""
    case_id = a_case()
    referral_id = await lotse.referral(case_id, *(acts if is_late else ()))
    await lotse.running.feed(a_feedback(case_id))
    for act in () if is_late else acts:
        await lotse.act(referral_id, act)
    assert (await listed(lotse, THEM, CITY) == [referral_id]) == waits
    assert (await listed(lotse, US, CITY) == [referral_id]) == returned


async def test_what_a_sender_has_heard_is_not_taken_back_from_its_lists(lotse: Lotse) -> None:
    """Feedback, then none, then the end of the work: the list does not show that something has happened."""
    case_id = a_case()
    referral_id = await lotse.referral(case_id, "accept")
    feedback = a_feedback(case_id)
    await lotse.running.feed(feedback)
    await lotse.act(referral_id, "start")
    assert await listed(lotse, THEM, CITY) == []
    await lotse.running.feed(withdrawn(feedback))
    await lotse.act(referral_id, "complete")
    assert await listed(lotse, THEM, CITY) + await listed(lotse, US, CITY) == []


async def test_what_comes_back_waits_for_its_sender_until_it_goes_on(lotse: Lotse) -> None:
    """A rejected referral leaves the list with the one that goes on from it, or when it is dismissed."""
    case_id = a_case()
    rejected = await lotse.referral(case_id, "reject")
    assert await listed(lotse, US, CITY) == [rejected]
    await lotse.running.feed(a_consent(case_id, to_unit=CARITAS_MBE))
    body = {
        "case_ref": lotse.case_ref(case_id),
        "offer_id": await lotse.offer(CARITAS_MBE),
        "based_on": rejected,
    }
    onward = await lotse.post("/v1/referrals", body, unit=CITY, role="clerk")
    assert onward.status_code == 201
    assert await listed(lotse, US, CITY) == []
    assert await listed(lotse, THEM, CITY) == [onward.json()["referral_id"]]


async def test_a_sender_dismisses_what_it_will_not_follow_up(lotse: Lotse) -> None:
    """Nothing is told, and the state stays; it is the sender's alone to do."""
    referral_id = await lotse.referral(a_case(), "reject")
    before = await lotse.kinds()
    path = f"/v1/referrals/{referral_id}/dismiss"
    assert is_problem(await lotse.post(path, unit=AWO), 403, "not-your-part")
    assert is_problem(await lotse.post(path, unit=CARITAS_MBE), 404, "not-found")
    answer = await lotse.post(path, unit=CITY, role="clerk")
    assert (answer.status_code, answer.json()["state"]) == (200, "rejected")
    assert await listed(lotse, US, CITY) == []
    assert await lotse.kinds() == before


async def test_a_referral_entered_in_error_waits_for_a_second_person(lotse: Lotse) -> None:
    """Once on the list, also where it has come back too."""
    for acts in ((), ("reject",)):
        referral_id = await lotse.referral(a_case(), *acts)
        path = f"/v1/referrals/{referral_id}/annul"
        assert (await lotse.post(path, facts_of("annul"), unit=CITY, role="clerk")).status_code == 200
        assert await listed(lotse, US, CITY) == [referral_id]
        assert (await lotse.post(path, facts_of("annul"), unit=CITY, role="counsellor")).status_code == 200
        assert await listed(lotse, US, CITY) == []


async def test_paused_work_waits_for_its_service_from_the_day_it_named(lotse: Lotse) -> None:
    """Not before; the day before it is due soon."""
    referral_id = await lotse.referral(a_case(), "accept", "hold")
    assert await listed(lotse, US, AWO) == []
    await lotse.running.move_clock(timedelta(days=9))
    assert await listed(lotse, US, AWO) == [referral_id]


async def test_late_ones_are_listed_by_what_is_due_first(decided: Lotse) -> None:
    """The service sees all of its own; the City only what nobody has opened."""
    opened = await decided.referral(a_case(), "receive")
    unopened = await decided.referral(a_case())
    accepted = await decided.referral(a_case(), "accept")
    await decided.running.move_clock(timedelta(days=6))
    assert await listed(decided, "overdue", AWO) == sorted([opened, unopened])
    assert await listed(decided, "overdue", CITY) == [unopened]
    await run_clocks(decided, timedelta(days=12))
    assert await listed(decided, "escalated", AWO) == sorted([opened, unopened])
    assert await listed(decided, "escalated", CITY) == [unopened]
    await run_clocks(decided, timedelta(days=60))
    assert await listed(decided, "overdue", AWO) == [accepted]
    assert await listed(decided, US, CITY) == sorted([opened, unopened])


async def test_what_is_due_by_the_end_of_the_next_working_day_is_due_soon(decided: Lotse) -> None:
    """Within days of the request, and before it is late."""
    referral_id = await decided.referral(a_case())
    seen = set()
    for hours in range(0, 24 * 8, 6):
        await decided.running.move_clock(timedelta(hours=hours))
        is_soon = await listed(decided, "due-soon", AWO) == [referral_id]
        is_late = await listed(decided, "overdue", AWO) == [referral_id]
        assert not (is_soon and is_late)
        assert await listed(decided, "due-soon", CITY) == ([referral_id] if is_soon else [])
        seen.add((is_soon, is_late))
    assert {(True, False), (False, True)} <= seen


@pytest.mark.parametrize("worklist", [US, "overdue"])
async def test_pages_go_on_where_they_ended_whatever_has_moved(decided: Lotse, worklist: str) -> None:
    """One leaves the first page, one joins at the end: nothing is shown twice, nothing else is left out."""
    ids = [await decided.referral(a_case()) for _ in range(5)]
    await decided.running.move_clock(timedelta(days=8))
    first = (await decided.get(f"/v1/worklists/{worklist}", limit=2)).json()
    assert [each["referral_id"] for each in first["items"]] == ids[:2]
    for act in ("accept", "start"):
        await decided.act(ids[1], act)
    second = (await decided.get(f"/v1/worklists/{worklist}", limit=2, after=first["next"])).json()
    third = (await decided.get(f"/v1/worklists/{worklist}", limit=2, after=second["next"])).json()
    assert [each["referral_id"] for each in second["items"] + third["items"]] == ids[2:]
    assert third["next"] is None


async def test_wrong_lists_and_places_are_named(lotse: Lotse) -> None:
    """With the field, and nothing else happens."""
    assert is_problem(await lotse.get("/v1/worklists/urgent"), 422, "not-valid", "worklist")
    assert is_problem(await lotse.get(f"/v1/worklists/{US}", after="x"), 422, "not-valid", "after")
    assert is_problem(await lotse.get(f"/v1/worklists/{US}", limit=0), 422, "not-valid", "limit")


async def test_another_units_lists_are_empty(lotse: Lotse) -> None:
    """A list is the caller's unit's own."""
    await lotse.referral(a_case(), "reject")
    for worklist in (US, THEM, "due-soon", "overdue", "escalated"):
        assert await listed(lotse, worklist, CARITAS_MBE) == []

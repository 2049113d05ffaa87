"""Histories that must end right: parked cases, tombstones, and changes of one case at the same moment."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest

from schemas import CaseId, ConsentGiven, Event, Received, ReferralEnded, ReferralEvent, ReferralStatusShared, Topic
from schemas.codes import Outcome
from services.chassis import parking
from services.chassis.db import Connection
from services.chassis.handling import Handlers, Permanent
from services.chassis.inbox import Inbox
from services.chassis.keys import Key
from services.referral.handlers import HANDLERS, on_run
from tests.referral.builders import (
    AWO,
    CARITAS_MBE,
    CITY,
    Lotse,
    a_case,
    a_consent,
    a_feedback,
    disclosed,
    erased,
    is_problem,
    withdrawn,
)

ROUNDS = 15


@contextmanager
def consents_not_understood(lotse: Lotse) -> Iterator[None]:
    """For a while the service's code cannot apply any consent given."""

    async def refuse(conn: Connection, events: Sequence[Received[Event]], now: datetime) -> None:
        if any(isinstance(event.data, ConsentGiven) for event in events):
            raise Permanent("this code does not understand the consent")
        await on_run(conn, events, now)

    handlers = Handlers(frozenset({Topic.CASES}), run=refuse, run_types=frozenset(HANDLERS))
    good, lotse.running.inbox = lotse.running.inbox, Inbox(lotse.running.context.database, handlers)
    yield
    lotse.running.inbox = good


async def mend(lotse: Lotse, case_id: CaseId) -> None:
    """New code starts and tries what waits."""
    handlers = lotse.running.service.handlers(lotse.running.context)
    key = Key(Topic.CASES, str(case_id))
    assert await parking.retry(lotse.running.context.database, handlers, key)
    assert await lotse.running.parked() == []


async def consent_states(lotse: Lotse, case_id: CaseId) -> list[str]:
    """How the case's consents stand, sorted."""
    rows = await lotse.running.rows("select state from referral.consent where case_id = $1 order by 1", case_id)
    return [row["state"] for row in rows]


@pytest.mark.usefixtures("impatient")
async def test_a_consent_given_in_the_parked_event_stays_withdrawn(lotse: Lotse) -> None:
    """History b: the gift fails, the withdrawal is applied at once, the gift is mended and changes nothing."""
    case_id, offer_id = a_case(), await lotse.offer()
    consent = a_consent(case_id)
    with consents_not_understood(lotse):
        await lotse.running.feed(consent, disclosed(case_id, a_case()), withdrawn(consent))
    assert [row["code"] for row in await lotse.running.parked()] == ["refused", "waits", "waits"]
    assert await consent_states(lotse, case_id) == ["withdrawn"]
    await mend(lotse, case_id)
    assert await consent_states(lotse, case_id) == ["withdrawn"]
    assert is_problem(await lotse.request(case_id, offer_id), 409, "no-consent")


async def test_a_withdrawal_in_a_parked_case_ends_the_referral_at_once_and_once(lotse: Lotse) -> None:
    """History a, with a late feedback consent as the event that fails: nothing follows the end."""
    case_id = a_case()
    consent = a_consent(case_id)
    await lotse.referral(case_id, "accept", consent=consent)
    with consents_not_understood(lotse):
        await lotse.running.feed(a_feedback(case_id), disclosed(case_id, a_case()), withdrawn(consent))
    assert (await lotse.kinds())[-1] == "ended"
    before = await lotse.kinds()
    await mend(lotse, case_id)
    assert await lotse.kinds() == before


@pytest.mark.usefixtures("impatient")
async def test_an_erasure_in_a_parked_case_lets_no_older_consent_live(lotse: Lotse) -> None:
    """The consents that waited are not even kept."""
    case_id, offer_id = a_case(), await lotse.offer()
    with consents_not_understood(lotse):
        await lotse.running.feed(a_consent(case_id), a_feedback(case_id), erased(case_id))
    await mend(lotse, case_id)
    assert await consent_states(lotse, case_id) == []
    assert is_problem(await lotse.request(case_id, offer_id), 409, "no-consent")


async def test_an_outcome_consent_that_waited_in_a_parked_case_is_answered(lotse: Lotse) -> None:
    """While the queue is replayed the case still counts as parked; its own events know what they need."""
    case_id = a_case()
    await lotse.referral(case_id, "accept", "start", "complete")
    with consents_not_understood(lotse):
        await lotse.running.feed(a_feedback(case_id), a_feedback(case_id, scope="feedback-outcome"))
    before = len(await lotse.told())
    await mend(lotse, case_id)
    shared = [event for event in (await lotse.told())[before:] if isinstance(event, ReferralStatusShared)]
    assert [event.outcome for event in shared] == [None, Outcome.NEED_MET]


async def test_changes_of_one_case_at_the_same_moment_keep_one_order(lotse: Lotse) -> None:
    """History k: two withdrawals meet what two units do meanwhile; versions have no hole, each ends once."""
    for _ in range(ROUNDS):
        case_id = a_case()
        awo, caritas = a_consent(case_id), a_consent(case_id, to_unit=CARITAS_MBE)
        first = await lotse.referral(case_id, consent=awo)
        await lotse.running.feed(caritas)
        second = (await lotse.request(case_id, await lotse.offer(unit=CARITAS_MBE))).json()["referral_id"]
        answers = await asyncio.gather(
            lotse.act(first, "accept"),
            lotse.act(second, "accept", unit=CARITAS_MBE),
            lotse.running.feed(withdrawn(awo)),
            lotse.act(first, "cancel", unit=CITY),
            lotse.act(second, "receive", unit=CARITAS_MBE),
        )
        await lotse.running.feed(withdrawn(caritas))
        assert {answer.status_code for answer in answers if not isinstance(answer, list)} <= {200, 409}
        await _check_order(lotse, case_id, first, second)


async def _check_order(lotse: Lotse, case_id: CaseId, *referral_ids: str) -> None:
    rows = [row for row in await lotse.running.outbox_rows() if row["key"] == str(case_id)]
    assert [int(row["headers"]["ce_sequence"]) for row in rows] == list(range(1, len(rows) + 1))
    told = [event for event in await lotse.told() if isinstance(event, ReferralEvent) and event.case_id == case_id]
    for referral_id in referral_ids:
        own = [event for event in told if str(event.referral_id) == referral_id]
        assert [isinstance(event, ReferralEnded) for event in own] == [False] * (len(own) - 1) + [True]


@pytest.mark.usefixtures("impatient")
async def test_a_request_that_meets_the_withdrawal_never_stays_open(lotse: Lotse) -> None:
    """History l: whichever comes first, the referral is refused and untold, or told and ended."""
    offer_id, outcomes = await lotse.offer(), set[tuple[int, tuple[str, ...]]]()
    for turn in range(ROUNDS):
        case_id = a_case()
        consent = a_consent(case_id)
        await lotse.running.feed(consent)
        both = [lotse.request(case_id, offer_id), lotse.running.feed(withdrawn(consent))]
        done: list[Any] = await asyncio.gather(*(both if turn % 2 else reversed(both)))
        [answer] = [each for each in done if not isinstance(each, list)]
        told = [event for event in await lotse.told() if isinstance(event, ReferralEvent) and event.case_id == case_id]
        outcomes.add((answer.status_code, tuple(event.event_type.split(".")[2] for event in told)))
    assert outcomes <= {(201, ("requested", "ended")), (409, ())}


async def test_a_request_told_before_the_withdrawal_arrives_is_ended_by_it(lotse: Lotse) -> None:
    """The withdrawal is on its way while the service accepts; nothing of the referral stays open."""
    case_id = a_case()
    consent = a_consent(case_id)
    referral_id = await lotse.referral(case_id, "accept", consent=consent)
    await lotse.running.feed(withdrawn(consent), withdrawn(consent))
    assert await lotse.kinds() == ["requested", "received", "accepted", "ended"]
    assert is_problem(await lotse.act(referral_id, "start", unit=AWO), 409, "illegal-transition")

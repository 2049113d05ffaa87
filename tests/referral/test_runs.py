"""A run of events is judged at once: it ends as its events one by one would, in a constant number of statements."""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from schemas import CaseId, ConsentGiven, Event, OfferId, Received, ReferralId, new_id
from schemas.codes import ConsentState, ReferralState, Scope
from services.chassis.keys import Key, lock_keys
from services.referral.app import SERVICE
from services.referral.handlers import on_run
from services.referral.model.referrals import Referral
from services.referral.store import referrals
from tests.conftest import CreateDatabase
from tests.harness import Running, received, running
from tests.referral.builders import (
    AWO,
    CARITAS_MBE,
    CITY,
    a_case,
    a_consent,
    a_feedback,
    disclosed,
    erased,
    expired,
    withdrawn,
)

NOW = datetime.now(UTC)
SEEDS = range(12)
CASES = 6

KEPT = (
    "select consent_id, case_id, from_unit, to_unit, scope, state, valid_until from referral.consent order by 1",
    "select case_id, erased_at from referral.erased_case order by 1",
    "select * from referral.referral order by referral_id",
    "select topic, key, version from chassis.key order by 1, 2",
)


class Twins(NamedTuple):
    """Two referral services that know the same."""

    at_once: Running
    one_by_one: Running


@pytest.fixture
async def twins(tmp_path: Path, create_database: CreateDatabase) -> AsyncIterator[Twins]:
    """Each on a database of its own."""
    async with AsyncExitStack() as open_until_end:
        urls = [await create_database("referral") for _ in range(2)]
        made = [await open_until_end.enter_async_context(running(SERVICE, tmp_path, url)) for url in urls]
        yield Twins(*made)


async def refer(service: Running, referral: Referral) -> None:
    """Put a referral there as it stands, with the offer that it goes to."""
    async with service.context.database.transaction() as conn:
        await conn.execute(
            """
            insert into referral.entry (entry_id, kind, state, version, published_at, changed_at)
            values ($1, 'offer', '{}', 1, $2, $2)
            """,
            referral.offer_id,
            NOW,
        )
        await referrals.insert_referral(conn, referral)
        await referrals.update_referrals(conn, [referral], NOW)


async def apply(service: Running, run: Sequence[Received[Event]]) -> int:
    """Apply a run; returns how many statements that took."""
    counted: list[Any] = []
    async with service.context.database.transaction() as conn:
        await lock_keys(conn, {Key(event.topic, event.key) for event in run})
        with conn.query_logger(counted.append):
            await on_run(conn, run, NOW)
    return len(counted)


async def kept(service: Running) -> list[Any]:
    """What a service knows, and what it says about each case in order."""
    said: dict[str, list[Any]] = {}
    for row in await service.outbox_rows():
        words = {name: row["headers"].get(name) for name in ("ce_type", "ce_sequence", "ce_causationid")}
        said.setdefault(row["key"], []).append((words, row["value"]))
    return [said, *[await service.rows(sql) for sql in KEPT]]


def a_referral(case_id: CaseId, consent: ConsentGiven, state: ReferralState) -> Referral:
    """One from the City to AWO."""
    return Referral(ReferralId(new_id()), case_id, consent.consent_id, OfferId(new_id()), CITY, AWO, NOW, state)


def happenings(dice: random.Random, case_id: CaseId, consent: ConsentGiven, referral: Referral) -> list[Event]:
    """What may happen to a case, in any order and more than once."""
    gifts = [
        consent,
        a_consent(case_id, to_unit=CARITAS_MBE),
        a_feedback(case_id),
        a_feedback(case_id),
        a_feedback(case_id, Scope.FEEDBACK_OUTCOME),
        a_feedback(case_id, valid_until=NOW.replace(year=2020)),
    ]
    others = [*map(withdrawn, gifts), *map(expired, gifts[:3]), disclosed(case_id, referral.referral_id)]
    chosen = [dice.choice([*gifts, *gifts, *others]) for _ in range(8)]
    return [*chosen, erased(case_id), dice.choice(gifts), dice.choice(others)] if dice.random() < 0.3 else chosen


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_run_ends_as_its_events_one_by_one(twins: Twins, seed: int) -> None:
    """Random histories of several cases, interleaved: the same rows, versions, events and causes."""
    dice, histories = random.Random(seed), []  # noqa: S311 - a test's dice
    states = [ReferralState.REQUESTED, ReferralState.ACCEPTED, ReferralState.IN_PROGRESS, ReferralState.REJECTED]
    for _ in range(CASES):
        case_id = a_case()
        consent = a_consent(case_id)
        referral = a_referral(case_id, consent, dice.choice(states))
        for service in twins:
            await refer(service, referral)
        histories.append(happenings(dice, case_id, consent, referral))
    order = [case for case, history in enumerate(histories) for _ in history]
    dice.shuffle(order)
    run = [received(histories[case].pop(0)) for case in order]
    await apply(twins.at_once, run)
    for event in run:
        await apply(twins.one_by_one, [event])
    assert await kept(twins.at_once) == await kept(twins.one_by_one)


async def test_a_run_takes_as_many_statements_for_many_events_as_for_few(twins: Twins) -> None:
    """Set-based: ten cases cost what one costs."""

    async def cost(cases: int) -> int:
        events: list[Event] = []
        for _ in range(cases):
            case_id = a_case()
            consent = a_consent(case_id)
            await refer(twins.at_once, a_referral(case_id, consent, ReferralState.ACCEPTED))
            events += [consent, a_feedback(case_id), withdrawn(consent), erased(case_id)]
        return await apply(twins.at_once, [received(event) for event in events])

    await cost(1)  # the first run also asks for the database's types
    assert await cost(10) == await cost(1)


async def test_a_consent_without_feedback_costs_two_statements(twins: Twins) -> None:
    """Nothing about referrals is read where none can be touched."""
    await apply(twins.at_once, [received(a_consent(a_case()))])  # the first run also asks for the database's types
    assert await apply(twins.at_once, [received(a_consent(a_case()))]) <= 2


async def test_an_end_of_a_consent_not_read_keeps_what_is_known_of_it(twins: Twins) -> None:
    """A run without a gift reads no consents: the first end stays, and so does the validity."""
    consent = a_consent(a_case())
    for each in (consent, withdrawn(consent), expired(consent)):
        await apply(twins.at_once, [received(each)])
    [row] = await twins.at_once.rows("select state, valid_until from referral.consent")
    assert row == {"state": ConsentState.WITHDRAWN, "valid_until": consent.valid_until}

"""Withdrawals race everything else that is told of a case: what comes after the end on a stream is closing."""

import asyncio
import os
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import takewhile
from typing import Any

from tests.faults.heard import CLOSING
from tests.faults.people import acceptance
from tests.flows.world import AWO, CITY, Heard, World, kind

# `make soak` asks for 10,000.
ROUNDS = int(os.environ.get("LOTSE_RACE_ROUNDS", "300"))
AT_ONCE = 10

Withdrawal = Callable[[], Awaitable[Any]]


class Race:
    """One person's referral after the other, each ended by the person while the City or AWO still works on it."""

    def __init__(self, world: World, offer: str) -> None:
        self.world, self.offer = world, offer
        self.cases: list[str] = []
        """The City's reference of each case whose consent was withdrawn."""
        self.answers = Counter[int]()
        """How often what raced the withdrawal was answered with which status."""

    async def play(self, numbers: range) -> None:
        """Play these rounds."""
        for number in numbers:
            await self._round(number)

    async def _round(self, number: int) -> None:
        case_ref = await self.world.register()
        consent = await self.world.consent(case_ref, AWO)
        withdrawal = partial(self.world.do, "intake", f"/v1/consents/{consent}/withdraw", CITY)
        body = {"case_ref": case_ref, "offer_id": self.offer}
        if number % 3 == 0:
            await self._at_once(withdrawal, self.world.ask("POST", "referral", "/v1/referrals", CITY, body))
        else:
            referral = await self.world.refer(case_ref, self.offer)
            await (self._accepted if number % 3 == 1 else self._started)(referral, withdrawal)
        self.cases.append(case_ref)

    async def _accepted(self, referral: str, withdrawal: Withdrawal) -> None:
        """AWO fetches and accepts while the person takes back the word."""
        await self._at_once(
            withdrawal,
            self.world.ask("GET", "intake", f"/v1/referrals/{referral}/person", AWO),
            self.world.ask("POST", "referral", f"/v1/referrals/{referral}/accept", AWO, acceptance()),
        )

    async def _started(self, referral: str, withdrawal: Withdrawal) -> None:
        """The City may hear of the state, and AWO begins."""
        await self.world.do("referral", f"/v1/referrals/{referral}/accept", AWO, acceptance())
        await self.world.feedback(referral)
        begun = {"first_contact_on": datetime.now(UTC).date().isoformat()}
        await self._at_once(
            withdrawal, self.world.ask("POST", "referral", f"/v1/referrals/{referral}/start", AWO, begun)
        )

    async def _at_once(self, withdrawal: Withdrawal, *others: Awaitable[Any]) -> None:
        _, *answers = await asyncio.gather(withdrawal(), *others)
        self.answers.update(answer.status_code for answer in answers)


def told_of_cases(stream: Heard) -> Iterator[list[str]]:
    """What a partner was told of each case, in order."""
    cases = defaultdict[bytes | None, list[str]](list)
    for record in stream.records:
        if not kind(record).startswith("offer."):
            cases[record.key].append(kind(record))
    yield from cases.values()


def up_to_the_end(told: list[str]) -> tuple[list[str], list[str]]:
    """What was told before the first closing event, and what from it on."""
    before = list(takewhile(lambda each: each not in CLOSING, told))
    return before, told[len(before) :]


async def test_after_the_end_on_a_stream_nothing_is_told_but_ends(world: World) -> None:
    """Hundreds of withdrawals meet requests, fetches, acceptances and beginnings: nobody hears more than the end."""
    async with world.listening("awo-rheinland") as awo, world.listening("stadt-koblenz") as city:
        race = Race(world, await world.offer(AWO))
        await asyncio.gather(*(race.play(range(start, ROUNDS, AT_ONCE)) for start in range(AT_ONCE)))
        await world.settled()
        ended = Counter[str]()
        for stream in (awo, city):
            await stream.read_to_its_end()
            for told in told_of_cases(stream):
                before, after = up_to_the_end(told)
                assert set(after) <= CLOSING, told
                # Who was told anything was told of the withdrawal, else it was told too late.
                assert "consent.withdrawn" in after or not before, told
                ended.update(after)
    assert len(race.cases) == ROUNDS
    assert set(race.answers) <= {200, 201, 403, 409}, race.answers
    # Both sides won now and then, else nothing was raced.
    assert race.answers.keys() & {200, 201}
    assert race.answers.keys() & {403, 409}
    assert ended["consent.withdrawn"] >= ROUNDS
    assert ended["referral.ended"]

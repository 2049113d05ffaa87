"""Random lives of persons against a small oracle: the gate answers exactly when the person allows it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.stack import Stack
from schemas.codes import EndMode
from tests.badinput.effort import FUZZ, share
from tests.harness import REFERRAL
from tests.intake.builders import (
    AWO,
    CARITAS_MBE,
    CITY,
    NAME,
    PHONE,
    Desk,
    a_consent,
    a_person,
    a_referral,
    ended,
)
from tests.intake.going_back import Backup, Bus

UNITS = (AWO, CARITAS_MBE)
CATEGORIES = ("identity", "contact", "language")
ENDS = ("withdraw", "revoke", "invalidate")
BODY = {"withdraw": None, "revoke": {"reason": "other"}, "invalidate": {"reason": "other"}}
WITHOUT_CONSENT = timedelta(hours=72)
FIRST_NAMES = ("Amal", "Bahar", "Çiğdem", "Dorđe", "Elif", "Fatou", "Günter", "Hevin", "İnci", "Jörg", "Karim", "Łucja")

# (what, one number that chooses among what is there, a second one)
STEPS = st.tuples(
    st.sampled_from(
        ["consent", "refer", "end consent", "end referral", "correct", "erase", "hold", "release", "wait"]
        + ["backup", "restore", "search"]
        + ["fetch"] * 4
    ),
    st.integers(0, 11),
    st.integers(0, 11),
)
SOME = st.lists(STEPS, min_size=2, max_size=8)
# Most lives lose a part to a restore, in some an erasure; it begins with much allowed, so that there is much to lose.
FIRST: list[tuple[str, int, int]] = [("refer", 0, 0), ("refer", 1, 0), ("consent", 6, 9), ("consent", 5, 9)]
LIVES_OF_STEPS = st.builds(
    lambda kept, lost, erased, after, goes_back: [
        *FIRST,
        *kept,
        *([("backup", 0, 0), *lost, *erased, ("restore", 0, 0)] if goes_back else lost),
        *after,
        ("search", 0, 0),
    ],
    SOME,
    SOME,
    st.sampled_from([[], [], [("release", 0, 0), ("release", 0, 0), ("erase", 0, 0)]]),
    SOME,
    st.sampled_from([True] * 6 + [False]),
)


class Given(NamedTuple):
    """A consent as the oracle knows it."""

    ref: str
    unit: str
    categories: frozenset[str]
    until: datetime


@dataclass
class Oracle:
    """What was said and done so far, and what follows from it; knows nothing of the code."""

    registered: datetime
    name: str
    consents: list[Given] = field(default_factory=list)
    over: set[str] = field(default_factory=set)
    referrals: list[tuple[UUID, str]] = field(default_factory=list)
    closed: set[UUID] = field(default_factory=set)
    holds: list[str] = field(default_factory=list)
    erased: bool = False
    saved: tuple[str, list[str]] = ("", [])

    def is_kept(self, now: datetime) -> bool:
        """Not erased, and not lapsed for want of any consent."""
        return not self.erased and bool(self.consents or self.holds or now < self.registered + WITHOUT_CONSENT)

    def allowed(self, referral: tuple[UUID, str], now: datetime) -> frozenset[str]:
        """Which categories the unit of a referral may have now."""
        number, unit = referral
        if number in self.closed or not self.is_kept(now):
            return frozenset()
        valid = [each for each in self.consents if each.unit == unit and each.ref not in self.over and now < each.until]
        return frozenset(category for each in valid for category in each.categories)


class Life:
    """One person's: takes steps at the desk and in the oracle, and compares."""

    def __init__(self, desk: Desk, case_ref: str, oracle: Oracle, now: datetime, stack: Stack, family: str) -> None:
        self.desk, self.case_ref, self.oracle, self.now = desk, case_ref, oracle, now
        self.family = family
        self.bus, self.before = Bus(desk), Backup(stack, desk)
        self.fetched = self.restored = 0

    async def take(self, what: str, one: int, two: int) -> None:
        """One step; what cannot be done is refused by both."""
        await getattr(self, what.replace(" ", "_"))(one, two)

    async def post(self, path: str, body: Any = None, role: str = "clerk") -> Any:
        """At the City's counter, about this person."""
        return await self.desk.post(CITY, f"/v1/persons/{self.case_ref}/{path}", body, role=role)

    async def consent(self, one: int, two: int) -> None:
        unit, until = UNITS[one % 2], self.now + timedelta(days=1 + two)
        categories = frozenset(each for bit, each in enumerate(CATEGORIES) if (one + 1) >> bit & 1) or {"identity"}
        wanted = a_consent(to_unit=unit, data_categories=sorted(categories), valid_until=until.isoformat())
        if not self.oracle.is_kept(self.now):
            answer = await self.post("consents", {"consents": [wanted], **SIGNATURE})
            assert answer.status_code == 404, answer.text
            return
        (ref,) = await self.desk.consent(self.case_ref, wanted)
        self.oracle.consents.append(Given(ref, unit, frozenset(categories), until))

    async def refer(self, one: int, _two: int) -> None:
        unit = UNITS[one % 2]
        referral = a_referral(self.desk.case_id(self.case_ref), to_unit=unit)
        await self.desk.intake.feed(referral, source=REFERRAL)
        self.oracle.referrals.append((referral.referral_id, unit))

    async def end_consent(self, one: int, two: int) -> None:
        if not self.oracle.consents:
            return
        consent, act = self.oracle.consents[one % len(self.oracle.consents)], ENDS[two % 3]
        answer = await self.desk.post(CITY, f"/v1/consents/{consent.ref}/{act}", BODY[act])
        assert answer.status_code == 200, answer.text
        self.oracle.over.add(consent.ref)

    async def end_referral(self, one: int, _two: int) -> None:
        if self.oracle.referrals:
            number, unit = self.oracle.referrals[one % len(self.oracle.referrals)]
            same = a_referral(self.desk.case_id(self.case_ref), to_unit=unit)
            same = same.model_copy(update={"referral_id": number})
            await self.desk.intake.feed(ended(same, EndMode.CANCELLED), source=REFERRAL)
            self.oracle.closed.add(number)

    async def correct(self, one: int, _two: int) -> None:
        headers = {**self.desk.intake.headers(CITY, "clerk"), "If-Match": "*"}
        name = f"{FIRST_NAMES[one]} {self.family}"
        said = a_person(name=name)
        answer = await self.desk.intake.client.put(f"/v1/persons/{self.case_ref}", json=said, headers=headers)
        assert (answer.status_code == 200) == self.oracle.is_kept(self.now), answer.text
        if answer.status_code == 200:
            self.oracle.name = name

    async def erase(self, one: int, _two: int) -> None:
        if one % 4:
            return  # now and then is enough: nothing comes after it
        expected = 404 if not self.oracle.is_kept(self.now) else 409 if self.oracle.holds else 200
        assert (await self.post("erase")).status_code == expected
        self.oracle.erased = self.oracle.erased or expected == 200

    async def hold(self, _one: int, _two: int) -> None:
        answer = await self.post("holds", {"ground": "legal-claim"}, "commissioner")
        assert (answer.status_code == 201) == self.oracle.is_kept(self.now), answer.text
        if answer.status_code == 201:
            self.oracle.holds.append(answer.json()["hold_ref"])

    async def release(self, _one: int, _two: int) -> None:
        if self.oracle.holds:
            answer = await self.post(f"holds/{self.oracle.holds.pop()}/release", role="commissioner")
            assert answer.status_code == 200, answer.text

    async def wait(self, one: int, _two: int) -> None:
        await self.desk.intake.move_clock(self.now - datetime.now(UTC) + timedelta(days=one / 4))
        self.now = await now_of(self.desk)
        for job in ("expire-consents", "erase-never-consented"):
            await self.desk.intake.run_job(job)
        # The job has erased whoever lapsed: a hold that a restore brings back comes too late.
        self.oracle.erased = self.oracle.erased or not self.oracle.is_kept(self.now)

    async def backup(self, _one: int, _two: int) -> None:
        """With events that wait in it, as ever."""
        await self.before.take()
        self.oracle.saved = (self.oracle.name, list(self.oracle.holds))

    async def restore(self, one: int, _two: int) -> None:
        """Back to the last backup. What the bus knows stays in force; corrections and holds are lost with the database.

        While intake has not heard everything, nobody gets an answer.
        """
        await self.bus.relay()
        await self.before.put_back()
        admission = self.desk.intake.context.admission
        admission.close("recovering")
        for number, unit in self.oracle.referrals[one % 2 :][:2]:
            assert (await self.desk.fetch(number, unit)).status_code == 503
        assert (await self._search()).status_code == 503
        await self.bus.recover()
        admission.open("recovering")
        self.oracle.name, self.oracle.holds = self.oracle.saved
        await self.backup(0, 0)
        self.restored += 1
        if self.oracle.erased:
            case_id = self.desk.case_id(self.case_ref)
            for table in ("sealed", "person_index", "receipt", "told"):
                assert not await self.desk.intake.rows(GONE.format(table), case_id)

    async def search(self, _one: int, _two: int) -> None:
        """At the City's counter, by the name that is right; each life is another person's."""
        async with self.desk.intake.context.database.transaction() as conn:
            await conn.execute("delete from intake.search_count")
        answer = await self._search()
        assert answer.status_code == 200, answer.text
        found = [each["case_ref"] for each in answer.json()["items"]]
        assert (self.case_ref in found) == self.oracle.is_kept(self.now), self.oracle

    async def _search(self) -> Any:
        return await self.desk.post(CITY, "/v1/persons/search", {"name": self.oracle.name, "birth_year": 1991})

    async def fetch(self, one: int, _two: int) -> None:
        if not self.oracle.referrals:
            return
        referral = self.oracle.referrals[one % len(self.oracle.referrals)]
        answer = await self.desk.fetch(referral[0], referral[1])
        allowed = self.oracle.allowed(referral, self.now)
        assert (answer.status_code == 200) == bool(allowed), (answer.text, self.oracle)
        if allowed:
            self.fetched += 1
            said = answer.json()
            assert frozenset(said) & frozenset(CATEGORIES) == allowed
            assert said.get("identity", {"name": self.oracle.name}) == {"name": self.oracle.name}
            assert said.get("contact", {"value": PHONE})["value"] == PHONE


GONE = "select 1 from intake.{} where case_id = $1"
SIGNATURE = {
    "notice": {"version": "2026-01", "language": "de"},
    "form": "paper",
    "interpreter": {"kind": "professional", "language": "ar"},
}


async def now_of(desk: Desk) -> datetime:
    """The service's clock."""
    async with desk.intake.context.database.reading() as conn:
        now: datetime = await conn.fetchval("select chassis.lotse_now()")
    return now


LIVES = {"fetched": 0, "lives": 0, "restored": 0}


@given(steps=LIVES_OF_STEPS)
@share(FUZZ, 0.3)
async def test_a_fetch_is_answered_exactly_when_the_person_allows_it(
    desk: Desk, stack: Stack, steps: list[tuple[str, int, int]]
) -> None:
    """Consents, ends, referrals, corrections, erasures, holds, time, backups and restores in any order."""
    family = "".join(chr(ord("a") + int(digit, 16)) for digit in uuid4().hex)
    case_ref = await desk.register(name=f"{NAME} {family}")
    now = await now_of(desk)
    life = Life(desk, case_ref, Oracle(now, f"{NAME} {family}"), now, stack, family)
    await life.backup(0, 0)
    for what, one, two in steps:
        await life.take(what, one, two)
    for index in range(len(life.oracle.referrals)):
        await life.fetch(index, 0)
    LIVES["lives"] += 1
    LIVES["fetched"] += life.fetched
    LIVES["restored"] += life.restored


def test_the_lives_had_something_to_fetch() -> None:
    """An oracle that always says no would prove nothing."""
    if not LIVES["lives"]:
        pytest.skip("no lives were lived in this process")
    assert LIVES["fetched"] > LIVES["lives"] / 2
    assert LIVES["restored"] > LIVES["lives"] / 2

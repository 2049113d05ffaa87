"""Random lives of referrals against a small oracle: what is answered, seen, listed and told is what it says."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import CaseId, ConsentGiven, ReferralEvent
from schemas.calendar import local_day, local_midnight
from services.chassis import db
from services.referral.model.working_days import is_working_day
from tests.badinput.effort import FUZZ, share
from tests.conftest import CreateDatabase
from tests.harness import running
from tests.referral.builders import AWO, CITY, Lotse, a_case, a_consent, a_feedback, disclosed, erased, withdrawn
from tests.referral.test_clocks import SERVICE, agreement

A_DAY = timedelta(days=1)
FAR = timedelta(days=20_000)
OPEN = ("requested", "received", "accepted", "in-progress", "on-hold")
SERVICES = ("receive", "accept", "reject", "take-back", "start", "hold", "resume", "complete", "fail")
STEPS = st.one_of(
    st.tuples(st.sampled_from(SERVICES), st.sampled_from([AWO, AWO, AWO, AWO, CITY])),
    st.tuples(st.sampled_from(["accept", "start", "hold", "resume"]), st.just(AWO)),
    st.tuples(st.sampled_from(["cancel", "annul", "annul again", "dismiss"]), st.sampled_from([CITY, CITY, AWO])),
    st.tuples(st.sampled_from(["feedback", "no feedback", "fetch", "withdraw", "erase"]), st.just("")),
    st.tuples(st.just("wait"), st.sampled_from(["1", "3", "8", "20"])),
    st.tuples(st.just("wait"), st.sampled_from(["1", "2", "4"])),
)
# Most lives begin where much can happen still.
BEGINNINGS: list[list[tuple[str, str]]] = [
    [],
    [("wait", "20")],
    [("reject", AWO)],
    [("accept", AWO)],
    [("accept", AWO), ("start", AWO), ("feedback", "")],
    [("feedback", ""), ("accept", AWO)],
    [("accept", AWO), ("start", AWO)],
    [("accept", AWO), ("hold", AWO)],
    [("feedback", ""), ("accept", AWO), ("start", AWO), ("hold", AWO), ("wait", "4")],
    [("accept", AWO), ("hold", AWO), ("wait", "8"), ("resume", AWO), ("wait", "8")],
    [("feedback", ""), ("accept", AWO), ("wait", "20"), ("hold", AWO), ("resume", AWO), ("wait", "1")],
]
LIVES = st.builds(lambda first, then: [*first, *then], st.sampled_from(BEGINNINGS), st.lists(STEPS, max_size=9))


# What an act answers is compared each time; everything else after what nobody asked for, and at the end.
LOOKED_AT_AFTER = ("wait", "feedback", "no feedback", "erase")


def end_of(start: datetime, working_days: int, holds: list[tuple[datetime, datetime]]) -> datetime:
    """When so many working days are over, leaving out those on which the work rested."""
    day = local_day(start)
    while working_days:
        day += A_DAY
        rested = any(local_day(since) <= day <= local_day(until) for since, until in holds if since < until)
        working_days -= is_working_day(day) and not rested
    return local_midnight(day + A_DAY)


@dataclass
class Oracle:
    """One referral by the words of the rules; knows nothing of the code."""

    requested: datetime
    state: str = "requested"
    held_from: str = ""
    accepted: datetime | None = None
    holds: list[tuple[datetime, datetime]] = field(default_factory=list)
    resting_since: datetime | None = None
    review: datetime | None = None
    error_by: str = ""
    closed_quietly: bool = False
    feedback: bool = False
    last_shared: str = ""
    task: str = "waits"
    clock: str = "answer"
    reminders: int = 0
    told: list[str] = field(default_factory=lambda: ["requested"])

    def come_to(self, state: str, kind: str) -> None:
        """A step, what is told of it, and what the City has to do since."""
        self.state = state
        self.told.append(kind)
        clocks = {"requested": "answer", "received": "answer", "accepted": "first-contact", "on-hold": "review"}
        if clocks.get(state, "") != self.clock:
            self.clock, self.reminders = clocks.get(state, ""), 0
        if state in ("received", "rejected", "expired", "cancelled", "detached", "entered-in-error"):
            self.task = {"received": "waits", "rejected": "returned", "expired": "returned"}.get(state, "")
        elif self.feedback:
            self.hear()

    def hear(self) -> None:
        """The City is told of a state that needs the person's word."""
        tasks = {"accepted": "waits", "on-hold": "waits", "in-progress": "", "completed": "", "failed": "returned"}
        self.task = tasks.get(self.state, self.task)

    def do(self, act: str, unit: str, now: datetime) -> int:
        """What the API answers; nothing changes unless it is 200."""
        if (unit == CITY and act in SERVICES) or (unit == AWO and act.startswith(("annul", "dismiss"))):
            return 403
        doing: Callable[[datetime], bool] = getattr(self, "_" + act.replace("-", "_").partition(" ")[0])
        if act.startswith("annul"):
            return 200 if self._annul(act) else 409
        if act == "cancel":
            return 200 if self._cancel(unit) else 409
        return 200 if doing(now) else 409

    def _receive(self, _now: datetime) -> bool:
        if self.state != "requested":
            return False
        self.come_to("received", "received")
        return True

    def _answer(self, state: str, now: datetime) -> bool:
        if self.state not in ("requested", "received"):
            return False
        self._receive(now)
        self.come_to(state, state)
        return True

    def _accept(self, now: datetime) -> bool:
        if done := self._answer("accepted", now):
            self.accepted = now
        return done

    def _reject(self, now: datetime) -> bool:
        return self._answer("rejected", now)

    def _take_back(self, now: datetime) -> bool:
        if self.state != "accepted" or self.accepted is None or now >= end_of(self.accepted, 1, []):
            return False
        self.come_to("received", "acceptance_taken_back")
        return True

    def _start(self, _now: datetime) -> bool:
        if self.state != "accepted":
            return False
        self.come_to("in-progress", "started")
        return True

    def _hold(self, now: datetime) -> bool:
        if self.state not in ("accepted", "in-progress"):
            return False
        self.held_from, self.resting_since = self.state, now
        self.review = local_midnight(local_day(now) + timedelta(days=7))
        self.come_to("on-hold", "put_on_hold")
        return True

    def _resume(self, now: datetime) -> bool:
        if self.state != "on-hold" or self.resting_since is None:
            return False
        self.holds.append((self.resting_since, now))
        self.come_to(self.held_from, "resumed")
        return True

    def _complete(self, _now: datetime) -> bool:
        if self.state != "in-progress":
            return False
        self.come_to("completed", "completed")
        return True

    def _fail(self, _now: datetime) -> bool:
        if self.state not in ("accepted", "in-progress", "on-hold"):
            return False
        self.come_to("failed", "failed")
        return True

    def _cancel(self, unit: str) -> bool:
        if self.state in OPEN:
            was = self.held_from if self.state == "on-hold" else self.state
            self.come_to("detached" if was == "in-progress" else "cancelled", "ended")
            return True
        is_quiet = unit == CITY and self.state in ("completed", "failed")
        if not is_quiet or self.feedback or self.closed_quietly:
            return False
        self.closed_quietly, self.task = True, ""
        return True

    def _annul(self, act: str) -> bool:
        who = "counsellor" if act == "annul again" else "clerk"
        if self.state == "entered-in-error" or self.error_by == who:
            return False
        if self.error_by:
            self.come_to("entered-in-error", "entered_in_error")
        else:
            self.error_by = who
        return True

    def _dismiss(self, _now: datetime) -> bool:
        self.task = ""
        return True

    def due(self, step: int) -> datetime | None:
        """When the first, second or third thing follows if nothing happens."""
        if self.clock == "review":
            return self.review if step == 0 else None
        after = {"answer": [2, 4, 14], "first-contact": [10, 12]}.get(self.clock, [])
        start = self.requested if self.clock == "answer" else self.accepted
        if step >= len(after) or start is None:
            return None
        return end_of(start, after[step], self.holds if self.clock == "first-contact" else [])

    def pass_time(self, now: datetime) -> None:
        """One thing after the other, as far as it is due."""
        while (due := self.due(self.reminders)) is not None and due <= now:
            if self.reminders == 2:
                self.come_to("expired", "expired")
                return
            self.reminders += 1
            self.told.append("reminded")

    def seen_by_the_city(self) -> str:
        """What the API shows the sender."""
        if self.feedback or self.state in ("requested", "rejected", "expired", "entered-in-error"):
            return self.state
        return "ended" if self.closed_quietly or self.state in ("cancelled", "detached") else "received"

    def lists(self, now: datetime) -> dict[tuple[str, str], bool]:
        """Whether it is on which list of whom."""
        due = self.due(0) if self.clock != "review" else None
        is_late = due is not None and due <= now
        to_review = self.state == "on-hold" and self.review is not None and self.review <= now
        to_confirm = bool(self.error_by) and self.state != "entered-in-error"
        return {
            ("waiting-for-us", AWO): self.state in ("requested", "received", "accepted") or to_review,
            ("waiting-for-us", CITY): self.task == "returned" or to_confirm,
            ("waiting-for-them", CITY): self.task == "waits",
            ("overdue", AWO): is_late,
            ("overdue", CITY): is_late and self.state == "requested",
            ("escalated", AWO): is_late and self.reminders == 2,
        }


class Life:
    """One referral's: takes steps at the service and in the oracle, and compares."""

    def __init__(self, lotse: Lotse, case_id: CaseId, referral_id: str, consent: ConsentGiven, now: datetime) -> None:
        self.lotse, self.case_id, self.referral_id, self.consent = lotse, case_id, referral_id, consent
        self.oracle, self.now = Oracle(now), now
        self.feedback_consent: ConsentGiven | None = None
        self.is_erased = False

    async def take(self, what: str, how: str) -> None:
        """One step."""
        if what == "wait":
            await self.wait(int(how))
        elif what in ("feedback", "no feedback", "fetch", "withdraw", "erase"):
            await getattr(self, what.replace(" ", "_"))()
        else:
            await self.act(what, how)

    async def act(self, act: str, unit: str) -> None:
        """Asked of the API, with days that are possible now."""
        role = "clerk" if act == "annul" else "counsellor"
        path = f"/v1/referrals/{self.referral_id}/{act.partition(' ')[0]}"
        answer = await self.lotse.post(path, body_of(act, local_day(self.now)), unit=unit, role=role)
        assert answer.status_code == self.oracle.do(act, unit, self.now), (act, unit, answer.text, self.oracle)

    async def wait(self, days: int) -> None:
        async with self.lotse.running.context.database.transaction() as conn:
            await conn.execute("update chassis.clock set ahead = ahead + $1", timedelta(days=days))
            self.now = await db.now(conn)
        while await self.lotse.running.run_job("run-clocks"):
            pass
        self.oracle.pass_time(self.now)

    async def feedback(self) -> None:
        if self.oracle.feedback:
            return
        self.feedback_consent = a_feedback(self.case_id, valid_until=self.now + FAR)
        await self.lotse.running.feed(self.feedback_consent)
        if self.is_erased:
            return
        self.oracle.feedback = True
        if self.oracle.state in (*OPEN, "completed", "failed") and self.oracle.state != self.oracle.last_shared:
            self.oracle.last_shared = self.oracle.state
            self.oracle.told.append("status_shared")
            self.oracle.hear()

    async def no_feedback(self) -> None:
        if self.feedback_consent is not None:
            await self.lotse.running.feed(withdrawn(self.feedback_consent))
            self.oracle.feedback = False

    async def fetch(self) -> None:
        await self.lotse.running.feed(disclosed(self.case_id, UUID(self.referral_id)))
        self.oracle.do("receive", AWO, self.now)

    async def withdraw(self) -> None:
        await self.lotse.running.feed(withdrawn(self.consent))
        self.end()

    async def erase(self) -> None:
        await self.lotse.running.feed(erased(self.case_id))
        self.is_erased, self.oracle.feedback = True, False
        self.end()

    def end(self) -> None:
        """The person ends what is open, and nobody can undo it."""
        if self.oracle.state in OPEN:
            self.oracle.do("cancel", AWO, self.now)

    async def compare(self) -> None:
        """What both units see, what is on which list, and what was told."""
        oracle = self.oracle
        assert (await self.lotse.seen(self.referral_id, AWO))["state"] == oracle.state, oracle
        assert (await self.lotse.seen(self.referral_id, CITY))["state"] == oracle.seen_by_the_city(), oracle
        for (worklist, unit), expected in oracle.lists(self.now).items():
            items = (await self.lotse.get(f"/v1/worklists/{worklist}", unit=unit, limit=200)).json()["items"]
            is_listed = self.referral_id in [each["referral_id"] for each in items]
            assert is_listed == expected, (worklist, unit, oracle)
        about = [e for e in await self.lotse.told() if isinstance(e, ReferralEvent) and e.case_id == self.case_id]
        assert [e.event_type.split(".")[2] for e in about] == oracle.told, oracle


def body_of(act: str, today: date) -> dict[str, Any]:
    """A body that the act takes on that day."""
    soon = (today + timedelta(days=7)).isoformat()
    return {
        "accept": {"responsible": "Beratung MBE", "first_contact_planned_on": soon},
        "reject": {"reason": "no-capacity"},
        "take-back": {"reason": "accepted-by-mistake"},
        "start": {"first_contact_on": today.isoformat()},
        "hold": {"reason": "awaiting-documents", "review_on": soon},
        "complete": {"outcome": "need-met"},
        "fail": {"reason": "could-not-contact"},
        "cancel": {"reason": "person-declined"},
    }.get(act, {"reason": "wrong-person"} if act.startswith("annul") else {})


REACHED: set[str] = set()


@given(steps=LIVES)
@share(FUZZ, 0.6)
async def test_a_referral_lives_as_the_rules_say(
    create_database: CreateDatabase, tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str]]
) -> None:
    """Acts of both parties, consents and their ends, fetches, errors and time, in any order."""
    folder: Path = tmp_path_factory.mktemp("life")
    path = agreement(folder, decided_on="2014-01-08")
    async with running(SERVICE, folder, await create_database("referral"), agreement_file=path) as service:
        lotse, case_id = Lotse(service), a_case()
        async with service.context.database.reading() as conn:
            now = await db.now(conn)
        consent = a_consent(case_id, valid_until=now + FAR)
        referral_id = await lotse.referral(case_id, consent=consent)
        life = Life(lotse, case_id, referral_id, consent, now)
        for what, how in steps:
            await life.take(what, how)
            if what in LOOKED_AT_AFTER:
                await life.compare()
            REACHED.add(life.oracle.state)
        await life.wait(3)
        await life.compare()


def test_the_lives_came_far() -> None:
    """An oracle that only ever refuses would prove nothing."""
    if not REACHED:
        pytest.skip("no lives were lived in this process")
    assert {"received", "accepted", "rejected", "in-progress", "on-hold", "cancelled", "expired"} <= REACHED

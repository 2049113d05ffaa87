"""By when a service answers and meets the person, who is reminded, and what comes back to its sender."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas import ConsentId, OfferId, ReferralId, ReferralReminded, new_id
from schemas.agreement_file import AgreementFileError, Deadlines, load_agreement
from schemas.calendar import local_day, local_midnight
from schemas.codes import ContactLevel, HoldReason, ReferralState
from services.referral.app import SERVICE
from services.referral.model.clocks import Terms, deadline_of
from services.referral.model.deadlines import Step
from services.referral.model.referrals import Act, Referral, stamped, steps
from services.referral.model.working_days import Pause
from tests.conftest import CreateDatabase
from tests.harness import ROOT, running
from tests.referral.builders import AWO, CARITAS_MBE, CITY, Lotse, a_case, a_feedback, is_problem

THURSDAY = datetime(2026, 3, 5, 9, 0, tzinfo=UTC)
DECIDED = Terms(Deadlines(decided_on=date(2026, 1, 2)))
PROPOSED = Terms(Deadlines())
ACCEPTANCE: Mapping[str, Any] = {"responsible": "Beratung", "first_contact_planned_on": date(2026, 3, 20)}


def end_of(day: date) -> datetime:
    """The moment at which a day in Koblenz is over."""
    return local_midnight(day + timedelta(days=1)).astimezone(UTC)


def a_referral(requested_at: datetime = THURSDAY) -> Referral:
    """A referral that nobody has answered."""
    return Referral(ReferralId(new_id()), a_case(), ConsentId(new_id()), OfferId(new_id()), CITY, AWO, requested_at)


def after(referral: Referral, act: Act, now: datetime, **facts: Any) -> Referral:
    """The referral after an act at a time, with its clock wound."""
    moved = steps(referral, act, {**facts, **stamped(referral, act, now)})[-1]
    return replace(moved, deadline=deadline_of(moved, DECIDED))


def test_an_answer_is_due_two_working_days_after_the_request() -> None:
    """A request of a Thursday by the end of Monday; two more until those who coordinate hear, fourteen to the end."""
    deadline = deadline_of(a_referral(), DECIDED)
    assert deadline is not None
    assert deadline.due_at == end_of(date(2026, 3, 9))
    assert deadline.escalates_at == end_of(date(2026, 3, 11))
    assert deadline.expires_at == end_of(date(2026, 3, 25))


def test_a_first_contact_is_due_ten_working_days_after_the_acceptance() -> None:
    """Good Friday and Easter Monday do not count, nor the days on which the work rested; it never expires."""
    accepted = after(a_referral(), Act.ACCEPT, datetime(2026, 3, 31, 9, 0, tzinfo=UTC), **ACCEPTANCE)
    assert accepted.deadline is not None
    assert accepted.deadline.due_at == end_of(date(2026, 4, 16))
    assert accepted.deadline.expires_at is None
    since, until = datetime(2026, 4, 8, 9, 0, tzinfo=UTC), datetime(2026, 4, 10, 9, 0, tzinfo=UTC)
    held = after(accepted, Act.HOLD, since, hold_reason=HoldReason.WAITLIST, review_on=date(2026, 4, 20))
    resumed = after(held, Act.RESUME, until)
    assert resumed.deadline is not None
    assert resumed.holds == (Pause(since, until),)
    assert resumed.deadline.due_at == end_of(date(2026, 4, 21))


def test_paused_work_is_looked_at_on_the_day_named_and_nothing_more_follows() -> None:
    """It is the service's own day: no decision of the partners is needed, and nobody else is called."""
    accepted = after(a_referral(), Act.ACCEPT, THURSDAY, **ACCEPTANCE)
    held = after(accepted, Act.HOLD, THURSDAY, hold_reason=HoldReason.WAITLIST, review_on=date(2026, 4, 20))
    deadline = deadline_of(held, PROPOSED)
    assert deadline is not None
    assert deadline.next_step == (Step.REMIND, local_midnight(date(2026, 4, 20)))
    assert replace(deadline, reminded=ContactLevel.OPERATIONAL).next_step is None


def test_what_is_proposed_is_shown_and_nothing_follows() -> None:
    """Whoever was reminded before the partners took a decision back."""
    deadline = deadline_of(a_referral(), PROPOSED)
    assert deadline is not None
    assert deadline.due_at == end_of(date(2026, 3, 9))
    for level in (None, ContactLevel.OPERATIONAL, ContactLevel.COORDINATING):
        assert replace(deadline, reminded=level).next_step is None


def test_what_was_going_on_before_the_decision_counts_from_its_day() -> None:
    """Nothing is late, and nothing expires, for days on which nobody had agreed to anything."""
    deadline = deadline_of(a_referral(), Terms(Deadlines(decided_on=date(2026, 6, 1))))
    assert deadline is not None
    assert deadline.due_at == end_of(date(2026, 6, 3))


def test_days_on_which_the_unit_is_closed_do_not_count() -> None:
    """With an end, the deadline moves; without one, the clock stands still until there is one."""
    week = Pause(local_midnight(date(2026, 3, 6)), local_midnight(date(2026, 3, 14)))
    deadline = deadline_of(a_referral(), replace(DECIDED, closures=(week,)))
    assert deadline is not None
    assert deadline.due_at == end_of(date(2026, 3, 17))
    closed = deadline_of(a_referral(), replace(DECIDED, closures=(Pause(week.since, None),)))
    assert closed is not None
    assert (closed.due_at, closed.expires_at, closed.next_step) == (None, None, None)
    assert deadline.terms != closed.terms != DECIDED.mark


def test_one_step_comes_after_the_other() -> None:
    """However late somebody looks: first a reminder, then those who coordinate, then the end."""
    deadline = deadline_of(a_referral(), DECIDED)
    assert deadline is not None
    seen = [replace(deadline, reminded=level).next_step for level in (None, *ContactLevel.writable())]
    assert seen[0] == (Step.REMIND, deadline.due_at)
    assert (Step.ESCALATE, deadline.escalates_at) in seen
    assert (Step.EXPIRE, deadline.expires_at) in seen


def test_a_reminder_is_forgotten_only_when_something_else_is_waited_for() -> None:
    """Receiving is no answer; after an acceptance the first contact is waited for."""
    waiting = a_referral()
    deadline = deadline_of(waiting, DECIDED)
    assert deadline is not None
    reminded = replace(waiting, deadline=replace(deadline, reminded=ContactLevel.COORDINATING))
    received = after(reminded, Act.RECEIVE, THURSDAY)
    assert received.deadline is not None
    assert received.deadline.reminded is ContactLevel.COORDINATING
    accepted = after(received, Act.ACCEPT, THURSDAY, **ACCEPTANCE)
    assert accepted.deadline is not None
    assert accepted.deadline.reminded is None


@pytest.mark.parametrize("state", [state for state in ReferralState if state is not ReferralState.UNKNOWN])
def test_nothing_is_waited_for_once_it_goes_by_itself_or_is_over(state: ReferralState) -> None:
    """A clock runs in four states."""
    referral = replace(a_referral(), state=state, accepted_at=THURSDAY, review_on=date(2026, 4, 1))
    has_clock = state in {"requested", "received", "accepted", "on-hold"}
    assert (deadline_of(referral, DECIDED) is not None) == has_clock


def agreement(folder: Path, **deadlines: Any) -> Path:
    """Koblenz's agreement with other deadlines."""
    said = (ROOT / "deploy" / "agreement" / "koblenz.toml").read_text()
    before, _, rest = said.partition("[deadlines]\n")
    lines = "".join(f"{name} = {value}\n" for name, value in deadlines.items())
    _, blank, clauses = rest.partition("\n\n")
    path = folder / f"agreement-{len(list(folder.iterdir()))}.toml"
    path.write_text(f"{before}[deadlines]\n{lines}{blank}{clauses}")
    return path


def test_a_referral_cannot_expire_before_those_who_coordinate_hear(tmp_path: Path) -> None:
    """The file says so, and names what to change."""
    path = agreement(tmp_path, decided_on="2026-01-02", answer_within=5, escalate_after=5, expire_after=10)
    with pytest.raises(AgreementFileError, match="expire_after must be more than"):
        load_agreement(path)


def test_koblenz_has_only_proposed_deadlines() -> None:
    """The coordination circle has not decided them."""
    deadlines = load_agreement(ROOT / "deploy" / "agreement" / "koblenz.toml").deadlines
    assert deadlines == Deadlines(
        decided_on=None, answer_within=2, escalate_after=2, expire_after=14, first_contact_within=10
    )


Open = Callable[[Path], Awaitable[Lotse]]


@pytest.fixture
async def opened(create_database: CreateDatabase, tmp_path: Path) -> AsyncIterator[Open]:
    """Opens the service on one database, again and again, each time with another agreement."""
    database = await create_database("referral")
    async with AsyncExitStack() as stack:

        async def begin(path: Path) -> Lotse:
            return Lotse(await stack.enter_async_context(running(SERVICE, tmp_path, database, agreement_file=path)))

        yield begin


@pytest.fixture
async def decided(opened: Open, tmp_path: Path) -> Lotse:
    """The service after the partners have decided the deadlines."""
    return await opened(agreement(tmp_path, decided_on="2014-01-08"))


async def run_clocks(lotse: Lotse, ahead: timedelta) -> list[str]:
    """Let the clock do what is due by then; the kinds of events that came of it."""
    before = len(await lotse.told())
    await lotse.running.move_clock(ahead)
    while await lotse.running.run_job("run-clocks"):
        pass
    return (await lotse.kinds())[before:]


async def test_nobody_is_late_before_the_partners_have_decided(lotse: Lotse) -> None:
    """Both see by when an answer is proposed; half a year later still nobody was reminded and nothing has expired."""
    referral_id = await lotse.referral(a_case())
    for unit in (CITY, AWO):
        shown = (await lotse.seen(referral_id, unit))["deadline"]
        assert (shown["clock"], shown["is_proposed"], shown["reminded"]) == ("answer", True, None)
        assert shown["due_at"] is not None
    assert await run_clocks(lotse, timedelta(days=180)) == []
    for worklist in ("overdue", "escalated", "due-soon"):
        for unit in (CITY, AWO):
            assert (await lotse.get(f"/v1/worklists/{worklist}", unit=unit)).json()["items"] == []


async def test_a_referral_that_nobody_answers_comes_back(decided: Lotse) -> None:
    """A reminder, then one to those who coordinate, then it is the City's again; a later answer is refused."""
    referral_id = await decided.referral(a_case(), "receive")
    assert await run_clocks(decided, timedelta(hours=1)) == []
    assert await run_clocks(decided, timedelta(days=6)) == ["reminded"]
    assert (await decided.seen(referral_id, AWO))["deadline"]["reminded"] == "operational"
    assert await run_clocks(decided, timedelta(days=12)) == ["reminded"]
    assert (await decided.seen(referral_id, AWO))["deadline"]["reminded"] == "coordinating"
    assert await run_clocks(decided, timedelta(days=40)) == ["expired"]
    assert await run_clocks(decided, timedelta(days=80)) == []
    reminders = [event for event in await decided.told() if isinstance(event, ReferralReminded)]
    assert [(each.clock, each.level, each.acted_by) for each in reminders] == [
        ("answer", "operational", None),
        ("answer", "coordinating", None),
    ]
    seen = await decided.seen(referral_id)
    assert (seen["state"], seen["deadline"]) == ("expired", None)
    await decided.running.move_clock(timedelta())
    assert is_problem(await decided.act(referral_id, "accept"), 409, "illegal-transition")


async def test_a_first_contact_that_does_not_come_is_reminded_of_and_never_expires(decided: Lotse) -> None:
    """The person is the service's by then."""
    await decided.referral(a_case(), "accept")
    assert await run_clocks(decided, timedelta(days=365)) == ["reminded", "reminded"]
    reminders = [event for event in await decided.told() if isinstance(event, ReferralReminded)]
    assert [each.clock for each in reminders] == ["first-contact", "first-contact"]


async def test_paused_work_is_reminded_of_on_its_day(lotse: Lotse) -> None:
    """Whether or not the partners have decided anything else."""
    referral_id = await lotse.referral(a_case(), "accept", "hold")
    assert await run_clocks(lotse, timedelta(days=2)) == []
    assert (await lotse.seen(referral_id, AWO))["deadline"]["clock"] == "review"
    assert await run_clocks(lotse, timedelta(days=9)) == ["reminded"]


async def test_an_answer_in_time_stops_the_clock(decided: Lotse) -> None:
    """Nothing is left to be reminded of."""
    await decided.referral(a_case(), "accept", "start")
    await decided.referral(a_case(), "reject")
    await decided.referral(a_case(), "cancel")
    assert await run_clocks(decided, timedelta(days=90)) == []
    assert await decided.running.rows("select 1 from referral.referral where acts_at is not null") == []


async def test_other_deadlines_hold_for_what_is_going_on(opened: Open, tmp_path: Path) -> None:
    """After the next start; a decision begins to count on its day."""
    before = await opened(agreement(tmp_path, answer_within=2))
    referral_id = await before.referral(a_case())
    proposed = (await before.seen(referral_id))["deadline"]
    after_it = await opened(agreement(tmp_path, decided_on="2014-01-08", answer_within=7, expire_after=20))
    assert await after_it.running.run_job("run-clocks") == 1
    assert await after_it.running.run_job("run-clocks") == 0
    counted = (await after_it.seen(referral_id))["deadline"]
    assert (proposed["is_proposed"], counted["is_proposed"]) == (True, False)
    assert counted["due_at"] > proposed["due_at"]


async def test_after_receipt_a_sender_sees_a_deadline_only_with_a_consent(lotse: Lotse) -> None:
    """That an answer is still waited for is how it goes, which the person has to allow."""
    case_id = a_case()
    referral_id = await lotse.referral(case_id, "receive")
    assert (await lotse.seen(referral_id))["deadline"] is None
    await lotse.running.feed(a_feedback(case_id))
    assert (await lotse.seen(referral_id))["deadline"]["clock"] == "answer"


async def test_a_published_closure_moves_the_deadline_and_its_end_moves_it_back(decided: Lotse) -> None:
    """The clock is reckoned anew by itself; another unit's closure does not matter."""
    referral_id = await decided.referral(a_case())
    due_at = (await decided.seen(referral_id))["deadline"]["due_at"]
    today = local_day(datetime.now(UTC))
    closed = {"category": "closed", "text": "Betriebsferien", "valid_from": (today - timedelta(days=1)).isoformat()}
    elsewhere = {**closed, "unit": CARITAS_MBE}
    await decided.post("/v1/change-notices", elsewhere, unit=CARITAS_MBE)
    assert await decided.running.run_job("run-clocks") == 0
    answer = await decided.post("/v1/change-notices", {**closed, "unit": AWO})
    assert answer.status_code == 201, answer.text
    assert await run_clocks(decided, timedelta(days=60)) == []
    assert (await decided.seen(referral_id))["deadline"]["due_at"] is None
    again = {**closed, "unit": AWO, "valid_until": (today + timedelta(days=20)).isoformat()}
    path = f"/v1/change-notices/{answer.json()['notice_id']}"
    assert (await decided.send("PUT", path, again, If_Match=answer.headers["etag"])).status_code == 200
    assert await decided.running.run_job("run-clocks") == 1
    assert (await decided.seen(referral_id))["deadline"]["due_at"] > due_at

"""What follows when a referral is left alone; the case is locked by the caller."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from schemas import ReferralId, UnitId
from schemas.agreement_file import Deadlines
from schemas.calendar import local_midnight
from schemas.codes import ContactLevel
from services.chassis import outbox
from services.chassis.db import Connection
from services.referral.model.clocks import Terms, deadline_of
from services.referral.model.deadlines import Deadline, Step
from services.referral.model.referrals import Act, Referral, steps
from services.referral.model.telling import event_of, reminder_of
from services.referral.model.working_days import Pause
from services.referral.store import clocks as store
from services.referral.store import referrals

_A_DAY = timedelta(days=1)
_LEVELS: Mapping[Step, ContactLevel] = {
    Step.REMIND: ContactLevel.OPERATIONAL,
    Step.ESCALATE: ContactLevel.COORDINATING,
}


async def terms_of(conn: Connection, units: Sequence[UnitId], deadlines: Deadlines) -> Mapping[UnitId, Terms]:
    """What time is reckoned with for each of these units."""
    closures = await store.closures_of(conn, units)
    return {unit: Terms(deadlines, tuple(_pause(*days) for days in closures.get(unit, ()))) for unit in units}


def _pause(first: date, last: date | None) -> Pause:
    until = None if last is None else local_midnight(last + _A_DAY).astimezone(UTC)
    return Pause(local_midnight(first).astimezone(UTC), until)


async def wound(conn: Connection, referral: Referral, deadlines: Deadlines) -> Referral:
    """A referral with what it waits for reckoned anew; nothing is written."""
    terms = await terms_of(conn, [referral.to_unit], deadlines)
    return replace(referral, deadline=deadline_of(referral, terms[referral.to_unit]))


async def run_clock(conn: Connection, referral_id: ReferralId, deadlines: Deadlines, now: datetime) -> None:
    """Reckon what a referral waits for, and do what is due: remind its service, or end what nobody answered."""
    found = await referrals.find_referral(conn, referral_id)
    if found is None:
        return
    referral = await wound(conn, found, deadlines)
    if referral.deadline is None or (follows := referral.deadline.next_step) is None or follows[1] > now:
        await store.set_deadline(conn, referral_id, referral.deadline)
    elif follows[0] is Step.EXPIRE:
        moved = steps(referral, Act.EXPIRE, {})
        await referrals.update_referrals(conn, moved, now)
        await outbox.publish_all(conn, [(event_of(state, None, Act.EXPIRE), None) for state in moved], at=now)
    else:
        await _remind(conn, referral, referral.deadline, _LEVELS[follows[0]], now)


async def _remind(conn: Connection, referral: Referral, deadline: Deadline, level: ContactLevel, now: datetime) -> None:
    await outbox.publish(conn, reminder_of(referral, deadline, level), at=now)
    await store.set_deadline(conn, referral.referral_id, replace(deadline, reminded=level))

"""Statements on referrals. Writes run under the lock of the case."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from schemas import CaseId, HouseholdId, Party, ReferralId, UnitId
from schemas.codes import (
    Code,
    EndReason,
    ErrorReason,
    FailureReason,
    HoldReason,
    Outcome,
    ReferralState,
    RejectionReason,
    TakenBackReason,
)
from services.chassis.db import Connection
from services.referral.model.referrals import Referral, SenderTask, SharedStatus
from services.referral.model.working_days import Pause
from services.referral.store import clocks

C = TypeVar("C", bound=Code)


async def insert_referral(conn: Connection, referral: Referral, number: str | None = None) -> None:
    """Keep a new referral, with the sender's own number of it."""
    await conn.execute(
        _INSERT,
        referral.referral_id,
        referral.case_id,
        referral.consent_id,
        referral.offer_id,
        referral.from_unit,
        referral.to_unit,
        referral.state,
        referral.version,
        referral.requested_at,
        referral.based_on,
        number,
        referral.sender_task,
        *clocks.row_of(referral.deadline),
    )


_INSERT = f"""
    insert into referral.referral
        (referral_id, case_id, consent_id, offer_id, from_unit, to_unit, state, version, requested_at, changed_at,
         based_on, sender_number, sender_task, {", ".join(clocks.COLUMNS)})
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10, $11, $12,
            {", ".join(f"${place}" for place, _ in enumerate(clocks.COLUMNS, start=13))})
    """  # noqa: S608 - columns are the constants of this service

_OWN: Mapping[str, str] = {
    "state": "text",
    "version": "integer",
    "responsible": "text",
    "first_contact_planned_on": "date",
    "accepted_at": "timestamptz",
    "rejection_reason": "text",
    "taken_back_reason": "text",
    "first_contact_on": "date",
    "hold_reason": "text",
    "review_on": "date",
    "held_from": "text",
    "outcome": "text",
    "failure_reason": "text",
    "end_reason": "text",
    "error_reason": "text",
    "happened_on": "date",
    "sender_task": "text",
    "holds": "text",
}
"""The columns that an act may change, with their types; each is the field of that name."""
_MOVING: Mapping[str, str] = {**_OWN, **clocks.COLUMNS}

_UPDATE = f"""
    update referral.referral
    set {", ".join(f"{name} = moved.{name}" for name in _MOVING if name != "holds")}, holds = moved.holds::jsonb,
        changed_at = $1
    from unnest($2::uuid[], {", ".join(f"${place}::{of}[]" for place, of in enumerate(_MOVING.values(), start=3))})
        as moved (referral_id, {", ".join(_MOVING)})
    where referral.referral_id = moved.referral_id
    """  # noqa: S608 - columns and types are the constants above


async def update_referrals(conn: Connection, moved: Sequence[Referral], now: datetime) -> None:
    """Write the new states of referrals."""
    rows = [(each.referral_id, *_own_columns(each), *clocks.row_of(each.deadline)) for each in moved]
    await conn.execute(_UPDATE, now, *map(list, zip(*rows, strict=True)))


def _own_columns(referral: Referral) -> list[Any]:
    """What an act may change besides the clock, in the order of `_OWN`."""
    # As text: in an array of arrays it would be taken for one more dimension.
    holds = json.dumps([[_iso(moment) for moment in hold] for hold in referral.holds])
    return [holds if name == "holds" else getattr(referral, name) for name in _OWN]


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


async def clear_sender_task(conn: Connection, referral_id: ReferralId, from_unit: UnitId) -> None:
    """Take a referral off what its sender has to do or waits for; nothing happens where that is another unit."""
    await conn.execute(
        "update referral.referral set sender_task = null where referral_id = $1 and from_unit = $2",
        referral_id,
        from_unit,
    )


async def note_error_report(conn: Connection, referral_id: ReferralId, subject: str) -> None:
    """Note who has said that a referral should never have existed."""
    await conn.execute(
        "update referral.referral set error_reported_by = $2 where referral_id = $1", referral_id, subject
    )


async def set_number(conn: Connection, referral_id: ReferralId, party: Party, number: str | None) -> None:
    """Write one side's own number of a referral."""
    column = _NUMBERS[party]
    await conn.execute(f"update referral.referral set {column} = $2 where referral_id = $1", referral_id, number)  # noqa: S608 - one of two constants


class Beside(NamedTuple):
    """What is kept beside a referral: one side's own number of it, and the household as the sender said it."""

    number: str | None
    household_id: HouseholdId | None


async def beside(conn: Connection, referrals: Collection[ReferralId], party: Party) -> Mapping[ReferralId, Beside]:
    """What is kept beside some referrals for one side."""
    column = _NUMBERS[party]
    rows = await conn.fetch(
        f"""
        select referral_id, {column} as number, household_id
        from referral.referral left join referral.household on (unit, household.case_id) = (from_unit, referral.case_id)
        where referral_id = any($1::uuid[])
        """,  # noqa: S608 - one of two constants
        list(referrals),
    )
    return {ReferralId(row["referral_id"]): Beside(row["number"], row["household_id"]) for row in rows}


_NUMBERS: Mapping[Party, str] = {Party.SENDER: "sender_number", Party.RECIPIENT: "recipient_number"}


async def close_for_sender(conn: Connection, referral_id: ReferralId, now: datetime) -> None:
    """Note that the sender has closed a referral that was completed without its knowledge."""
    await conn.execute(
        "update referral.referral set closed_by_sender_at = $2, sender_task = null where referral_id = $1",
        referral_id,
        now,
    )


async def note_shared(conn: Connection, told: Sequence[Referral]) -> None:
    """Remember what senders were told after the fact, and what they have to do since."""
    shared = [each.last_shared for each in told if each.last_shared is not None]
    await conn.execute(
        """
        update referral.referral set shared_status = told.status, shared_outcome = told.outcome,
            sender_task = told.sender_task
        from unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) as told (referral_id, status, outcome, sender_task)
        where referral.referral_id = told.referral_id
        """,
        [each.referral_id for each in told],
        [each.status for each in shared],
        [each.outcome for each in shared],
        [each.sender_task for each in told],
    )


async def find_referral(conn: Connection, referral_id: ReferralId) -> Referral | None:
    """Return one referral; None where there is none."""
    row = await conn.fetchrow("select * from referral.referral where referral_id = $1", referral_id)
    return referral_of_row(row) if row else None


async def referrals_of(conn: Connection, cases: Collection[CaseId]) -> list[tuple[Referral, datetime]]:
    """List the referrals of some cases in the order of their requests, each with the moment of its last step."""
    rows = await conn.fetch(
        "select * from referral.referral where case_id = any($1::uuid[]) order by referral_id", list(cases)
    )
    return [(referral_of_row(row), row["changed_at"]) for row in rows]


async def referrals_with(
    conn: Connection, party: Party, unit: UnitId, number: str | None, after: ReferralId | None, limit: int
) -> Sequence[Referral]:
    """List up to `limit` referrals in which a unit has that part, the earliest first; `number`: its own of them."""
    place = "from_unit" if party is Party.SENDER else "to_unit"
    rows = await conn.fetch(
        f"""
        select * from referral.referral
        where {place} = $1 and ($2::uuid is null or referral_id > $2) and ($4::text is null or {_NUMBERS[party]} = $4)
        order by referral_id limit $3
        """,  # noqa: S608 - one of two constants each
        unit,
        after,
        limit,
        number,
    )
    return [referral_of_row(row) for row in rows]


def referral_of_row(row: Mapping[str, Any]) -> Referral:
    """Read a whole row of the table."""
    return Referral(
        referral_id=row["referral_id"],
        case_id=row["case_id"],
        consent_id=row["consent_id"],
        offer_id=row["offer_id"],
        from_unit=row["from_unit"],
        to_unit=row["to_unit"],
        requested_at=row["requested_at"],
        state=ReferralState(row["state"]),
        version=row["version"],
        based_on=row["based_on"],
        responsible=row["responsible"],
        first_contact_planned_on=row["first_contact_planned_on"],
        accepted_at=row["accepted_at"],
        rejection_reason=_code(RejectionReason, row["rejection_reason"]),
        taken_back_reason=_code(TakenBackReason, row["taken_back_reason"]),
        first_contact_on=row["first_contact_on"],
        hold_reason=_code(HoldReason, row["hold_reason"]),
        review_on=row["review_on"],
        held_from=_code(ReferralState, row["held_from"]),
        outcome=_code(Outcome, row["outcome"]),
        failure_reason=_code(FailureReason, row["failure_reason"]),
        end_reason=_code(EndReason, row["end_reason"]),
        error_reported_by=row["error_reported_by"],
        error_reason=_code(ErrorReason, row["error_reason"]),
        happened_on=row["happened_on"],
        closed_by_sender_at=row["closed_by_sender_at"],
        last_shared=_last_shared(row),
        holds=tuple(_hold(*each) for each in row["holds"]),
        deadline=clocks.deadline_of_row(row),
        sender_task=None if row["sender_task"] is None else SenderTask(row["sender_task"]),
    )


def _hold(since: str, until: str | None) -> Pause:
    return Pause(datetime.fromisoformat(since), None if until is None else datetime.fromisoformat(until))


def _last_shared(row: Mapping[str, Any]) -> SharedStatus | None:
    if row["shared_status"] is None:
        return None
    return SharedStatus(ReferralState(row["shared_status"]), _code(Outcome, row["shared_outcome"]))


def _code(codes: type[C], stored: str | None) -> C | None:
    return None if stored is None else codes(stored)


async def cases_erased_before(conn: Connection, before: datetime, limit: int) -> Sequence[CaseId]:
    """Cases of persons erased before that time of which there are referrals or cooperations still."""
    rows = await conn.fetch(
        """
        select case_id from referral.erased_case
        where erased_at < $1
          and case_id in (select case_id from referral.referral union all select case_id from referral.cooperation)
        order by erased_at limit $2
        """,
        before,
        limit,
    )
    return [CaseId(row["case_id"]) for row in rows]


async def forget_case(conn: Connection, case_id: CaseId) -> None:
    """Take away all referrals and cooperations of a case."""
    await conn.execute("delete from referral.referral where case_id = $1", case_id)
    await conn.execute("delete from referral.cooperation where case_id = $1", case_id)

"""Statements on cooperations. Writes run under the lock of the case."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from schemas import CaseId, ConsentId, CooperationId, HouseholdId, UnitId
from schemas.cooperation import CooperationEndReason, CooperationState, ParticipantState, StepKind, StepState
from services.chassis.db import Connection
from services.referral.model.cooperations import OPEN, Cooperation, Participant, Step


async def save_cooperations(conn: Connection, cooperations: Sequence[Cooperation], now: datetime) -> None:
    """Write cooperations as they stand, new ones too; participants and steps never leave one."""
    await _save_bare(conn, cooperations, now)
    await _save_participants(conn, cooperations)
    await _save_steps(conn, cooperations)


async def _save_bare(conn: Connection, cooperations: Sequence[Cooperation], now: datetime) -> None:
    await conn.execute(
        """
        insert into referral.cooperation as known (cooperation_id, case_id, state, proposed_at, meets_on,
            meeting_planned_by, end_reason, ended_by, changed_at)
        select *, $9 from unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::date[], $6::text[],
                                 $7::text[], $8::text[])
        on conflict (cooperation_id) do update
        set state = excluded.state, meets_on = excluded.meets_on, meeting_planned_by = excluded.meeting_planned_by,
            end_reason = excluded.end_reason, ended_by = excluded.ended_by, changed_at = excluded.changed_at
        """,
        [each.cooperation_id for each in cooperations],
        [each.case_id for each in cooperations],
        [each.state for each in cooperations],
        [each.proposed_at for each in cooperations],
        [each.meets_on for each in cooperations],
        [each.meeting_planned_by for each in cooperations],
        [each.end_reason for each in cooperations],
        [each.ended_by for each in cooperations],
        now,
    )


async def _save_participants(conn: Connection, cooperations: Sequence[Cooperation]) -> None:
    rows = [
        (
            each.cooperation_id,
            part.unit,
            place,
            part.state,
            part.responsible,
            ",".join(map(str, part.rests_on)),
            part.lead,
        )
        for each in cooperations
        for place, part in enumerate(each.participants)
    ]
    await conn.execute(
        """
        insert into referral.participant as known (cooperation_id, unit, place, state, responsible, rests_on, lead)
        select cooperation_id, unit, place, state, responsible, string_to_array(rests_on, ',')::uuid[], lead
        from unnest($1::uuid[], $2::text[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::text[])
            as given (cooperation_id, unit, place, state, responsible, rests_on, lead)
        on conflict (cooperation_id, unit) do update
        set state = excluded.state, responsible = excluded.responsible, rests_on = excluded.rests_on,
            lead = excluded.lead
        """,
        *_columns(rows, 7),
    )


async def _save_steps(conn: Connection, cooperations: Sequence[Cooperation]) -> None:
    rows = [
        (
            step.step_id,
            each.cooperation_id,
            step.kind,
            step.done_by,
            step.due_on,
            step.planned_by,
            step.state,
            step.settled_by,
        )
        for each in cooperations
        for step in each.steps
    ]
    if not rows:
        return
    await conn.execute(
        """
        insert into referral.agreed_step as known
            (step_id, cooperation_id, kind, done_by, due_on, planned_by, state, settled_by)
        select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::date[], $6::text[], $7::text[],
                             $8::text[])
        on conflict (step_id) do update set state = excluded.state, settled_by = excluded.settled_by
        """,
        *_columns(rows, 8),
    )


def _columns(rows: Sequence[Sequence[Any]], number: int) -> list[list[Any]]:
    return [[row[place] for row in rows] for place in range(number)]


async def find_cooperation(conn: Connection, cooperation_id: CooperationId) -> Cooperation | None:
    """Return one cooperation; None where there is none."""
    found = await _cooperations(conn, "cooperation_id = $1", cooperation_id)
    return found[0] if found else None


async def open_cooperations_of(conn: Connection, cases: Collection[CaseId]) -> Sequence[Cooperation]:
    """The cooperations of some cases that are not over, in the order of their proposals."""
    return await _cooperations(
        conn, "case_id = any($1::uuid[]) and cooperation.state = any($2::text[])", list(cases), sorted(OPEN)
    )


async def open_cooperations_in(conn: Connection, proposer: UnitId, household_id: HouseholdId) -> Sequence[Cooperation]:
    """The cooperations that a unit proposed for the members of a household of its, and that are not over."""
    return await _cooperations(
        conn,
        "unit = $1 and household_id = $2 and cooperation.state = any($3::text[])",
        proposer,
        household_id,
        sorted(OPEN),
    )


async def cooperations_with(
    conn: Connection, unit: UnitId, after: CooperationId | None, limit: int
) -> Sequence[Cooperation]:
    """List up to `limit` cooperations in which a unit has a part, the earliest first."""
    rows = await conn.fetch(
        """
        select cooperation_id from referral.participant
        where unit = $1 and ($2::uuid is null or cooperation_id > $2)
        order by cooperation_id limit $3
        """,
        unit,
        after,
        limit,
    )
    return await _cooperations(conn, "cooperation_id = any($1::uuid[])", [row["cooperation_id"] for row in rows])


async def _cooperations(conn: Connection, condition: str, *arguments: Any) -> Sequence[Cooperation]:
    rows = await conn.fetch(
        f"""
        select cooperation.*, household_id
        from referral.cooperation join referral.participant using (cooperation_id)
             left join referral.household using (unit, case_id)
        where place = 0 and {condition} order by cooperation_id
        """,  # noqa: S608 - our own words
        *arguments,
    )
    ids = [row["cooperation_id"] for row in rows]
    parts = await conn.fetch(
        "select * from referral.participant where cooperation_id = any($1::uuid[]) order by place", ids
    )
    steps = await conn.fetch(
        "select * from referral.agreed_step where cooperation_id = any($1::uuid[]) order by step_id", ids
    )
    parts_of, steps_of = _by_cooperation(parts), _by_cooperation(steps)
    return [_cooperation(row, parts_of[row["cooperation_id"]], steps_of[row["cooperation_id"]]) for row in rows]


def _by_cooperation(rows: Sequence[Mapping[str, Any]]) -> Mapping[UUID, list[Mapping[str, Any]]]:
    found: dict[UUID, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row["cooperation_id"]].append(row)
    return found


def _cooperation(
    row: Mapping[str, Any], parts: Sequence[Mapping[str, Any]], steps: Sequence[Mapping[str, Any]]
) -> Cooperation:
    return Cooperation(
        cooperation_id=row["cooperation_id"],
        case_id=row["case_id"],
        proposed_at=row["proposed_at"],
        participants=tuple(_participant(each) for each in parts),
        steps=tuple(_step(each) for each in steps),
        state=CooperationState(row["state"]),
        meets_on=row["meets_on"],
        meeting_planned_by=row["meeting_planned_by"],
        end_reason=None if row["end_reason"] is None else CooperationEndReason(row["end_reason"]),
        ended_by=row["ended_by"],
        household_id=row["household_id"],
    )


def _participant(row: Mapping[str, Any]) -> Participant:
    rests_on = tuple(ConsentId(each) for each in row["rests_on"])
    return Participant(row["unit"], ParticipantState(row["state"]), row["responsible"], rests_on, row["lead"])


def _step(row: Mapping[str, Any]) -> Step:
    return Step(
        step_id=row["step_id"],
        kind=StepKind(row["kind"]),
        done_by=row["done_by"],
        due_on=row["due_on"],
        planned_by=row["planned_by"],
        state=StepState(row["state"]),
        settled_by=row["settled_by"],
    )


async def over_since(conn: Connection, before: datetime, limit: int) -> Sequence[tuple[CooperationId, CaseId]]:
    """Cooperations that were over before that time, with their cases, the earliest first."""
    rows = await conn.fetch(
        """
        select cooperation_id, case_id from referral.cooperation
        where state in ('lapsed', 'ended') and changed_at < $1 order by changed_at limit $2
        """,
        before,
        limit,
    )
    return [(CooperationId(row["cooperation_id"]), CaseId(row["case_id"])) for row in rows]


async def delete_cooperation(conn: Connection, cooperation_id: CooperationId) -> None:
    """Take away a cooperation with its participants and steps."""
    await conn.execute("delete from referral.cooperation where cooperation_id = $1", cooperation_id)

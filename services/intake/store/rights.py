"""What is kept for the rights of a person: who was told what, who looked, and legal holds."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from schemas import CaseId, PartnerInformed, PartnerSlug, ReferralId, UnitId
from schemas.codes import DataCategory, HoldGround
from services.chassis.db import Connection
from services.intake.model.persons import in_order
from services.intake.model.rights import Hold


class Telling(NamedTuple):
    """That an event of a person's case was put on a partner's stream."""

    at: datetime
    partner: PartnerSlug
    type: str


class Handover(NamedTuple):
    """A row of the disclosure log: that a unit fetched these categories of a person."""

    number: int
    at: datetime
    kind: str
    referral_id: ReferralId
    unit: UnitId
    fetched_by: str
    data_categories: tuple[DataCategory, ...]


class Look(NamedTuple):
    """A row of the access log."""

    at: datetime
    unit: str
    subject: str
    action: str


async def note_told(conn: Connection, informed: PartnerInformed, at: datetime) -> None:
    """Keep what a partner was told of persons who are there and not erased."""
    told = [each for each in informed.events if each.case_id is not None]
    if not told:
        return
    await conn.execute(
        """
        insert into intake.told (event_id, partner, case_id, type, told_at)
        select event_id, $4, case_id, type, $5
        from unnest($1::uuid[], $2::uuid[], $3::text[]) as new (event_id, case_id, type)
        join intake.person using (case_id) where erased_at is null
        on conflict do nothing
        """,
        [each.event_id for each in told],
        [each.case_id for each in told],
        [each.type for each in told],
        informed.partner,
        at,
    )


async def told(conn: Connection, case_id: CaseId) -> list[Telling]:
    """Whom the streams told of a person, the earliest first."""
    rows = await conn.fetch(
        "select told_at as at, partner, type from intake.told where case_id = $1 order by told_at, event_id, partner",
        case_id,
    )
    return [Telling(**row) for row in rows]


async def delete_told(conn: Connection, case_id: CaseId) -> None:
    """Forget whom the streams told of a person."""
    await conn.execute("delete from intake.told where case_id = $1", case_id)


async def handovers(conn: Connection, references: Mapping[str, str]) -> list[Handover]:
    """All fetches of a person by the person's reference in each recipient's chain, the earliest first."""
    rows = await conn.fetch(
        """
        select number, disclosed_at as at, kind, referral_id, to_unit as unit, fetched_by, data_categories
        from intake.disclosure
        join unnest($1::text[], $2::text[]) as person (recipient, case_ref) using (recipient, case_ref)
        order by disclosed_at, recipient, number
        """,
        list(references),
        list(references.values()),
    )
    return [Handover(**{**row, "data_categories": _categories(row["data_categories"])}) for row in rows]


async def fetched(conn: Connection, recipient: str, case_ref: str) -> dict[ReferralId, frozenset[DataCategory]]:
    """What a recipient fetched of a person, by the referral for which it did."""
    rows = await conn.fetch(
        """
        select referral_id, array_agg(distinct category) as categories
        from intake.disclosure, unnest(data_categories) as category
        where recipient = $1 and case_ref = $2 group by referral_id
        """,
        recipient,
        case_ref,
    )
    return {ReferralId(row["referral_id"]): frozenset(map(DataCategory, row["categories"])) for row in rows}


async def looks(conn: Connection, references: Collection[str]) -> list[Look]:
    """Who looked at something under one of these references of a person, the latest first; 90 days are kept."""
    rows = await conn.fetch(
        """
        select at, unit, subject, action from chassis.access where refs && $1::text[] order by at desc, unit, subject
        """,
        list(references),
    )
    return [Look(**row) for row in rows]


async def insert_hold(conn: Connection, hold: Hold) -> None:
    """Keep a new hold."""
    await conn.execute(
        "insert into intake.legal_hold (hold_id, case_id, ground, set_by, set_at) values ($1, $2, $3, $4, $5)",
        hold.hold_id,
        hold.case_id,
        hold.ground,
        hold.set_by,
        hold.set_at,
    )


async def release_hold(conn: Connection, hold_id: UUID, by: UnitId, now: datetime) -> None:
    """End a hold; the first time stays."""
    await conn.execute(
        "update intake.legal_hold set released_by = $2, released_at = $3 where hold_id = $1 and released_at is null",
        hold_id,
        by,
        now,
    )


async def hold(conn: Connection, hold_id: UUID) -> Hold | None:
    """One hold, a released one too."""
    row = await conn.fetchrow("select * from intake.legal_hold where hold_id = $1", hold_id)
    return _hold(row) if row else None


async def holds_of_case(conn: Connection, case_id: CaseId) -> list[Hold]:
    """All holds on a person's data, the earliest first."""
    rows = await conn.fetch("select * from intake.legal_hold where case_id = $1 order by set_at, hold_id", case_id)
    return [_hold(row) for row in rows]


def _hold(row: Any) -> Hold:
    return Hold(
        hold_id=row["hold_id"],
        case_id=CaseId(row["case_id"]),
        ground=HoldGround(row["ground"]),
        set_by=UnitId(row["set_by"]),
        set_at=row["set_at"],
        released_by=UnitId(row["released_by"]) if row["released_by"] else None,
        released_at=row["released_at"],
    )


def _categories(values: Sequence[str]) -> tuple[DataCategory, ...]:
    return in_order({DataCategory(each) for each in values})

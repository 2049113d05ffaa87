"""What partners were asked after an end, and what they answered."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from schemas import CaseId, ConsentId, PartnerSlug, RecallAcknowledged, RecallOpened
from schemas.codes import RecallAction
from services.chassis.db import Connection


class Recall(NamedTuple):
    """One partner's; `consent_id` is None for an erasure, `action` until it is answered."""

    partner: PartnerSlug
    type: str
    consent_id: ConsentId | None
    told_at: datetime
    due_at: datetime
    acknowledged_at: datetime | None
    action: RecallAction | None


async def insert_recall(conn: Connection, opened: RecallOpened, at: datetime) -> None:
    """Note that a partner was told of an end and asked."""
    await conn.execute(
        """
        insert into intake.recall (partner, event_id, type, case_id, consent_id, told_at, due_at)
        values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing
        """,
        opened.partner,
        opened.event_id,
        opened.closing_type,
        opened.case_id,
        opened.consent_id,
        at,
        opened.due_at,
    )


async def note_answer(conn: Connection, said: RecallAcknowledged, at: datetime) -> None:
    """Note what a partner did."""
    await conn.execute(
        "update intake.recall set acknowledged_at = $3, action = $4 where partner = $1 and event_id = $2",
        said.partner,
        said.event_id,
        at,
        said.action,
    )


async def recalls_of_case(conn: Connection, case_id: CaseId) -> list[Recall]:
    """Every partner's about one person, in the order in which they were told."""
    rows = await conn.fetch(
        """
        select partner, type, consent_id, told_at, due_at, acknowledged_at, action
        from intake.recall where case_id = $1 order by told_at, event_id, partner
        """,
        case_id,
    )
    return [_recall(row) for row in rows]


def _recall(row: Mapping[str, Any]) -> Recall:
    return Recall(**{**row, "action": RecallAction(row["action"]) if row["action"] else None})

"""Receipts, and who fetched what of the person they belong to."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from schemas import CaseId, UnitId
from schemas.codes import DataCategory
from services.chassis.db import Connection
from services.intake.model.receipts import CaseReferences, Opening, Receipt

_COLUMNS = "receipt_id, case_id, code_hash, pin_hash, language, made_by, made_at, blocked_at"


class Fetch(NamedTuple):
    """That a unit fetched what a person said in these categories."""

    at: datetime
    unit: UnitId
    data_categories: tuple[DataCategory, ...]


async def insert_receipt(conn: Connection, receipt: Receipt, references: CaseReferences) -> None:
    """Store a new receipt, with the names that the recipients' chains have for the person."""
    opening = receipt.opening
    await conn.execute(
        """
        insert into intake.receipt (receipt_id, case_id, code_hash, pin_hash, language, made_by, made_at)
        values ($1, $2, $3, $4, $5, $6, $7)
        """,
        receipt.receipt_id,
        receipt.case_id,
        opening.code_hash if opening else None,
        opening.pin_hash if opening else None,
        receipt.language,
        receipt.made_by,
        receipt.made_at,
    )
    await conn.executemany(
        "insert into intake.receipt_reference (receipt_id, recipient, case_ref) values ($1, $2, $3)",
        [(receipt.receipt_id, recipient, case_ref) for recipient, case_ref in references.items()],
    )


async def receipt(conn: Connection, receipt_id: UUID) -> Receipt | None:
    """One receipt, a blocked one too."""
    row = await conn.fetchrow(f"select {_COLUMNS} from intake.receipt where receipt_id = $1", receipt_id)  # noqa: S608  # fixed column names
    return _receipt(row) if row else None


async def receipts_of_case(conn: Connection, case_id: CaseId) -> list[Receipt]:
    """All receipts of a person, the earliest first."""
    rows = await conn.fetch(
        f"select {_COLUMNS} from intake.receipt where case_id = $1 order by made_at, receipt_id",  # noqa: S608  # fixed column names
        case_id,
    )
    return [_receipt(row) for row in rows]


async def block_receipt(conn: Connection, receipt_id: UUID, now: datetime) -> None:
    """From now on the code opens nothing; the first time stays."""
    await conn.execute(
        "update intake.receipt set blocked_at = $2 where receipt_id = $1 and blocked_at is null", receipt_id, now
    )


async def block_receipts_of(conn: Connection, case_id: CaseId, now: datetime) -> None:
    """The same for all receipts of a person."""
    await conn.execute(
        "update intake.receipt set blocked_at = $2 where case_id = $1 and blocked_at is null", case_id, now
    )


async def delete_receipts(conn: Connection, case_id: CaseId) -> None:
    """Take away a person's receipts, and with them what leads from the disclosure log to the person."""
    await conn.execute("delete from intake.receipt where case_id = $1", case_id)


async def fetches(conn: Connection, recipient: str, consent_ref: str, case_ref: str) -> Sequence[Fetch]:
    """Who of a recipient fetched what on a consent, the earliest first; both in the recipient's own references."""
    rows = await conn.fetch(
        """
        select disclosed_at, to_unit, data_categories from intake.disclosure
        where recipient = $1 and case_ref = $3 and $2 = any(consent_refs) order by number
        """,
        recipient,
        consent_ref,
        case_ref,
    )
    return [
        Fetch(row["disclosed_at"], UnitId(row["to_unit"]), tuple(map(DataCategory, row["data_categories"])))
        for row in rows
    ]


def _receipt(row: Any) -> Receipt:
    return Receipt(
        receipt_id=row["receipt_id"],
        case_id=CaseId(row["case_id"]),
        opening=Opening(row["code_hash"], row["pin_hash"]) if row["code_hash"] else None,
        language=row["language"],
        made_by=UnitId(row["made_by"]),
        made_at=row["made_at"],
        blocked_at=row["blocked_at"],
    )

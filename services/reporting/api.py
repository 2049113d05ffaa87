"""What partners may ask reporting: what each clause of the agreement amounts to in a year."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from schemas.agreement_file import AgreementFile
from services.chassis import db
from services.chassis.api import context_of
from services.chassis.permissions import allowed
from services.chassis.problems import documented
from services.reporting import commands
from services.reporting.model import Result, Status, Year

router = APIRouter(prefix="/v1", tags=["compliance"], responses=documented(401, 403, 422))


class ClauseRow(BaseModel):
    """One duty of the agreement; the texts are the agreement's own, in German."""

    id: str
    from_: str = Field(serialization_alias="from", description="Who owes the duty.")
    to: str | None = Field(description="To whom; null where the agreement names nobody.")
    duty: str
    counts_as_done: str
    due: Literal["yearly"] | None = Field(description="Null: the agreement sets no date.")
    status: Status
    reason: str | None = Field(description="Why it is not counted; null where it is.")
    done: int | None = Field(description="How often it was done in the year; null where it is not counted.")
    late: int | None = Field(description="How often it was late; null without a date, and where it is not counted.")
    missing: list[str] | None = Field(
        description="Partners without a valid contact of this level at the end of the year, or now while it lasts; "
        "null where the clause asks for none."
    )


class ComplianceDocument(BaseModel):
    """The agreement clause by clause in one calendar year (Europe/Berlin)."""

    agreement: str
    name: str
    year: int
    as_of: datetime = Field(description="The end of the year, or now while it lasts.")
    clauses: list[ClauseRow]


@router.get("/compliance", **allowed("read-compliance"), response_model=ComplianceDocument)
async def read_compliance(
    request: Request,
    year: Annotated[int | None, Query(ge=2000, le=2999, description="The present year unless given.")] = None,
) -> ComplianceDocument:
    """One row per clause: how often it was done in the year, or why it is not counted."""
    context = context_of(request)
    agreement: AgreementFile = context.resources
    async with (
        context.database.reading() as conn,
        conn.transaction(isolation="repeatable_read", readonly=True),
    ):
        bounds, results = await commands.compliance(conn, agreement, context.partners, year, await db.now(conn))
    return _document(agreement, bounds, results)


def _document(agreement: AgreementFile, year: Year, results: list[Result]) -> ComplianceDocument:
    return ComplianceDocument(
        agreement=agreement.slug,
        name=agreement.name,
        year=year.year,
        as_of=year.ends_at,
        clauses=[_row(each) for each in results],
    )


def _row(result: Result) -> ClauseRow:
    clause = result.clause
    return ClauseRow(
        id=clause.id,
        from_=clause.from_,
        to=clause.to,
        duty=clause.duty,
        counts_as_done=clause.counts_as_done,
        due=clause.due,
        status=result.status,
        reason=result.reason,
        done=result.done,
        late=result.late,
        missing=None if result.missing is None else list(result.missing),
    )

"""What a unit has to do about its referrals, list by list."""

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, StringConstraints

from schemas import Party, ReferralId
from services.chassis import db
from services.chassis.access import note_access
from services.chassis.api import Caller
from services.chassis.permissions import allowed, unit_of
from services.chassis.problems import documented
from services.referral.api.bodies import ReferralView
from services.referral.api.referrals import READ
from services.referral.api.requests import Limit, Running
from services.referral.api.showing import views
from services.referral.model.referrals import Referral
from services.referral.model.worklists import BY_DUE_DATE, Place, Worklist
from services.referral.store.worklists import page_of

router = APIRouter(prefix="/v1/worklists", tags=["referrals"])

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_A_MICROSECOND = timedelta(microseconds=1)
PlaceInList = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,16}\.[0-9a-f]{32}$")]
"""Where a page ended: when the last one was due in microseconds of the Unix clock, or 0, and its id."""


class WorklistPage(BaseModel):
    """Referrals of a worklist; `next` goes into `after` of the next request."""

    items: list[ReferralView]
    next: PlaceInList | None


@router.get("/{worklist}", **allowed(READ), responses=documented(401, 403, 422))
async def list_worklist(
    caller: Caller,
    context: Running,
    worklist: Worklist,
    after: Annotated[PlaceInList | None, Query(description="`next` of the page before")] = None,
    limit: Limit = 50,
) -> WorklistPage:
    """List what your unit has to do, or waits for.

    `due-soon`, `overdue` and `escalated` begin with what is due first, the others with the earliest request. A page
    begins where the one before ended, whatever has left or joined the list since.
    """
    unit = unit_of(caller, context)
    async with context.database.reading() as conn:
        now = await db.now(conn)
        found = await page_of(conn, worklist, unit, now, _place(after), limit + 1)
        page = found[:limit]
        parts = [(each, Party.RECIPIENT if each.to_unit == unit else Party.SENDER) for each in page]
        items = [shown for shown, _ in await views(conn, context, caller, parts, now)]
    await note_access(context.database, caller, READ, [each.case_ref for each in items])
    return WorklistPage(items=items, next=_place_of(worklist, page[-1]) if len(found) > limit else None)


def _place(after: PlaceInList | None) -> Place | None:
    if after is None:
        return None
    micros, _, referral_id = after.partition(".")
    return Place(_EPOCH + int(micros) * _A_MICROSECOND, ReferralId(UUID(referral_id)))


def _place_of(worklist: Worklist, referral: Referral) -> PlaceInList:
    due_at = referral.deadline.due_at if referral.deadline is not None and worklist in BY_DUE_DATE else None
    micros = 0 if due_at is None else (due_at - _EPOCH) // _A_MICROSECOND
    return f"{micros}.{referral.referral_id.hex}"

"""Routes of the contacts that the partners' units name."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel

from schemas import ContactId, ContactState, UnitId
from schemas.codes import ContactLevel
from services.chassis.api import Changing
from services.chassis.permissions import allowed
from services.chassis.problems import documented
from services.referral.api import directory
from services.referral.api.directory import IncludeInactive, Shelf
from services.referral.api.requests import After, Limit, Nothing, Running
from services.referral.model.directory import CONTACTS, Entry

router = APIRouter(prefix="/v1/contacts", tags=["contacts"])


class ContactView(ContactState):
    """A contact as every partner sees it."""

    contact_id: ContactId
    published_at: datetime
    changed_at: datetime
    withdrawn_at: datetime | None


class ContactPage(BaseModel):
    """Contacts, the earliest published first; `next` goes into `after` of the next request."""

    items: list[ContactView]
    next: ContactId | None


def _view(entry: Entry[ContactState]) -> ContactView:
    return ContactView(contact_id=ContactId(entry.id), **directory.dated(entry))


SHELF = Shelf(CONTACTS, "/v1/contacts", "publish-contacts", _view)
READING, WRITING = allowed("read-contacts"), allowed(SHELF.writing)


@router.post("", **WRITING, status_code=201, response_model=ContactView, responses=documented(400, 401, 403, 422))
async def publish_contact(change: Changing, body: ContactState) -> Response:
    """Name a contact of one of your units."""
    return await directory.publish(change, SHELF, body)


@router.put(
    "/{contact_id}",
    **WRITING,
    response_model=ContactView,
    responses=documented(401, 403, 404, 409, 412, 422, 428),
)
async def change_contact(change: Changing, contact_id: UUID, body: ContactState) -> Response:
    """Replace a contact's state; the others hear which fields changed."""
    return await directory.replace(change, SHELF, contact_id, body)


@router.post(
    "/{contact_id}/withdraw",
    **WRITING,
    response_model=ContactView,
    responses=documented(400, 401, 403, 404, 409, 412, 422),
)
async def withdraw_contact(change: Changing, contact_id: UUID, body: Nothing | None = None) -> Response:
    """Withdraw a contact for good."""
    return await directory.withdraw(change, SHELF, contact_id)


@router.get("/{contact_id}", **READING, response_model=ContactView, responses=documented(401, 403, 404, 422))
async def show_contact(context: Running, contact_id: UUID) -> Response:
    """Show one contact, withdrawn or not."""
    return await directory.show(context, SHELF, contact_id)


@router.get("", **READING, responses=documented(401, 403, 422))
async def list_contacts(
    context: Running,
    unit: UnitId | None = None,
    level: ContactLevel | None = None,
    include_inactive: IncludeInactive = False,
    after: After = None,
    limit: Limit = 50,
) -> ContactPage:
    """List the partners' contacts, without the withdrawn ones unless you ask for all."""
    items, following = await directory.listed(
        context,
        SHELF,
        {"unit": unit, "level": level},
        after,
        limit,
        include_withdrawn=include_inactive,
    )
    return ContactPage(items=items, next=None if following is None else ContactId(following))

"""The route by which a unit names who holds the function of a contact, if that person agrees."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response

from schemas import ContactState, PartnerSlug
from schemas.calendar import Day
from schemas.texts import ShortText
from services.chassis.api import Body, Changing
from services.chassis.db import Connection
from services.chassis.permissions import allowed
from services.chassis.problems import Refusal, documented
from services.referral.api.directory import act_on
from services.referral.api.shelves import CONTACT_SHELF, ContactView
from services.referral.commands.directory import name_person, not_valid
from services.referral.model.directory import ContactPerson, Entry, Fault

router = APIRouter(prefix=CONTACT_SHELF.path, tags=["contacts"])

WITHOUT_AGREEMENT = Fault("agreed_on", "Say on which day the person agreed to be named; without that nobody is.")
WITHOUT_PERSON = Fault("agreed_on", "Leave it out where nobody is named.")


class NamedPerson(Body):
    """Who is named; null: nobody any more. `agreed_on`: the day on which the person agreed to it."""

    name: ShortText | None
    agreed_on: Day | None = None


@router.put(
    "/{contact_id}/person",
    **allowed(CONTACT_SHELF.writing),
    response_model=ContactView,
    responses=documented(401, 403, 404, 409, 412, 422),
)
async def put_contact_person(change: Changing, contact_id: UUID, body: NamedPerson) -> Response:
    """Name the person who can be asked, or nobody; the others hear that it changed and read the name here."""
    partner = PartnerSlug(change.caller.partner)

    async def alter(conn: Connection, contact: Entry[ContactState], now: datetime) -> Entry[ContactState] | Refusal:
        if (body.name is None) != (body.agreed_on is None):
            return not_valid(WITHOUT_PERSON if body.name is None else WITHOUT_AGREEMENT)
        named = ContactPerson(body.name, body.agreed_on) if body.name and body.agreed_on else None
        return await name_person(conn, contact, named, partner, now)

    return await act_on(change, CONTACT_SHELF, contact_id, alter)

"""The route by which a unit says whether an offer has places."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response

from schemas import CapacityState, OfferState, PartnerSlug
from schemas.calendar import Day
from schemas.directory import Capacity
from services.chassis.api import Body, Changing
from services.chassis.db import Connection
from services.chassis.permissions import allowed
from services.chassis.problems import Refusal, documented
from services.referral.api.directory import act_on
from services.referral.api.shelves import OFFER_SHELF, OfferView
from services.referral.commands.directory import set_capacity
from services.referral.model.directory import Entry

router = APIRouter(prefix=OFFER_SHELF.path, tags=["offers"])


class Places(Body):
    """Whether there are places; null: nothing is said any more. `expected_from`: the day from which there should be."""

    capacity: Capacity | None
    expected_from: Day | None = None


@router.put(
    "/{offer_id}/capacity",
    **allowed(OFFER_SHELF.writing),
    response_model=OfferView,
    responses=documented(401, 403, 404, 409, 412, 422),
)
async def put_capacity(change: Changing, offer_id: UUID, body: Places) -> Response:
    """Say whether an offer has places; the others hear it at once, and the offer stays as it is."""
    partner = PartnerSlug(change.caller.partner)

    async def alter(conn: Connection, offer: Entry[OfferState], now: datetime) -> Entry[OfferState] | Refusal:
        said = CapacityState(unit=offer.unit, **body.model_dump())
        return await set_capacity(conn, offer, said, partner, now)

    return await act_on(change, OFFER_SHELF, offer_id, alter)

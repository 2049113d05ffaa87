"""Routes of the partners' offers."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel

from schemas import OfferId, OfferState, UnitId
from schemas.codes import OfferStatus, ServiceType
from services.chassis.api import Changing
from services.chassis.permissions import allowed
from services.chassis.problems import documented
from services.referral.api import directory
from services.referral.api.directory import IncludeInactive, Shelf
from services.referral.api.requests import After, Limit, Nothing, Running
from services.referral.model.directory import OFFERS, Entry

router = APIRouter(prefix="/v1/offers", tags=["offers"])


class OfferView(OfferState):
    """An offer as every partner sees it."""

    offer_id: OfferId
    published_at: datetime
    changed_at: datetime
    withdrawn_at: datetime | None


class OfferPage(BaseModel):
    """Offers, the earliest published first; `next` goes into `after` of the next request."""

    items: list[OfferView]
    next: OfferId | None


def _view(entry: Entry[OfferState]) -> OfferView:
    return OfferView(offer_id=OfferId(entry.id), **directory.dated(entry))


SHELF = Shelf(OFFERS, "/v1/offers", "publish-offers", _view)
READING, WRITING = allowed("read-offers"), allowed(SHELF.writing)


@router.post("", **WRITING, status_code=201, response_model=OfferView, responses=documented(400, 401, 403, 422))
async def publish_offer(change: Changing, body: OfferState) -> Response:
    """Publish an offer of one of your units."""
    return await directory.publish(change, SHELF, body)


@router.put(
    "/{offer_id}",
    **WRITING,
    response_model=OfferView,
    responses=documented(401, 403, 404, 409, 412, 422, 428),
)
async def change_offer(change: Changing, offer_id: UUID, body: OfferState) -> Response:
    """Replace an offer's state; the others hear which fields changed."""
    return await directory.replace(change, SHELF, offer_id, body)


@router.post(
    "/{offer_id}/withdraw",
    **WRITING,
    response_model=OfferView,
    responses=documented(400, 401, 403, 404, 409, 412, 422),
)
async def withdraw_offer(change: Changing, offer_id: UUID, body: Nothing | None = None) -> Response:
    """Withdraw an offer for good."""
    return await directory.withdraw(change, SHELF, offer_id)


@router.get("/{offer_id}", **READING, response_model=OfferView, responses=documented(401, 403, 404, 422))
async def show_offer(context: Running, offer_id: UUID) -> Response:
    """Show one offer, withdrawn or not."""
    return await directory.show(context, SHELF, offer_id)


@router.get("", **READING, responses=documented(401, 403, 422))
async def list_offers(
    context: Running,
    unit: UnitId | None = None,
    service_type: ServiceType | None = None,
    include_inactive: IncludeInactive = False,
    after: After = None,
    limit: Limit = 50,
) -> OfferPage:
    """List the partners' offers, only those that can be used now unless you ask for all."""
    status = None if include_inactive else OfferStatus.ACTIVE
    items, following = await directory.listed(
        context,
        SHELF,
        {"unit": unit, "service_type": service_type, "status": status},
        after,
        limit,
        include_withdrawn=include_inactive,
    )
    return OfferPage(items=items, next=None if following is None else OfferId(following))

"""The four kinds of entries and their routes: offers, contacts, information material, change notices."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field, create_model

from schemas import (
    CapacityState,
    ChangeNoticeState,
    ContactId,
    ContactState,
    MaterialId,
    MaterialState,
    NoticeId,
    OfferId,
    OfferState,
)
from schemas.codes import Accessibility, Concern, ContactLevel, LanguageTag, OfferStatus, ServiceType
from schemas.directory import Capacity, NoticeCategory
from services.chassis.api import Changing
from services.chassis.permissions import allowed
from services.chassis.problems import documented
from services.referral.api import directory
from services.referral.api.directory import AssuredView, EntryView, Listing, Shelf, Timed
from services.referral.api.requests import Nothing, Running
from services.referral.model.directory import CHANGE_NOTICES, CONTACTS, MATERIALS, OFFERS, AsOf, Entry, Filter


class OfferView(OfferState, AssuredView):
    """An offer as every partner sees it."""

    offer_id: OfferId
    capacity: Capacity | None
    capacity_expected_from: date | None

    @classmethod
    def facts_of(cls, entry: Entry[Any], as_of: AsOf) -> dict[str, Any]:
        """Whether it has places too."""
        said = entry.capacity or CapacityState(unit=entry.unit)
        places = {"capacity": said.capacity, "capacity_expected_from": said.expected_from}
        return {**super().facts_of(entry, as_of), **places}


class ContactView(ContactState, AssuredView):
    """A contact as every partner sees it."""

    contact_id: ContactId


class MaterialView(MaterialState, EntryView):
    """Information material as every partner sees it."""

    material_id: MaterialId


class ChangeNoticeView(ChangeNoticeState, EntryView):
    """A change notice as every partner sees it."""

    notice_id: NoticeId


View = TypeVar("View", bound=EntryView)


class Page(BaseModel, Generic[View]):
    """Entries, the earliest published first; `next` goes into `after` of the next request."""

    items: list[View]
    next: UUID | None


class OfferListing(Listing):
    """Which offers. Of what can be named several times, `need` and `accessibility` must all be there."""

    service_type: ServiceType | None = None
    need: Annotated[
        tuple[Concern, ...], Field(max_length=10, description="what it helps with; with all of several")
    ] = ()
    language: Annotated[LanguageTag | None, Field(description="one in which advice is given")] = None
    accessibility: Annotated[
        tuple[Accessibility, ...], Field(max_length=10, description="what its place has; all of several")
    ] = ()
    capacity: Annotated[
        tuple[Capacity, ...],
        Field(max_length=10, description="what its unit last said of its places; one of several. No word is none"),
    ] = ()
    open_now: Annotated[bool, Field(description="open at this minute by its `schedules`, its unit not closed")] = False

    @property
    def wanted(self) -> dict[str, Any]:
        """What several are asked for stands in lists."""
        wanted = self.model_dump(mode="json", include={"unit", "service_type"}, exclude_none=True)
        if self.need:
            wanted["needs"] = [*self.need]
        if self.language is not None:
            wanted["languages"] = [self.language]
        if self.accessibility:
            wanted["location"] = {"accessibility": [*self.accessibility]}
        return wanted

    def filter(self, usable: Mapping[str, str], now: datetime) -> Filter:
        """Places and hours are no values of the state."""
        wanted = super().filter(usable, now)
        return replace(wanted, capacities=frozenset(self.capacity), open_at=now if self.open_now else None)


class ContactListing(Listing):
    """Which contacts."""

    level: ContactLevel | None = None


class MaterialListing(Listing):
    """Which material; `language`: one that it is there in."""

    language: LanguageTag | None = None

    @property
    def wanted(self) -> dict[str, Any]:
        """The language is one of several."""
        wanted = super().wanted
        language = wanted.pop("language", None)
        return wanted if language is None else {**wanted, "languages": [language]}


class ChangeNoticeListing(Listing):
    """Which change notices."""

    category: NoticeCategory | None = None


OFFER_SHELF = Shelf(
    OFFERS,
    "/v1/offers",
    "read-offers",
    "publish-offers",
    OfferView,
    Page[OfferView],
    OfferListing,
    {"status": OfferStatus.ACTIVE},
)
SHELVES: tuple[Shelf[Any], ...] = (
    OFFER_SHELF,
    Shelf(
        CONTACTS,
        "/v1/contacts",
        "read-contacts",
        "publish-contacts",
        ContactView,
        Page[ContactView],
        ContactListing,
    ),
    Shelf(
        MATERIALS,
        "/v1/materials",
        "read-materials",
        "publish-materials",
        MaterialView,
        Page[MaterialView],
        MaterialListing,
    ),
    Shelf(
        CHANGE_NOTICES,
        "/v1/change-notices",
        "read-change-notices",
        "publish-change-notices",
        ChangeNoticeView,
        Page[ChangeNoticeView],
        ChangeNoticeListing,
    ),
)


def routes(shelf: Shelf[Any]) -> APIRouter:
    """The routes of one kind of entry."""
    router = APIRouter(prefix=shelf.path, tags=[shelf.path.removeprefix("/v1/")])
    reading, writing = allowed(shelf.reading), allowed(shelf.writing)
    one, view = f"/{{{shelf.kind.id_field}}}", shelf.view
    entry_id_type = Annotated[UUID, Path(alias=shelf.kind.id_field)]
    state_type, listing_type = shelf.kind.state, Annotated[shelf.listing, Query()]
    body_type = create_model(f"{state_type.__name__.removesuffix('State')}Body", __base__=(state_type, Timed))

    def state_of(body: BaseModel) -> Any:
        return state_type.model_validate(body.model_dump(exclude={*Timed.model_fields}))

    @router.post(
        "",
        name=f"publish_{shelf.kind.name}",
        **writing,
        status_code=201,
        response_model=view,
        responses=documented(400, 401, 403, 422),
    )
    @_taking(body=body_type)
    async def publish(change: Changing, body: Any) -> Response:
        """Make an entry of one of your units known, now or from a day to come."""
        return await directory.publish(change, shelf, state_of(body), body.effective_on)

    @router.put(
        one,
        name=f"change_{shelf.kind.name}",
        **writing,
        response_model=view,
        responses=documented(401, 403, 404, 409, 412, 422, 428),
    )
    @_taking(entry_id=entry_id_type, body=body_type)
    async def change(change: Changing, entry_id: UUID, body: Any) -> Response:
        """Replace an entry's state, now or from a day to come; the others hear which fields change."""
        return await directory.replace(change, shelf, entry_id, state_of(body), body.effective_on)

    @router.post(
        f"{one}/withdraw",
        name=f"withdraw_{shelf.kind.name}",
        **writing,
        response_model=view,
        responses=documented(400, 401, 403, 404, 409, 412, 422),
    )
    @_taking(entry_id=entry_id_type)
    async def withdraw(change: Changing, entry_id: UUID, body: Timed | None = None) -> Response:
        """Withdraw an entry for good, now or on a day to come."""
        return await directory.withdraw(change, shelf, entry_id, body.effective_on if body else None)

    @router.post(
        f"{one}/retract",
        name=f"retract_{shelf.kind.name}",
        **writing,
        response_model=view,
        responses=documented(400, 401, 403, 404, 409, 412, 422),
    )
    @_taking(entry_id=entry_id_type)
    async def retract(change: Changing, entry_id: UUID, body: Nothing | None = None) -> Response:
        """Take back what was announced of an entry."""
        return await directory.retract(change, shelf, entry_id)

    if shelf.announced_kind.assured is not None:

        @router.post(
            f"{one}/assure",
            name=f"assure_{shelf.kind.name}",
            **writing,
            response_model=view,
            responses=documented(400, 401, 403, 404, 409, 412, 422),
        )
        @_taking(entry_id=entry_id_type)
        async def assure(change: Changing, entry_id: UUID, body: Nothing | None = None) -> Response:
            """Say that an entry is still right as it stands."""
            return await directory.assure(change, shelf, entry_id)

    @router.get(
        one, name=f"show_{shelf.kind.name}", **reading, response_model=view, responses=documented(401, 403, 404, 422)
    )
    @_taking(entry_id=entry_id_type)
    async def show(context: Running, entry_id: UUID) -> Response:
        """Show one entry, withdrawn or not."""
        return await directory.show(context, shelf, entry_id)

    @router.get(
        "", name=f"list_{shelf.kind.name}s", **reading, response_model=shelf.page, responses=documented(401, 403, 422)
    )
    @_taking(asked=listing_type)
    async def listed(context: Running, asked: Any) -> BaseModel:
        """List the partners' entries, only those that can be used now unless you ask for all."""
        return await directory.listed(context, shelf, asked)

    return router


Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


def _taking(**types: Any) -> Callable[[Endpoint], Endpoint]:
    """Say what a route takes where that is known only here: FastAPI reads it from the annotations."""

    def typed(endpoint: Endpoint) -> Endpoint:
        endpoint.__annotations__.update(types)
        return endpoint

    return typed


ROUTERS = tuple(map(routes, SHELVES))

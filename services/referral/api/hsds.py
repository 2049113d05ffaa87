"""The directory for readers of HSDS 3.1 (Open Referral), read-only; how it maps: `services.referral.model.hsds`."""

from collections.abc import Sequence
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel, StringConstraints

from schemas import OfferState, UnitId
from schemas.partner_file import PartnerFile
from services.chassis import db
from services.chassis.api import Answer, respond
from services.chassis.context import Context
from services.chassis.permissions import allowed
from services.chassis.problems import NOT_FOUND, Problem, Refusal, documented
from services.referral.api.requests import Running
from services.referral.model import hsds
from services.referral.model.directory import OFFERS, Entry
from services.referral.model.hsds import Json, Taxonomy, Term
from services.referral.store import directory
from services.referral.store import hsds as store
from services.referral.store.hsds import Wanted

router = APIRouter(prefix="/hsds", tags=["hsds"])
PROFILE = "https://docs.openreferral.org/en/3.1/"
_READING, _PROBLEMS = allowed("read-offers"), documented(401, 403, 422)
MOST_IN_PACKAGE = 1000
TOO_MANY = Refusal(422, "too-many-offers", f"These are more than {MOST_IN_PACKAGE}; name a unit.", field="unit")
_ONE_PROBLEMS = documented(401, 403, 404, 422)


class Record(BaseModel):
    """One object of HSDS 3.1; its fields are those of the official schema."""

    model_config = {"extra": "allow"}

    id: UUID


class Page(BaseModel):
    """A page of HSDS 3.1: pages are numbered from 1."""

    total_items: int
    total_pages: int
    page_number: int
    size: int
    first_page: bool
    last_page: bool
    empty: bool
    contents: list[Record]


class About(BaseModel):
    """Which version this is and where it is described."""

    version: str
    profile: str
    openapi_url: str


class Package(About):
    """Many services in one file, in the order in which they were published."""

    services: list[Record]


class Asked(BaseModel):
    """Which page. format: only JSON is served."""

    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1
    per_page: Annotated[int, Query(ge=1, le=200)] = 50
    format: Literal["json"] = "json"


Text = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class AskedOffers(Asked):
    """Which offers. modified_after: changed then or later, those withdrawn since too, as `defunct`."""

    search: Text | None = None
    taxonomy_term_id: UUID | None = None
    taxonomy_id: UUID | None = None
    organization_id: UUID | None = None
    modified_after: AwareDatetime | None = None
    full: bool = False


class AskedServices(AskedOffers):
    """minimal: only id and when it was changed."""

    minimal: bool = False


class AskedTerms(Asked):
    """Which words."""

    search: Text | None = None
    taxonomy_id: UUID | None = None


@router.get("/", **_READING, responses=documented(401, 403))
async def about() -> About:
    """Say which version of HSDS this is."""
    return _about()


def _about() -> About:
    return About(version=hsds.VERSION, profile=PROFILE, openapi_url="/openapi.json")


@router.get("/package", **_READING, response_model=Package, responses=_PROBLEMS)
async def package(
    context: Running, unit: Annotated[UnitId | None, Query(description="whose offers; left out: all")] = None
) -> Response:
    """Give the public offers as one package, each with all that HSDS nests; `POST /v1/offers/import` takes it."""
    wanted = Wanted(state={} if unit is None else {"unit": unit})
    async with context.database.reading() as conn:
        offers = await store.page(conn, wanted, 0, MOST_IN_PACKAGE + 1)
    if len(offers) > MOST_IN_PACKAGE:
        raise Problem(TOO_MANY)
    services = [Record.model_validate(each) for each in await _services(context, offers, full=True)]
    return respond(Answer(Package(**_about().model_dump(), services=services)))


@router.get("/services", **_READING, response_model=Page, responses=_PROBLEMS)
async def list_services(context: Running, asked: Annotated[AskedServices, Query()]) -> Response:
    """List the partners' offers as HSDS services."""
    total, offers = await _offers(context, asked)
    if asked.minimal:
        return _page(asked, total, [hsds.minimal(each) for each in offers])
    return _page(asked, total, await _services(context, offers, full=asked.full))


@router.get("/services/{service_id}", **_READING, response_model=Record, responses=_ONE_PROBLEMS)
async def show_service(context: Running, service_id: UUID) -> Response:
    """Show one offer with all that HSDS nests; a withdrawn one is `defunct`."""
    [shown] = await _services(context, [await _offer(context, service_id)], full=True)
    return _one(shown)


@router.get("/service_at_locations", **_READING, response_model=Page, responses=_PROBLEMS)
async def list_places(context: Running, asked: Annotated[AskedOffers, Query()]) -> Response:
    """List where offers are; those that say no place are left out."""
    total, offers = await _offers(context, asked, with_location=True)
    places = [hsds.service_at_location(each, context.partners, full=asked.full) for each in offers]
    return _page(asked, total, [each for each in places if each is not None])


@router.get("/service_at_locations/{place_id}", **_READING, response_model=Record, responses=_ONE_PROBLEMS)
async def show_place(context: Running, place_id: UUID) -> Response:
    """Show one offer at its place."""
    return _one(hsds.service_at_location(await _offer(context, place_id), context.partners, full=True))


@router.get("/organizations", **_READING, response_model=Page, responses=_PROBLEMS)
async def list_organizations(context: Running, asked: Annotated[Asked, Query()], full: bool = False) -> Response:
    """List the partners of the agreement."""
    return _cut(asked, [hsds.organization(each, full=full) for each in context.partners])


@router.get("/organizations/{organization_id}", **_READING, response_model=Record, responses=_ONE_PROBLEMS)
async def show_organization(context: Running, organization_id: UUID) -> Response:
    """Show one partner with its units as programs."""
    return _one(hsds.organization(_partner(context, organization_id), full=True))


@router.get("/taxonomies", **_READING, response_model=Page, responses=_PROBLEMS)
async def list_taxonomies(asked: Annotated[Asked, Query()]) -> Response:
    """List the lists of words that offers are found by."""
    return _cut(asked, hsds.taxonomies())


@router.get("/taxonomies/{taxonomy_id}", **_READING, response_model=Record, responses=_ONE_PROBLEMS)
async def show_taxonomy(taxonomy_id: UUID) -> Response:
    """Show one list of words."""
    return _one(next((each for each in hsds.taxonomies() if each["id"] == str(taxonomy_id)), None))


@router.get("/taxonomy_terms", **_READING, response_model=Page, responses=_PROBLEMS)
async def list_terms(asked: Annotated[AskedTerms, Query()]) -> Response:
    """List the words that offers are found by."""
    found = [
        hsds.taxonomy_term(term)
        for term in hsds.TERMS.values()
        if asked.taxonomy_id in (None, hsds.taxonomy_id(term.taxonomy))
        and (asked.search is None or asked.search.casefold() in term.name.casefold())
    ]
    return _cut(asked, found)


@router.get("/taxonomy_terms/{term_id}", **_READING, response_model=Record, responses=_ONE_PROBLEMS)
async def show_term(term_id: UUID) -> Response:
    """Show one word."""
    term = hsds.TERMS.get(term_id)
    return _one(hsds.taxonomy_term(term) if term else None)


async def _offers(
    context: Context, asked: AskedOffers, *, with_location: bool = False
) -> tuple[int, Sequence[Entry[OfferState]]]:
    wanted = _wanted(context, asked, with_location)
    if wanted is None:
        return 0, []
    async with context.database.reading() as conn:
        total = await store.count(conn, wanted)
        return total, await store.page(conn, wanted, (asked.page - 1) * asked.per_page, asked.per_page)


def _wanted(context: Context, asked: AskedOffers, with_location: bool) -> Wanted | None:
    """None where an id is asked for that means nothing here: nothing has it."""
    state: Json = {}
    capacity: Json = {}
    taxonomy: Taxonomy | None = None
    if asked.taxonomy_term_id is not None:
        term = hsds.TERMS.get(asked.taxonomy_term_id)
        if term is None:
            return None
        state, capacity = ({}, {"capacity": term.code}) if term.taxonomy is Taxonomy.CAPACITY else (_having(term), {})
    if asked.taxonomy_id is not None:
        taxonomy = next((each for each in Taxonomy if hsds.taxonomy_id(each) == asked.taxonomy_id), None)
        if taxonomy is None:
            return None
    partner = None if asked.organization_id is None else _slug(context, asked.organization_id)
    if asked.organization_id is not None and partner is None:
        return None
    return Wanted(
        modified_after=asked.modified_after,
        state=state,
        capacity=capacity,
        partner=partner,
        text=asked.search,
        with_needs=taxonomy is Taxonomy.NEEDS,
        with_accessibility=taxonomy is Taxonomy.ACCESSIBILITY,
        with_location=with_location,
        with_capacity=taxonomy is Taxonomy.CAPACITY,
    )


def _having(term: Term) -> Json:
    """What the state of an offer has that a word stands for."""
    if term.taxonomy is Taxonomy.NEEDS:
        return {"needs": [term.code]}
    if term.taxonomy is Taxonomy.SERVICE_TYPES:
        return {"service_type": term.code}
    return {"location": {"accessibility": [term.code]}}


def _slug(context: Context, organization_id: UUID) -> str | None:
    return next((slug for slug in context.partners.slugs if hsds.organization_id(slug) == organization_id), None)


def _partner(context: Context, organization_id: UUID) -> PartnerFile:
    slug = _slug(context, organization_id)
    if slug is None:
        raise Problem(NOT_FOUND)
    return context.partners.partner(slug)


async def _offer(context: Context, offer_id: UUID) -> Entry[OfferState]:
    async with context.database.reading() as conn:
        offer, now = await directory.find_entry(conn, OFFERS, offer_id), await db.now(conn)
    if offer is None or offer.published_at > now:
        raise Problem(NOT_FOUND)
    return offer


async def _services(context: Context, offers: Sequence[Entry[OfferState]], *, full: bool) -> list[Json]:
    contacts = {}
    if full:
        async with context.database.reading() as conn:
            contacts = dict(await store.daily_contacts(conn, [each.unit for each in offers]))
    return [hsds.service(each, context.partners, full=full, contacts=contacts.get(each.unit, ())) for each in offers]


def _cut(asked: Asked, found: Sequence[Json]) -> Response:
    first = (asked.page - 1) * asked.per_page
    return _page(asked, len(found), found[first : first + asked.per_page])


def _page(asked: Asked, total: int, contents: Sequence[Json]) -> Response:
    pages = -(-total // asked.per_page)
    return respond(
        Answer(
            Page(
                total_items=total,
                total_pages=pages,
                page_number=asked.page,
                size=len(contents),
                first_page=asked.page == 1,
                last_page=asked.page >= pages,
                empty=not contents,
                contents=[Record.model_validate(each) for each in contents],
            )
        )
    )


def _one(shown: Json | None) -> Response:
    if shown is None:
        raise Problem(NOT_FOUND)
    return respond(Answer(Record.model_validate(shown)))

"""The route by which a unit's offers are brought in from a package of HSDS 3.1."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, Field

from schemas import FieldChange, OfferId, PartnerSlug, Topic, UnitId
from schemas.codes import ServiceType
from services.chassis.api import Answer, Body, Change, Changing, perform, respond
from services.chassis.db import Connection
from services.chassis.keys import Key
from services.chassis.permissions import allowed
from services.chassis.problems import Problem, Refusal, documented
from services.referral.api.directory import check_own_unit
from services.referral.api.shelves import OFFER_SHELF
from services.referral.commands.importing import CHANGED_MEANWHILE, Plan, Wish, carry_out, plan
from services.referral.model.hsds_package import Package
from services.referral.store.directory import offers_with

router = APIRouter(prefix=OFFER_SHELF.path, tags=["offers"])


class Import(Body):
    """What is to be brought in; each service is one offer of the unit, found again by its id.

    dry_run: only say what would change. withdraw_missing: withdraw for good what is not in the package.
    service_type: of services that name none of their own. seen: of the dry run that you have looked at.
    """

    unit: UnitId
    package: Package
    dry_run: bool
    withdraw_missing: bool = False
    service_type: ServiceType | None = None
    seen: Annotated[str | None, Field(pattern="^[0-9a-f]{32}$")] = None


class NamedOffer(BaseModel):
    """An offer by its name."""

    offer_id: OfferId
    name: str


class ChangedOffer(NamedOffer):
    """An offer with what becomes of its fields."""

    changes: tuple[FieldChange, ...]


class ImportView(BaseModel):
    """What a package changes. After a dry run nothing has changed; `seen` goes into the import that follows.

    missing: your unit's offers that are not in it; withdrawn if you said so. of_others: services of another unit's
    program, passed over. not_taken: fields of the package that Lotse does not keep.
    """

    dry_run: bool
    seen: str
    new: list[NamedOffer]
    changed: list[ChangedOffer]
    unchanged: list[OfferId]
    missing: list[NamedOffer]
    of_others: list[UUID]
    not_taken: list[str]


@router.post(
    "/import",
    **allowed(OFFER_SHELF.writing),
    response_model=ImportView,
    responses=documented(400, 401, 403, 409, 422),
)
async def import_offers(change: Changing, body: Import) -> Response:
    """Bring a unit's offers to what an HSDS package says, all or nothing; the others hear of each change."""
    check_own_unit(change, OFFER_SHELF.writing, body.unit)
    wish = Wish(body.unit, body.package, body.service_type, body.withdraw_missing)
    if body.dry_run:
        async with change.context.database.reading() as conn:
            return respond(Answer(_view(_planned(await _plan(conn, change, wish)), body)))
    return await _carry_out(change, body, wish)


async def _carry_out(change: Change, body: Import, wish: Wish) -> Response:
    partner = PartnerSlug(change.caller.partner)
    locked: set[UUID] = set()

    async def keys(conn: Connection) -> Sequence[Key]:
        named = [each.id for each in wish.package.services]
        offers, _ = await offers_with(conn, wish.unit, named)
        locked.clear()
        locked.update(named, offers)
        return [Key(Topic.DIRECTORY, str(each)) for each in sorted(locked)]

    async def act(conn: Connection, now: datetime) -> Answer | Refusal:
        found = await _plan(conn, change, wish)
        if isinstance(found, Refusal):
            return found
        is_as_seen = body.seen in (None, found.seen)
        if not is_as_seen or not locked.issuperset(each.id for each in found.missing):
            return CHANGED_MEANWHILE
        return await carry_out(conn, found, wish, partner, now) or Answer(_view(found, body))

    async def again(conn: Connection, _ids: Sequence[str], _now: datetime) -> Answer:
        return Answer(_view(_planned(await _plan(conn, change, wish)), body))

    return await perform(change, ids=[], keys=keys, act=act, again=again)


async def _plan(conn: Connection, change: Change, wish: Wish) -> Plan | Refusal:
    return await plan(conn, wish, change.context.partners.units.keys() - {wish.unit})


def _planned(found: Plan | Refusal) -> Plan:
    if isinstance(found, Refusal):
        raise Problem(found)
    return found


def _view(found: Plan, body: Import) -> ImportView:
    return ImportView(
        dry_run=body.dry_run,
        seen=found.seen,
        new=[NamedOffer(offer_id=OfferId(own), name=state.name) for own, state in found.new.items()],
        changed=[
            ChangedOffer(offer_id=OfferId(each.offer.id), name=each.state.name, changes=tuple(each.changes))
            for each in found.changed
        ],
        unchanged=[OfferId(each) for each in found.unchanged],
        missing=[NamedOffer(offer_id=OfferId(each.id), name=each.state.name) for each in found.missing],
        of_others=found.of_others,
        not_taken=body.package.not_taken,
    )

"""Slips: somebody is told where to go, and nothing about the person is."""

from collections.abc import Sequence
from datetime import date, datetime

from schemas import InformationCounted, OfferId, Topic, UnitId
from schemas.calendar import local_month
from schemas.codes import ContactLevel, LanguageTag
from schemas.partner_file import Partners
from schemas.routing_file import RoutingFile
from services.chassis import outbox
from services.chassis.db import Connection
from services.chassis.keys import Key
from services.chassis.problems import Refusal
from services.referral.model.directory import CONTACTS, OFFERS, Filter, can_be_used
from services.referral.paper.slip import Place
from services.referral.store import directory

NO_SUCH_OFFER = Refusal(422, "no-such-offer", "There is no such offer in the directory.", field="offer_ids")
OFFER_NOT_ACTIVE = Refusal(409, "offer-not-active", "This offer cannot be used at present.", field="offer_ids")
NO_SUCH_PLACE = Refusal(
    422, "no-such-place", "The table of routing names no such place; its answers say which there are.", field="places"
)


def unit_key(unit: UnitId) -> Key:
    """What the counts of a unit are ordered by."""
    return Key(Topic.CIRCLE, unit)


async def places_on(
    conn: Connection,
    offers: Sequence[OfferId],
    codes: Sequence[str],
    routing: RoutingFile,
    partners: Partners,
    today: date,
) -> Sequence[Place] | Refusal:
    """What a slip says: the offers in their order, then places outside the directory."""
    shown = list[Place]()
    for offer_id in offers:
        place = await _offered(conn, offer_id, partners, today)
        if isinstance(place, Refusal):
            return place
        shown.append(place)
    outside = {place.code: place for place in routing.places}
    for code in codes:
        if code not in outside:
            return NO_SUCH_PLACE
        shown.append(Place(outside[code].name, phone=outside[code].phone, note=outside[code].note))
    return shown


async def _offered(conn: Connection, offer_id: OfferId, partners: Partners, today: date) -> Place | Refusal:
    offer = await directory.find_entry(conn, OFFERS, offer_id)
    if offer is None:
        return NO_SUCH_OFFER
    if not can_be_used(offer):
        return OFFER_NOT_ACTIVE
    said, known = offer.state, partners.units.get(offer.unit)
    return Place(
        said.name,
        known.name if known else offer.unit,
        said.description,
        said.eligibility_description,
        said.languages,
        said.interpretation_services,
        said.schedule,
        said.address,
        said.phone,
        said.email,
        await _whom_to_ask_for(conn, offer.unit, today),
        url=said.url,
    )


async def _whom_to_ask_for(conn: Connection, unit: UnitId, today: date) -> str | None:
    """The function that a unit names for daily work; never a name."""
    wanted = Filter(values={"unit": unit, "level": ContactLevel.OPERATIONAL.value}, usable_on=today)
    found = await directory.entries_after(conn, CONTACTS, wanted, None, 1)
    return found[0].state.function if found else None


async def count(conn: Connection, unit: UnitId, language: LanguageTag, now: datetime) -> None:
    """Count that the unit has told one person of the offers, in the month of Koblenz."""
    told = InformationCounted(unit=unit, language=language, month=local_month(now), count=1)
    await outbox.publish(conn, told, at=now)

"""Who could take a person: the units of the agreement and what they offer now."""

from collections import defaultdict
from collections.abc import Sequence

from schemas import UnitId
from schemas.codes import ServiceType
from schemas.partner_file import Partners
from schemas.routing_file import RoutingFile
from services.chassis.db import Connection
from services.referral.model.directory import AsOf
from services.referral.model.routing import Provider, best_places
from services.referral.store import routing as store
from services.referral.store.routing import Offered


async def providers(conn: Connection, partners: Partners, table: RoutingFile, as_of: AsOf) -> Sequence[Provider]:
    """The units that give a service the table refers to, by their partner's file or by what they offer now."""
    wanted = {ServiceType(place.code) for place in table.places if place.code in ServiceType.writable()}
    found: dict[tuple[UnitId, ServiceType], list[Offered]] = defaultdict(list)
    for unit_id, unit in partners.units.items():
        for service_type in wanted.intersection(unit.service_types):
            found[unit_id, service_type] = []
    for offer in await store.usable_offers(conn, wanted):
        found[offer.unit, offer.service_type].append(offer)
    return [
        Provider(
            unit,
            service_type,
            tuple(offer.offer_id for offer in offers),
            frozenset(language for offer in offers for language in offer.languages),
            best_places([offer.capacity for offer in offers]),
            is_stale=bool(offers) and all(as_of.is_stale(offer.assured_on) for offer in offers),
        )
        for (unit, service_type), offers in found.items()
    ]

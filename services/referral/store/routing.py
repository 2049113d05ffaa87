"""Statements for routing: which offers are there to be chosen from."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import NamedTuple

from schemas import CapacityState, OfferId, UnitId
from schemas.codes import READER, OfferStatus, ServiceType
from services.chassis.db import Connection


class Offered(NamedTuple):
    """As much of an offer as choosing a unit takes."""

    offer_id: OfferId
    unit: UnitId
    service_type: ServiceType
    languages: Sequence[str]
    capacity: CapacityState | None
    assured_on: date


async def usable_offers(conn: Connection, service_types: Collection[str]) -> Sequence[Offered]:
    """List the offers of some service types that people can be referred to now, the earliest published first."""
    rows = await conn.fetch(
        """
        select entry_id, state ->> 'unit' as unit, state ->> 'service_type' as service_type,
               state -> 'languages' as languages, capacity,
               coalesce(assured_on, (changed_at at time zone 'Europe/Berlin')::date) as assured_on
        from referral.entry
        where kind = 'offer' and withdrawn_at is null and state ->> 'status' = $2
          and pending_act is distinct from 'publish' and state ->> 'service_type' = any($1::text[])
        order by entry_id
        """,
        list(service_types),
        OfferStatus.ACTIVE,
    )
    return [
        Offered(
            OfferId(row["entry_id"]),
            UnitId(row["unit"]),
            ServiceType(row["service_type"]),
            row["languages"],
            row["capacity"] and CapacityState.model_validate(row["capacity"], extra="ignore", context=READER),
            row["assured_on"],
        )
        for row in rows
    ]

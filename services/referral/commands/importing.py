"""Bringing a unit's offers to what a package says: first what would change, then the same changes as one by one."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from schemas import FieldChange, OfferState, PartnerSlug, UnitId
from schemas.codes import ServiceType
from services.chassis.db import Connection
from services.chassis.problems import Refusal
from services.referral.commands import directory
from services.referral.model.directory import OFFERS, Entry, Fault
from services.referral.model.hsds import made_id
from services.referral.model.hsds_package import Package, SaidService, state_of
from services.referral.store import directory as store

CHANGED_MEANWHILE = Refusal(
    409, "directory-changed", "Your unit's offers have changed meanwhile; look at a dry run again.", field="seen"
)


@dataclass(frozen=True)
class Wish:
    """What is to be brought in. service_type: of offers that neither the package nor Lotse knows the kind of.

    withdraw_missing: take the unit's offers that are not in the package out of use.
    """

    unit: UnitId
    package: Package
    service_type: ServiceType | None
    withdraw_missing: bool


@dataclass(frozen=True)
class Changed:
    """An offer that the package says something else of."""

    offer: Entry[OfferState]
    state: OfferState
    changes: Sequence[FieldChange]


@dataclass
class Plan:
    """What the package would do. seen: stands for the offers as they were looked at."""

    seen: str
    new: dict[UUID, OfferState] = field(default_factory=dict)
    changed: list[Changed] = field(default_factory=list)
    unchanged: list[UUID] = field(default_factory=list)
    missing: list[Entry[OfferState]] = field(default_factory=list)
    of_others: list[UUID] = field(default_factory=list)


async def plan(conn: Connection, wish: Wish, other_units: Collection[UnitId]) -> Plan | Refusal:
    """Compare a package with the directory. Services of another unit's program are passed over.

    Refused with the place in the package where a service cannot be taken.
    """
    others = {made_id("program", unit) for unit in other_units}
    named = [each.id for each in wish.package.services]
    known, no_offers = await store.offers_with(conn, wish.unit, named)
    found = Plan(_seen(known.values()))
    for number, said in enumerate(wish.package.services):
        if said.program_id in others:
            found.of_others.append(said.id)
            continue
        offer = known.get(said.id)
        fault = _fault_of_id(offer, wish.unit, said.id in named[:number], said.id in no_offers)
        if fault := fault or _add(found, said, offer, wish):
            return _refusal(number, fault)
    found.missing = [each for each in known.values() if each.unit == wish.unit and each.id not in named]
    return found


def _fault_of_id(offer: Entry[OfferState] | None, unit: UnitId, is_twice: bool, is_no_offer: bool) -> Fault | None:
    if is_twice:
        return Fault("id", "This id stands in the package twice.")
    if is_no_offer or (offer is not None and offer.unit != unit):
        return Fault("id", "This id belongs to something else in the directory; give the offer an id of its own.")
    if offer is not None and offer.withdrawn_at is not None:
        return Fault("id", "This offer was withdrawn for good; give it a new id to publish it anew.")
    return None


def _add(found: Plan, said: SaidService, offer: Entry[OfferState] | None, wish: Wish) -> Fault | None:
    state = state_of(said, wish.unit, offer.state if offer else None, wish.service_type)
    if isinstance(state, Fault):
        return state
    if fault := OFFERS.fault_of(state):
        return fault
    if offer is None:
        found.new[said.id] = state
    elif changes := offer.state.changes_to(state):
        found.changed.append(Changed(offer, state, changes))
    else:
        found.unchanged.append(said.id)
    return None


async def carry_out(conn: Connection, found: Plan, wish: Wish, acted_by: PartnerSlug, now: datetime) -> Refusal | None:
    """Do what was planned, each as if it were asked for by itself, so that the others hear of it."""
    numbers = {each.id: number for number, each in enumerate(wish.package.services)}
    for offer_id, state in found.new.items():
        await directory.publish(conn, OFFERS, offer_id, state, acted_by, now)
    for each in found.changed:
        done = await directory.change(conn, OFFERS, each.offer, each.state, acted_by, now)
        if isinstance(done, Refusal):
            return _refusal(numbers[each.offer.id], Fault("id", done.detail), done.code, done.status)
    for offer in found.missing if wish.withdraw_missing else ():
        gone = await directory.withdraw(conn, OFFERS, offer, acted_by, now)
        if isinstance(gone, Refusal):
            return gone
    return None


def _refusal(number: int, fault: Fault, code: str = "not-valid", status: int = 422) -> Refusal:
    return Refusal(status, code, fault.sentence, field=f"package.services.{number}.{fault.field}")


def _seen(offers: Collection[Entry[OfferState]]) -> str:
    said = "\n".join(sorted(f"{each.id} {each.version}" for each in offers))
    return hashlib.sha256(said.encode()).hexdigest()[:32]

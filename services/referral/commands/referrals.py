"""The life of a referral; the case is locked by the caller."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from schemas import (
    CaseId,
    OfferId,
    OfferState,
    PartnerSlug,
    Party,
    ReferralId,
    UnitId,
    partner_of,
)
from services.chassis import outbox
from services.chassis.auth import Principal
from services.chassis.db import Connection
from services.chassis.permissions import may
from services.chassis.problems import NOT_FOUND, Refusal
from services.referral.commands import consents
from services.referral.model.consents import Direction
from services.referral.model.directory import OFFERS, Entry, can_be_used
from services.referral.model.referrals import (
    ACTS,
    Act,
    Insight,
    Referral,
    event_of,
    insight,
    is_closed_quietly,
    is_possible_contact_day,
    steps,
)
from services.referral.store import directory
from services.referral.store import referrals as store

NO_CONSENT = Refusal(
    409,
    "no-consent",
    "No consent that holds now to pass this person's data on to that unit is known here; record one first.",
    field="case_ref",
)
NO_SUCH_OFFER = Refusal(422, "no-such-offer", "There is no such offer in the directory.", field="offer_id")
OWN_OFFER = Refusal(
    422, "own-offer", "This offer is your own organisation's; refer to another partner's.", field="offer_id"
)
OFFER_NOT_ACTIVE = Refusal(409, "offer-not-active", "This offer cannot be used at present.", field="offer_id")
NOT_YOUR_PART = Refusal(403, "not-your-part", "Only the unit that a referral is addressed to can do this.")
# One text whatever the state: a sender may not know it.
NOT_OPEN_FOR_SENDER = Refusal(409, "illegal-transition", "This referral cannot be cancelled any more.")
IMPOSSIBLE_DAY = Refusal(
    422,
    "not-valid",
    "The first contact is on the day of the request at the earliest and today at the latest.",
    field="first_contact_on",
)


async def usable_offer(conn: Connection, offer_id: OfferId, from_unit: UnitId) -> Entry[OfferState] | Refusal:
    """Load the offer that a unit wants to refer somebody to."""
    offer = await directory.find_entry(conn, OFFERS, offer_id)
    if offer is None:
        return NO_SUCH_OFFER
    if offer.belongs_to(partner_of(from_unit)):
        return OWN_OFFER
    return offer if can_be_used(offer) else OFFER_NOT_ACTIVE


async def lacks_consent(conn: Connection, case_id: CaseId, offer_id: OfferId, from_unit: UnitId, now: datetime) -> bool:
    """Whether a request would be refused for want of a consent, and for nothing else."""
    offer = await usable_offer(conn, offer_id, from_unit)
    if isinstance(offer, Refusal):
        return False
    return await consents.known_transfer(conn, Direction(case_id, from_unit, offer.unit), now) is None


async def request(
    conn: Connection, referral_id: ReferralId, case_id: CaseId, offer_id: OfferId, from_unit: UnitId, now: datetime
) -> Referral | Refusal:
    """Ask the unit of an offer to take a person."""
    offer = await usable_offer(conn, offer_id, from_unit)
    if isinstance(offer, Refusal):
        return offer
    consent_id = await consents.known_transfer(conn, Direction(case_id, from_unit, offer.unit), now)
    if consent_id is None:
        return NO_CONSENT
    referral = Referral(referral_id, case_id, consent_id, offer_id, from_unit, offer.unit, now)
    await store.insert_referral(conn, referral)
    await outbox.publish(conn, event_of(referral, partner_of(from_unit)), at=now)
    return referral


async def own_part(
    conn: Connection, referral_id: ReferralId, caller: Principal, action_id: str
) -> tuple[Referral, Party] | Refusal:
    """Load a referral that the caller may do this to, and say what its unit is to it."""
    referral = await store.find_referral(conn, referral_id)
    if referral is None or not may(caller, action_id, referral.from_unit, referral.to_unit):
        return NOT_FOUND
    party = referral.party(caller.unit)
    return (referral, party) if party else NOT_FOUND


def permit(act: Act, party: Party) -> Refusal | None:
    """Refuse what is the other party's to do, whatever the state."""
    return None if act in ACTS[party] else NOT_YOUR_PART


async def act_on(
    conn: Connection, referral: Referral, party: Party, act: Act, facts: Mapping[str, Any], now: datetime
) -> Referral | Refusal:
    """Do what a party does with a referral, and tell each state it comes to."""
    day = facts.get("first_contact_on")
    if isinstance(day, date) and not is_possible_contact_day(referral, day, now):
        return IMPOSSIBLE_DAY
    moved = steps(referral, act, facts)
    if not moved and party is Party.SENDER:
        return await _close_quietly(conn, referral, now)
    if not moved:
        return Refusal(409, "illegal-transition", f"A referral that is {referral.state} does not take `{act}`.")
    actor = partner_of(referral.to_unit if party is Party.RECIPIENT else referral.from_unit)
    return await _tell(conn, moved, actor, now)


async def _close_quietly(conn: Connection, referral: Referral, now: datetime) -> Referral | Refusal:
    """Take the cancel of a sender that may not know that the work is done; nobody else learns of it."""
    scopes = await consents.known_scopes(conn, [referral.feedback], now)
    if not is_closed_quietly(referral, scopes.get(referral.feedback, frozenset())):
        return NOT_OPEN_FOR_SENDER
    await store.close_for_sender(conn, referral.referral_id, now)
    return replace(referral, closed_by_sender_at=now)


async def _tell(conn: Connection, moved: Sequence[Referral], actor: PartnerSlug, now: datetime) -> Referral:
    """Save the last of the states a referral went through, and tell all of them."""
    await store.update_referrals(conn, moved[-1:], now)
    await outbox.publish_all(conn, [(event_of(state, actor), None) for state in moved], at=now)
    return moved[-1]


async def insights(conn: Connection, parts: Sequence[tuple[Referral, Party]], now: datetime) -> Sequence[Insight]:
    """Say what a party to each of these referrals may know of it at `now`, in the same order."""
    asked = {referral.feedback for referral, party in parts if party is Party.SENDER}
    scopes = await consents.known_scopes(conn, asked, now)
    return [insight(referral, party, scopes.get(referral.feedback, frozenset())) for referral, party in parts]

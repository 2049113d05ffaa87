"""What the bus makes this service do."""

from collections.abc import Mapping
from datetime import datetime

from schemas import (
    ConsentExpired,
    ConsentGiven,
    ConsentWithdrawn,
    DirectoryEvent,
    Event,
    PersonDisclosed,
    PersonErased,
    Received,
    ReferralAccepted,
    ReferralCompleted,
    ReferralEnded,
    ReferralEvent,
    ReferralReceived,
    ReferralRejected,
    ReferralRequested,
    ReferralStarted,
    ReferralStatusShared,
    Topic,
)
from schemas.codes import ConsentState, EndReason, Scope
from services.chassis.adoption import Adopt, Adoption
from services.chassis.db import Connection
from services.chassis.handling import Handler
from services.referral.commands import adopting, consents, referrals
from services.referral.model.directory import CONTACTS, OFFERS, Kind, State


async def on_consent_given(conn: Connection, received: Received[ConsentGiven], now: datetime) -> None:
    """Keep it; a late consent to feedback tells the sender where its referrals stand."""
    await consents.note_given(conn, received, now)


async def on_consent_withdrawn(conn: Connection, received: Received[ConsentWithdrawn], now: datetime) -> None:
    """Keep that it is over, and end what rested on it."""
    withdrawn = received.data
    await consents.note_ended(conn, withdrawn, ConsentState.WITHDRAWN)
    if withdrawn.scope is Scope.TRANSFER:
        reason = EndReason.CONSENT_WITHDRAWN
        await referrals.end_resting_on(conn, withdrawn.consent_id, reason, received, now)


async def on_consent_expired(conn: Connection, received: Received[ConsentExpired], now: datetime) -> None:
    """Keep that it is over, and end what rested on it."""
    expired = received.data
    await consents.note_ended(conn, expired, ConsentState.EXPIRED)
    if expired.scope is Scope.TRANSFER:
        await referrals.end_resting_on(conn, expired.consent_id, EndReason.CONSENT_EXPIRED, received, now)


async def on_person_erased(conn: Connection, received: Received[PersonErased], now: datetime) -> None:
    """End all of the case's referrals and take no more consents for it."""
    await consents.forget(conn, received.data.case_id, now)
    await referrals.end_all(conn, EndReason.PERSON_ERASED, received, now)


async def on_person_disclosed(conn: Connection, received: Received[PersonDisclosed], now: datetime) -> None:
    """Whoever fetched the person's data has received the request."""
    await referrals.note_fetched(conn, received, now)


HANDLERS: Mapping[type[Event], Handler] = {
    ConsentGiven: on_consent_given,
    ConsentWithdrawn: on_consent_withdrawn,
    ConsentExpired: on_consent_expired,
    PersonErased: on_person_erased,
    PersonDisclosed: on_person_disclosed,
}


async def on_own_requested(conn: Connection, received: Received[ReferralRequested], _now: datetime) -> bool:
    """A referral that a restored database has forgotten."""
    return await adopting.adopt_requested(conn, received)


async def on_own_moved(conn: Connection, received: Received[ReferralEvent], _now: datetime) -> bool:
    """A step of a referral that a restored database has forgotten."""
    return await adopting.adopt_moved(conn, received)


async def on_own_shared(conn: Connection, received: Received[ReferralStatusShared], _now: datetime) -> bool:
    """Something told after the fact that a restored database has forgotten."""
    return await adopting.adopt_shared(conn, received)


def _own_entries(kind: Kind[State]) -> Mapping[type[Event], Adopt]:
    """The events of one kind of entry, for a restored database that has forgotten them."""

    async def on_own_published(conn: Connection, received: Received[DirectoryEvent], _now: datetime) -> bool:
        return await adopting.adopt_published(conn, kind, received)

    async def on_own_changed(conn: Connection, received: Received[DirectoryEvent], _now: datetime) -> bool:
        return await adopting.adopt_changed(conn, kind, received)

    return {kind.published: on_own_published, kind.changed: on_own_changed, kind.withdrawn: on_own_changed}


# The directory first: a referral goes to an offer.
ADOPTION = Adoption(
    publishes=(Topic.DIRECTORY, Topic.CASES),
    events={
        **_own_entries(OFFERS),
        **_own_entries(CONTACTS),
        ReferralRequested: on_own_requested,
        ReferralReceived: on_own_moved,
        ReferralAccepted: on_own_moved,
        ReferralRejected: on_own_moved,
        ReferralStarted: on_own_moved,
        ReferralCompleted: on_own_moved,
        ReferralEnded: on_own_moved,
        ReferralStatusShared: on_own_shared,
    },
)

"""What the bus makes this service do."""

from collections.abc import Mapping
from datetime import datetime

from schemas import ConsentExpired, ConsentGiven, ConsentWithdrawn, Event, PersonDisclosed, PersonErased, Received
from schemas.codes import ConsentState, EndReason, Scope
from services.chassis.db import Connection
from services.chassis.handling import Handler
from services.referral.commands import consents, referrals


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

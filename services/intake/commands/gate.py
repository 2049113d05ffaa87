"""The disclosure gate: who may fetch which of a person's data, decided under the lock on the person's case."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from schemas import CaseId, PersonDisclosed, ReferralId, UnitId, partner_of
from services.chassis import outbox
from services.chassis.db import Connection
from services.chassis.problems import NOT_FOUND, Refusal
from services.intake.model import Referral, Sealed, allowed_categories, in_order, transfers_valid_at
from services.intake.store import consents, persons, referrals
from services.intake.vault import Vault, WrappedKey

log = structlog.get_logger()

REFERRAL_NOT_OPEN = Refusal(
    403, "referral-not-open", "This referral is not open (any more); nothing is handed out for it."
)
CONSENT_NOT_VALID = Refusal(
    403, "consent-not-valid", "No valid consent of the person allows this now. Ask the person for one."
)
CASE_ON_HOLD = Refusal(
    503, "case-on-hold", "News of this case could not be read; nothing is handed out until an operator has mended it."
)
DATA_LOST = Refusal(
    409, "data-lost", "What this person said was lost in a restore; ask the unit that referred to register it again."
)
KEY_MISSING = Refusal(503, "not-available", "The data cannot be opened now; the operator has been told.")


@dataclass(frozen=True)
class Fetcher:
    """Who stands at the gate: a unit, the token's subject, and the partner's reference of the case."""

    unit: UnitId
    subject: str
    case_ref: str


async def key_of_person(conn: Connection, case_id: CaseId) -> UUID | Refusal:
    """Which data key opens what is sealed of a person."""
    person = await persons.person(conn, case_id)
    if person is None or person.erased_at is not None:
        return NOT_FOUND
    return DATA_LOST if person.lost_at else person.key_id


async def fetch_key(vault: Vault, key_id: UUID) -> WrappedKey | Refusal:
    """Fetch the key as it is stored: before the gate's transaction, because it stands in another database."""
    key = await vault.fetch(key_id)
    if key is None:
        log.error("data_key_missing", key_id=str(key_id))
        return KEY_MISSING
    return key


async def disclose(
    conn: Connection, referral_id: ReferralId, fetcher: Fetcher, *, parked: bool, now: datetime
) -> Sequence[Sealed] | Refusal:
    """Decide, log and tell; returns what may be opened once this is committed.

    The case's key is locked: a withdrawal came before, and is seen here, or waits until this is done.
    parked: whether news of the case wait unread, so that nobody knows whether the referral is open.
    """
    if parked:
        return CASE_ON_HOLD
    referral = await referrals.referral_to(conn, referral_id, fetcher.unit)
    if referral is None:
        return NOT_FOUND
    if not referral.is_open:
        return REFERRAL_NOT_OPEN
    return await _disclose_allowed(conn, referral, fetcher, now)


async def _disclose_allowed(
    conn: Connection, referral: Referral, fetcher: Fetcher, now: datetime
) -> Sequence[Sealed] | Refusal:
    between = await consents.consents_between(conn, referral.case_id, referral.from_unit, referral.to_unit)
    valid = transfers_valid_at(between, now)
    sealed = await persons.sealed(conn, referral.case_id, allowed_categories(valid))
    if not sealed:
        return CONSENT_NOT_VALID
    categories = in_order({each.category for each in sealed})
    consent_ids = [consent.consent_id for consent in valid]
    await referrals.insert_disclosure(conn, referral, fetcher.case_ref, fetcher.subject, consent_ids, categories, now)
    event = PersonDisclosed(
        case_id=referral.case_id,
        referral_id=referral.referral_id,
        to_unit=referral.to_unit,
        data_categories=categories,
        acted_by=partner_of(referral.to_unit),
    )
    await outbox.publish(conn, event, at=now)
    return sealed

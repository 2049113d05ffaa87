"""The disclosure gate: who may fetch which of a person's data, decided under the lock on the person's case."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import structlog
from cryptography.exceptions import InvalidTag

from schemas import PersonDisclosed, partner_of
from schemas.disclosure_chain import Disclosure, Kind
from services.chassis import outbox
from services.chassis.auth import Principal
from services.chassis.db import Connection
from services.chassis.keys import Held
from services.chassis.problems import NOT_FOUND, Refusal
from services.intake.commands.persons import DATA_LOST
from services.intake.model.consents import Consent, allowed_categories, transfers_valid_at
from services.intake.model.persons import KeyOfPerson, Sealed, in_order
from services.intake.model.referrals import Referral
from services.intake.store import consents, disclosures, persons
from services.intake.vault import DataKey, Vault, WrapperAway, WrappingKeyLost

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
KEY_MISSING = Refusal(503, "not-available", "The data cannot be opened now; the operator has been told.")

KMS_AWAY = Refusal(503, "not-available", "The data cannot be opened now. Try again in a moment.")


@dataclass(frozen=True)
class Fetcher:
    """Who stands at the gate, and how its partner refers to a case or a consent."""

    caller: Principal
    reference: Callable[[UUID], str]


def key_to_open(key: KeyOfPerson | None) -> UUID | Refusal:
    """Which data key opens what is sealed of a person; a refusal where there is nothing to open."""
    if key is None or key.is_erased:
        return NOT_FOUND
    return DATA_LOST if key.is_lost else key.key_id


async def open_key(vault: Vault, key_id: UUID) -> DataKey | Refusal:
    """Fetch and unwrap a key: before any transaction, because it stands in another database, or behind a KMS.

    What cannot be opened stays shut, whatever the person allows.
    """
    try:
        key = await vault.open(key_id)
    except WrappingKeyLost as error:
        log.error("wrapping_key_unknown", wrapped_by=str(error), key_id=str(key_id))
        return KEY_MISSING
    except InvalidTag:
        log.error("data_key_broken", key_id=str(key_id))
        return KEY_MISSING
    except WrapperAway as error:
        log.warning("kms_not_answering", error=str(error))
        return KMS_AWAY
    if key is None:
        log.error("data_key_missing", key_id=str(key_id))
        return KEY_MISSING
    return key


async def disclose(conn: Connection, referral: Referral, fetcher: Fetcher, held: Held) -> Sequence[Sealed] | Refusal:
    """Decide, log and tell; returns what may be opened once this is committed.

    held: the case's key, locked: a withdrawal came before, and is seen here, or waits until this is done. While news
    of the case wait unread nobody knows whether the referral is open. referral: as it was seen before the lock, which
    says whom it is about and between whom, and not how it stands.
    """
    if held.parked:
        return CASE_ON_HOLD
    found = await consents.consents_for_referral(conn, referral.referral_id)
    if found is None:
        return NOT_FOUND
    state, between = found
    if not replace(referral, state=state).is_open:
        return REFERRAL_NOT_OPEN
    return await _disclose_allowed(conn, referral, between, fetcher, held.now)


async def _disclose_allowed(
    conn: Connection, referral: Referral, between: Sequence[Consent], fetcher: Fetcher, now: datetime
) -> Sequence[Sealed] | Refusal:
    valid = transfers_valid_at(between, now)
    sealed = await persons.sealed(conn, referral.case_id, allowed_categories(valid))
    if not sealed:
        return CONSENT_NOT_VALID
    categories = in_order({each.category for each in sealed})
    event = PersonDisclosed(
        case_id=referral.case_id,
        referral_id=referral.referral_id,
        to_unit=referral.to_unit,
        data_categories=categories,
        acted_by=partner_of(referral.to_unit),
    )
    event_id = await outbox.publish(conn, event, at=now)
    logged = Disclosure(
        recipient=partner_of(referral.to_unit),
        kind=Kind.DISCLOSED,
        disclosure_id=event_id,
        disclosed_at=now,
        referral_id=referral.referral_id,
        case_ref=fetcher.reference(referral.case_id),
        to_unit=referral.to_unit,
        fetched_by=fetcher.caller.subject,
        consent_refs=tuple(fetcher.reference(consent.consent_id) for consent in valid),
        data_categories=categories,
    )
    await disclosures.append_at_commit(conn, logged)
    return sealed

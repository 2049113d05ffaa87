"""Recording consents, withdrawing them, and ending those whose time is over."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from schemas import ConsentId, UnitId
from schemas.codes import ConsentState
from services.chassis import outbox
from services.chassis.db import Connection
from services.chassis.problems import NOT_FOUND, Refusal
from services.intake.model import (
    Consent,
    Fault,
    Person,
    Referral,
    Signature,
    WantedConsent,
    first_fault,
    first_feedback_fault,
)
from services.intake.store import consents as store
from services.intake.store import persons

REFERRAL_ENDED = Refusal(409, "referral-ended", "This referral has ended; nothing more can be told about it.")

FAULTS = {
    Fault.NOT_YOUR_UNIT: Refusal(
        403, "not-your-unit", "The unit that will pass data on asks for the consent: name your own.", "from_unit"
    ),
    Fault.UNKNOWN_UNIT: Refusal(422, "unit-unknown", "No partner of the agreement has this unit.", "to_unit"),
    Fault.SAME_PARTNER: Refusal(422, "same-partner", "Name a unit of another partner.", "to_unit"),
    Fault.NO_CATEGORY: Refusal(
        422, "no-data-category", "A transfer needs at least one data category.", "data_categories"
    ),
    Fault.NOT_IN_FUTURE: Refusal(422, "not-in-future", "Name a time that is still to come.", "valid_until"),
    Fault.TOO_LONG: Refusal(422, "valid-too-long", "A consent holds for twelve months at most.", "valid_until"),
    Fault.TWICE: Refusal(
        422, "consent-twice", "There is a consent of this scope to this unit in the request already.", "scope"
    ),
    Fault.NOT_BACK_TO_SENDER: Refusal(
        422, "not-back-to-sender", "Feedback goes to the unit that referred the person.", "to_unit"
    ),
    Fault.NOT_FEEDBACK: Refusal(
        422, "not-feedback", "For a referral only feedback-status and feedback-outcome can be given.", "scope"
    ),
}


async def record_consents(
    conn: Connection,
    person: Person,
    recorder: UnitId,
    wanted: Mapping[ConsentId, WantedConsent],
    signature: Signature,
    units: Collection[UnitId],
    now: datetime,
) -> Refusal | None:
    """Record what one signature allows, all or nothing, and tell of each."""
    found = first_fault([*wanted.values()], recorder, units, now)
    if found is not None:
        return _refusal(*found)
    await persons.note_consent(conn, person.case_id, now)
    for consent_id, each in wanted.items():
        consent = Consent(consent_id, person.case_id, each, signature, recorder, given_at=now)
        await store.insert_consent(conn, consent)
        await outbox.publish(conn, consent.as_given(), at=now)
    return None


async def record_feedback_consents(
    conn: Connection,
    referral: Referral,
    wanted: Mapping[ConsentId, WantedConsent],
    signature: Signature,
    units: Collection[UnitId],
    now: datetime,
) -> Refusal | None:
    """Record that the service addressed by a referral may tell its sender how it goes."""
    person = await persons.person(conn, referral.case_id)
    if person is None or not person.is_kept_at(now):
        return NOT_FOUND
    if not referral.takes_feedback:
        return REFERRAL_ENDED
    found = first_feedback_fault([*wanted.values()], referral)
    if found is not None:
        return _refusal(*found)
    return await record_consents(conn, person, referral.to_unit, wanted, signature, units, now)


def _refusal(index: int, fault: Fault) -> Refusal:
    refusal = FAULTS[fault]
    return replace(refusal, field=f"consents.{index}.{refusal.field}")


async def consent_of_partner(conn: Connection, consent_id: UUID, partner: str) -> Consent | Refusal:
    """A consent that some unit of that partner passes on or receives by, which is enough to withdraw it."""
    consent = await store.consent(conn, consent_id)
    return consent if consent and consent.concerns(partner) else NOT_FOUND


async def consent_of_unit(conn: Connection, consent_id: UUID, unit: UnitId) -> Consent | Refusal:
    """A consent that this very unit passes on or receives by; any other looks like none."""
    consent = await store.consent(conn, consent_id)
    return consent if consent and consent.names(unit) else NOT_FOUND


async def withdraw_consent(conn: Connection, consent_id: ConsentId, told: UnitId, now: datetime) -> None:
    """The person takes a consent back; one that has ended already stays as it is, and nothing is told again."""
    consent = await store.consent(conn, consent_id)
    if consent is None or consent.state_at(now) is not ConsentState.GIVEN:
        return
    await store.end_consent(conn, consent_id, ConsentState.WITHDRAWN, now, told)
    await outbox.publish(conn, consent.as_withdrawn(), at=now)


async def expire_consent(conn: Connection, consent_id: ConsentId, now: datetime) -> None:
    """Note and tell that the time of a consent is over, unless it has ended otherwise."""
    consent = await store.consent(conn, consent_id)
    if consent is None or consent.state is not ConsentState.GIVEN or consent.wanted.valid_until > now:
        return
    await store.end_consent(conn, consent_id, ConsentState.EXPIRED, now, None)
    await outbox.publish(conn, consent.as_expired(), at=now)

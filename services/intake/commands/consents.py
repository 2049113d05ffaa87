"""Asking for consents, recording, renewing and ending them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from schemas import ConsentGiven, ConsentId, ConsentRenewed, UnitId
from schemas.codes import ConsentForm, ConsentState, InvalidationReason, RevocationReason, WithdrawalChannel
from services.chassis import outbox
from services.chassis.auth import Principal
from services.chassis.db import Connection
from services.chassis.permissions import may
from services.chassis.problems import NOT_FOUND, Refusal
from services.intake.commands import tasks
from services.intake.model.age import Age
from services.intake.model.asking import Asked, Fault, Terms, first_fault, first_feedback_fault, signing_fault
from services.intake.model.consents import Consent, ConsentAct, Signature
from services.intake.model.persons import Person
from services.intake.model.referrals import Referral
from services.intake.store import consents as store
from services.intake.store import persons

REMINDED_BEFORE = timedelta(days=30)
REQUESTS_KEPT = timedelta(days=30)

REFERRAL_ENDED = Refusal(409, "referral-ended", "This referral has ended; nothing more can be told about it.")
CONSENT_ENDED = Refusal(409, "consent-ended", "This consent has ended; ask the person for a new one.")
NOT_GIVEN = Refusal(
    409, "consent-not-given", "The person has not answered yet; record a yes by `give` or a no by `refuse`."
)
ANSWERED = Refusal(409, "consent-answered", "The person has answered this already; the consent shows how it stands.")

FAULTS = {
    Fault.NOT_YOUR_UNIT: Refusal(
        403, "not-your-unit", "The unit that will pass data on asks for the consent: name your own.", "from_unit"
    ),
    Fault.UNKNOWN_UNIT: Refusal(422, "unit-unknown", "No partner of the agreement has this unit.", "to_unit"),
    Fault.SAME_PARTNER: Refusal(422, "same-partner", "Name a unit of another partner.", "to_unit"),
    Fault.NOT_AGREED: Refusal(
        422,
        "transfer-not-agreed",
        "The partners have not agreed to refer people to or from the Jobcenter; ask for cooperation instead.",
        "to_unit",
    ),
    Fault.NO_CATEGORY: Refusal(
        422, "no-data-category", "A transfer needs at least one data category.", "data_categories"
    ),
    Fault.HEALTH_NOT_ALONE: Refusal(
        422, "health-not-alone", "Accessibility needs a consent of its own; name it in a second one.", "data_categories"
    ),
    Fault.ORAL_FOR_HEALTH: Refusal(
        422, "oral-for-health", "For health data the person signs or clicks; saying it aloud is not enough.", "form"
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
    Fault.NOT_COOPERATION: Refusal(
        422, "not-cooperation", "For a cooperation only the scope cooperation can be given.", "scope"
    ),
    Fault.NOT_IN_COOPERATION: Refusal(
        422, "not-in-cooperation", "Name a unit that is asked to this cooperation or takes part in it.", "to_unit"
    ),
    Fault.GUARDIAN_NEEDED: Refusal(
        422, "guardian-needed", "Somebody under 15 does not consent alone: a guardian or legal carer does.", "given_by"
    ),
    Fault.GROWN_UP: Refusal(
        422, "no-guardian-any-more", "The person is of age: nobody consents as a guardian any more.", "given_by"
    ),
    Fault.BEYOND_MAJORITY: Refusal(
        422,
        "beyond-majority",
        "A guardian's consent ends when the person turns 18: name an earlier time.",
        "valid_until",
    ),
}
OF_SIGNATURE = frozenset({Fault.ORAL_FOR_HEALTH, Fault.GUARDIAN_NEEDED, Fault.GROWN_UP})
"""What is wrong with the signature, which all consents of a request share."""


@dataclass(frozen=True)
class Setting:
    """What the rules need to know besides what is asked: the agreement's terms, the person's age, the time."""

    terms: Terms
    age: Age
    now: datetime

    def aged(self, signature: Signature) -> Signature:
        """The signature with the age band as of now."""
        return replace(signature, age_band=self.age.band_at(self.now))


async def record_consents(
    conn: Connection, person: Person, recorder: UnitId, asked: Sequence[Asked], setting: Setting
) -> Refusal | None:
    """Record what one signature allows, all or nothing, and tell of each."""
    found = first_fault(asked, recorder, setting.terms, setting.age, setting.now)
    if found is not None:
        return refusal_of(*found)
    await persons.note_consent(conn, person.case_id, setting.now)
    for each in asked:
        signed = replace(each, signature=setting.aged(each.signature))
        act = ConsentAct(ConsentState.GIVEN, setting.now, recorder, each.wanted.valid_until, signed.signature)
        given = await _begin(conn, person, recorder, signed, act)
        await outbox.publish(conn, given.as_signed(ConsentGiven), at=setting.now)
    return None


async def record_feedback_consents(
    conn: Connection, referral: Referral, asked: Sequence[Asked], setting: Setting
) -> Refusal | None:
    """Record that the service addressed by a referral may tell its sender how it goes."""
    person = await persons.person(conn, referral.case_id)
    if person is None or not person.is_kept_at(setting.now):
        return NOT_FOUND
    if not referral.takes_feedback:
        return REFERRAL_ENDED
    found = first_feedback_fault(asked, referral)
    if found is not None:
        return refusal_of(*found)
    return await record_consents(conn, person, referral.to_unit, asked, setting)


async def request_consents(
    conn: Connection, person: Person, recorder: UnitId, asked: Sequence[Asked], setting: Setting
) -> Refusal | None:
    """Note what the person was asked for and has not answered; nobody is told."""
    found = first_fault(asked, recorder, setting.terms, setting.age, setting.now)
    if found is not None:
        return refusal_of(*found)
    for each in asked:
        act = ConsentAct(ConsentState.REQUESTED, setting.now, recorder, each.wanted.valid_until, each.signature)
        await _begin(conn, person, recorder, each, act)
    return None


async def _begin(conn: Connection, person: Person, recorder: UnitId, asked: Asked, act: ConsentAct) -> Consent:
    is_given = act.state is ConsentState.GIVEN
    consent = Consent(
        asked.consent_id,
        person.case_id,
        asked.wanted,
        asked.signature,
        recorder,
        given_at=act.at if is_given else None,
        state=act.state,
        requested_at=None if is_given else act.at,
    )
    await store.save_consent(conn, consent)
    await store.append_act(conn, consent.consent_id, consent.events, act)
    return consent


async def _go_on(conn: Connection, consent: Consent, act: ConsentAct) -> Consent:
    after = consent.after(act)
    await store.save_consent(conn, after)
    await store.append_act(conn, after.consent_id, after.events, act)
    return after


async def give_requested(
    conn: Connection, consent: Consent, by: UnitId, signature: Signature, setting: Setting
) -> Refusal | None:
    """The person says yes to what was asked."""
    if consent.state is not ConsentState.REQUESTED:
        return ANSWERED
    if refusal := _not_signable(consent, signature, setting):
        return refusal
    act = ConsentAct(ConsentState.GIVEN, setting.now, by, consent.wanted.valid_until, setting.aged(signature))
    await persons.note_consent(conn, consent.case_id, setting.now)
    given = await _go_on(conn, consent, act)
    await outbox.publish(conn, given.as_signed(ConsentGiven), at=setting.now)
    return None


async def renew_consent(
    conn: Connection, consent: Consent, by: UnitId, until: datetime, signature: Signature, setting: Setting
) -> Refusal | None:
    """The person says yes again, until a later time."""
    if consent.state is ConsentState.REQUESTED:
        return NOT_GIVEN
    if not consent.is_valid_at(setting.now):
        return CONSENT_ENDED
    longer = replace(consent, wanted=replace(consent.wanted, valid_until=until))
    if refusal := _not_signable(longer, signature, setting):
        return refusal
    act = ConsentAct(ConsentState.RENEWED, setting.now, by, until, setting.aged(signature))
    renewed = await _go_on(conn, consent, act)
    await tasks.close_renewals(conn, consent.consent_id, setting.now, by)
    await outbox.publish(conn, renewed.as_signed(ConsentRenewed), at=setting.now)
    return None


def _not_signable(consent: Consent, signature: Signature, setting: Setting) -> Refusal | None:
    asked = Asked(consent.consent_id, consent.wanted, signature)
    fault = signing_fault(asked, setting.age, setting.now)
    return FAULTS[fault] if fault else None


def refusal_of(index: int, fault: Fault) -> Refusal:
    """The refusal of one consent of several, by the path of its field in the request."""
    refusal = FAULTS[fault]
    return refusal if fault in OF_SIGNATURE else replace(refusal, field=f"consents.{index}.{refusal.field}")


async def consent_of(conn: Connection, consent_id: UUID, caller: Principal, action_id: str) -> Consent | Refusal:
    """A consent that the caller may do this to; any other looks like none."""
    consent = await store.consent(conn, consent_id)
    return consent if consent and may(caller, action_id, *consent.units) else NOT_FOUND


async def recorded_consent(conn: Connection, consent_id: UUID, caller: Principal, action_id: str) -> Consent | Refusal:
    """A consent that the caller may do this to as the unit that recorded it; any other looks like none."""
    consent = await store.consent(conn, consent_id)
    return consent if consent and may(caller, action_id, consent.recorded_by) else NOT_FOUND


async def withdraw_consent(
    conn: Connection, consent_id: ConsentId, told: UnitId | None, channel: WithdrawalChannel, now: datetime
) -> Refusal | None:
    """The person takes a consent back; one that has ended already stays as it is, and nothing is told again."""
    consent = await store.consent(conn, consent_id)
    if consent is None or consent.state is ConsentState.REQUESTED:
        return NOT_GIVEN if consent else NOT_FOUND
    await _end(conn, consent, ConsentAct(ConsentState.WITHDRAWN, now, told, channel=channel))
    return None


async def revoke_consent(
    conn: Connection, consent: Consent, by: UnitId, reason: RevocationReason, now: datetime
) -> Refusal | None:
    """Somebody else than the person ends a consent."""
    if consent.state is ConsentState.REQUESTED:
        return NOT_GIVEN
    await _end(conn, consent, ConsentAct(ConsentState.REVOKED, now, by, reason=reason))
    return None


async def invalidate_consent(
    conn: Connection, consent: Consent, by: UnitId, reason: InvalidationReason, now: datetime
) -> Refusal | None:
    """A consent turns out never to have counted."""
    if consent.state is ConsentState.REQUESTED:
        return NOT_GIVEN
    await _end(conn, consent, ConsentAct(ConsentState.INVALIDATED, now, by, reason=reason))
    return None


async def expire_consent(conn: Connection, consent_id: ConsentId, now: datetime) -> None:
    """Note and tell that the time of a consent is over, unless it has ended otherwise."""
    consent = await store.consent(conn, consent_id)
    if consent is None or consent.state_at(now) is not ConsentState.EXPIRED or consent.ended_at is not None:
        return
    await _over(conn, consent, ConsentAct(ConsentState.EXPIRED, now, None))


async def _end(conn: Connection, consent: Consent, act: ConsentAct) -> None:
    """End a consent that is valid at that moment; of one that is not, nothing changes and nobody is told again."""
    if consent.is_valid_at(act.at):
        await _over(conn, consent, act)


async def _over(conn: Connection, consent: Consent, act: ConsentAct) -> None:
    ended = await _go_on(conn, consent, act)
    await tasks.close_renewals(conn, consent.consent_id, act.at, act.by)
    if ended.signature.form is ConsentForm.PAPER:
        await tasks.ask_to_destroy_sheet(conn, ended, act.at)
    await outbox.publish(conn, ended.as_ended(), at=act.at)


async def remind_of_expiry(conn: Connection, consent_id: ConsentId, now: datetime) -> None:
    """Tell the unit that passes on that a consent ends in 30 days, once for each end."""
    consent = await store.consent(conn, consent_id)
    if consent is None or not consent.is_valid_at(now) or consent.wanted.valid_until > now + REMINDED_BEFORE:
        return
    if await store.note_reminder(conn, consent_id, now):
        await tasks.ask_to_renew(conn, consent, now)
        await outbox.publish(conn, consent.as_expiring(), at=now)


async def ask_again_at_15(conn: Connection, consent_id: ConsentId, now: datetime) -> None:
    """The person for whom a guardian consented has turned 15: the unit asks the person, once."""
    consent = await store.consent(conn, consent_id)
    if consent is not None and consent.is_valid_at(now):
        await tasks.ask_again_at_15(conn, consent, now)


async def forget_request(conn: Connection, consent_id: ConsentId) -> None:
    """Take away what was asked for and never answered, or answered with no."""
    await store.forget_request(conn, consent_id)


async def forget_stale_request(conn: Connection, consent_id: ConsentId, now: datetime) -> None:
    """The same for one that nobody answered in 30 days."""
    consent = await store.consent(conn, consent_id)
    if consent and consent.requested_at is not None and consent.requested_at + REQUESTS_KEPT <= now:
        await store.forget_request(conn, consent_id)

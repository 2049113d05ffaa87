"""Correcting and erasing what is kept of a person, holding it back from erasure, and letting go of old proof."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime

from schemas import CaseId, PersonCorrected, UnitId, partner_of
from schemas.codes import DataCategory, ErasureReason, WithdrawalChannel
from services.chassis import outbox
from services.chassis.db import Connection
from services.chassis.pairwise import References
from services.chassis.problems import Refusal
from services.intake.commands.consents import expire_consent, forget_request, withdraw_consent
from services.intake.commands.persons import DATA_LOST, IMPLAUSIBLE_BIRTH, erase
from services.intake.model.consents import allowed_categories, transfers_valid_at
from services.intake.model.persons import Person, in_order, is_plausible_birth
from services.intake.model.referrals import Referral
from services.intake.model.rights import changed_categories
from services.intake.store import consents, persons, referrals, rights, search
from services.intake.store import retention as store
from services.intake.vault import DataKey, Said, seal, unseal

ON_HOLD = Refusal(
    409, "on-hold", "A legal hold keeps this person's data from being erased; release it first, if its ground is gone."
)


async def correct_person(
    conn: Connection,
    person: Person,
    key: DataKey,
    said: Mapping[DataCategory, Said],
    entries: Sequence[bytes],
    birth_date: date | None,
    by: UnitId,
    references: References,
    now: datetime,
) -> Refusal | None:
    """Put what the person says now in the place of what was said, and tell whoever fetched what has changed.

    entries: what the unit finds the person by from now on.
    """
    if birth_date is not None and not is_plausible_birth(birth_date, now):
        return IMPLAUSIBLE_BIRTH
    if person.lost_at:
        return DATA_LOST
    before = unseal(key, person.case_id, await persons.sealed(conn, person.case_id, DataCategory))
    changed = changed_categories(before, said)
    if not changed and not person.correct_again:
        return None
    anew = {category: value for category, value in said.items() if category in changed}
    await persons.replace_sealed(conn, person.case_id, changed, seal(key, person.case_id, anew))
    await search.replace_entries(conn, person.registered_by, person.case_id, entries)
    for referral in await referrals.referrals_of_case(conn, person.case_id):
        await _tell_of_correction(conn, referral, changed, by, references, now)
    return None


async def _tell_of_correction(
    conn: Connection,
    referral: Referral,
    changed: frozenset[DataCategory],
    by: UnitId,
    references: References,
    now: datetime,
) -> None:
    """Tell the unit of a referral, if it fetched something that changed and may still have it."""
    if not referral.is_open:
        return
    recipient = partner_of(referral.to_unit)
    fetched = await rights.fetched(conn, recipient, references.reference(recipient, referral.case_id))
    between = await consents.consents_between(conn, referral.case_id, referral.from_unit, referral.to_unit)
    allowed = allowed_categories(transfers_valid_at(between, now))
    categories = in_order(changed & allowed & fetched.get(referral.referral_id, frozenset()))
    if categories:
        event = PersonCorrected(
            case_id=referral.case_id,
            referral_id=referral.referral_id,
            from_unit=referral.from_unit,
            to_unit=referral.to_unit,
            data_categories=categories,
            acted_by=partner_of(by),
        )
        await outbox.publish(conn, event, at=now)


async def erase_on_request(conn: Connection, person: Person, by: UnitId, now: datetime) -> Refusal | None:
    """Erase a person who asks for it: by that, everything the person had consented to is withdrawn."""
    if person.is_held:
        return ON_HOLD
    await _end_consents(conn, person.case_id, by, now)
    await erase(conn, person, ErasureReason.REQUESTED, now, acted_by=partner_of(by))
    return None


async def _end_consents(conn: Connection, case_id: CaseId, by: UnitId, now: datetime) -> None:
    for consent in await consents.consents_of_case(conn, case_id):
        if consent.given_at is None:
            await forget_request(conn, consent.consent_id)
        else:
            # One whose time is over, and of which nobody was told yet, has expired.
            await expire_consent(conn, consent.consent_id, now)
            await withdraw_consent(conn, consent.consent_id, by, WithdrawalChannel.COUNTER, now)


async def erase_after_closing(conn: Connection, case_id: CaseId, months: int, now: datetime) -> None:
    """Erase a person for whom nothing has been going on for that long, unless something is by now."""
    person = await persons.person(conn, case_id)
    if person and person.is_kept_at(now) and await store.is_closed_since(conn, case_id, months, now):
        for consent in await consents.consents_of_case(conn, case_id):
            await forget_request(conn, consent.consent_id)
        await erase(conn, person, ErasureReason.RETENTION, now)


async def forget_proof(conn: Connection, case_id: CaseId, border: datetime) -> None:
    """Let go of a person's consents that ended before `border`, unless a hold stands."""
    person = await persons.person(conn, case_id)
    if person and not person.is_held:
        await store.delete_proof(conn, case_id, border)


async def forget_erased(conn: Connection, case_id: CaseId, border: datetime, now: datetime) -> None:
    """Let go of the bare record of an erased person of whom no proof is kept any more."""
    if case_id in await store.erased_without_proof(conn, border, now, only=case_id):
        await store.delete_person(conn, case_id)

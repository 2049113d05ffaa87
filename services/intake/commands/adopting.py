"""Taking back from the bus what a restored database has forgotten: everything but what a person said."""

from datetime import datetime
from uuid import uuid4

from schemas import (
    ConsentEvent,
    ConsentExpiring,
    ConsentGiven,
    ConsentId,
    ConsentRenewed,
    ConsentSigned,
    InformationCounted,
    PersonCorrected,
    PersonDisclosed,
    PersonErased,
    Received,
    RefusalCounted,
    new_id,
)
from schemas.codes import ConsentState
from services.chassis.db import Connection
from services.chassis.pairwise import References
from services.intake.commands import tasks
from services.intake.commands.disclosures import log_adopted
from services.intake.commands.persons import take_away
from services.intake.model.consents import Consent, ConsentAct, Notice, Signature, WantedConsent
from services.intake.model.persons import Person
from services.intake.store import consents, information, keys, persons, refusals


async def adopt_given(conn: Connection, received: Received[ConsentGiven], now: datetime) -> bool:
    """Keep a consent again; False where the person is not there any more, whose data nobody can bring back.

    Such a person gets an empty record, so that the consents are known and can be withdrawn.
    """
    given = received.data
    person = await persons.person(conn, given.case_id)
    if person is None:
        # No data key has this id: there is nothing left to open.
        empty = Person(given.case_id, given.from_unit, uuid4(), received.time, lost_at=now)
        await persons.insert_person(conn, empty)
    known = await consents.consent(conn, given.consent_id)
    # The unit that passes data on is the one that asks for the consent and records it.
    act = ConsentAct(ConsentState.GIVEN, received.time, given.from_unit, given.valid_until, _signature(given))
    if known is None:
        await _keep(conn, _consent(given, act), act)
    elif known.state is ConsentState.REQUESTED:
        await _keep(conn, known.after(act), act)
    await persons.note_consent(conn, given.case_id, received.time)
    return person is not None


async def adopt_renewed(conn: Connection, received: Received[ConsentRenewed]) -> bool:
    """Renew a consent again; False where it is not known."""
    renewed = received.data
    act = ConsentAct(ConsentState.RENEWED, received.time, renewed.from_unit, renewed.valid_until, _signature(renewed))
    return await _adopt(conn, renewed.consent_id, act)


async def adopt_ended(conn: Connection, received: Received[ConsentEvent], state: ConsentState) -> bool:
    """End a consent again; False where it is not known. Which unit was told the bus does not say."""
    act = ConsentAct(
        state,
        received.time,
        None,
        channel=getattr(received.data, "channel", None),
        reason=getattr(received.data, "reason", None),
    )
    return await _adopt(conn, received.data.consent_id, act)


async def adopt_reminder(conn: Connection, received: Received[ConsentExpiring]) -> bool:
    """Note again that a unit was reminded; False where the consent is not known."""
    consent = await consents.consent(conn, received.data.consent_id)
    if consent is None:
        return False
    if await consents.note_reminder(conn, consent.consent_id, received.time):
        await tasks.ask_to_renew(conn, consent, received.time)
    return True


async def _adopt(conn: Connection, consent_id: ConsentId, act: ConsentAct) -> bool:
    consent = await consents.consent(conn, consent_id)
    if consent is None:
        return False
    if consent.ended_at is None:
        await _keep(conn, consent.after(act), act)
    return True


async def _keep(conn: Connection, consent: Consent, act: ConsentAct) -> None:
    await consents.save_consent(conn, consent)
    await consents.append_act(conn, consent.consent_id, consent.events, act)


def _consent(given: ConsentGiven, act: ConsentAct) -> Consent:
    wanted = WantedConsent(
        given.from_unit, given.to_unit, given.scope, frozenset(given.data_categories), given.valid_until
    )
    return Consent(given.consent_id, given.case_id, wanted, _signature(given), given.from_unit, act.at)


def _signature(signed: ConsentSigned) -> Signature:
    """What the bus says of it: not the age, nor where the sheet is."""
    notice = Notice(signed.notice_version, signed.notice_language, signed.notice_sha256)
    return Signature(notice, signed.form, signed.given_by, interpreted=signed.interpreted)


async def adopt_refusals(conn: Connection, received: Received[RefusalCounted]) -> bool:
    """Keep again what was told of a month."""
    told = received.data
    await refusals.adopt_count(conn, told.unit, told.month, told.count, received.time)
    return True


async def adopt_erased(conn: Connection, received: Received[PersonErased]) -> bool:
    """Erase a person again: the vault is emptied now, the data key by its job. Of one not there nothing is left."""
    await persons.mark_erased(conn, received.data.case_id, received.time, received.data.reason)
    await take_away(conn, received.data.case_id)
    return True


async def adopt_corrected(conn: Connection, received: Received[PersonCorrected]) -> bool:
    """Note that what the person said has to be corrected again; False where the person is not there any more."""
    corrected = received.data
    return await persons.note_lost_correction(conn, corrected.case_id, corrected.data_categories)


async def adopt_disclosed(
    conn: Connection, references: References, received: Received[PersonDisclosed], now: datetime
) -> bool:
    """Write into the log again who fetched what; who stood at the gate, and on which consents, the bus does not say."""
    await log_adopted(conn, references, received, now)
    return True


async def adopt_counted(conn: Connection, received: Received[InformationCounted]) -> bool:
    """Keep a count again."""
    counted = received.data
    await information.insert(
        conn, new_id(), counted.unit, counted.language, counted.month, counted.count, received.time
    )
    return True


async def destroy_again(conn: Connection) -> None:
    """Have the data keys of erased persons destroyed once more: a restored keys database may have them back."""
    await keys.queue_keys_of_erased(conn)

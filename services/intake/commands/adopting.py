"""Taking back from the bus what a restored database has forgotten: everything but what a person said."""

from datetime import datetime
from uuid import uuid4

from schemas import (
    ConsentEvent,
    ConsentGiven,
    InformationCounted,
    PersonDisclosed,
    PersonErased,
    Received,
    new_id,
)
from schemas.codes import ConsentState
from services.chassis.db import Connection
from services.chassis.pairwise import References
from services.intake.model import Consent, Person, Signature, WantedConsent
from services.intake.store import consents, information, keys, persons, referrals


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
    if await consents.consent(conn, given.consent_id) is None:
        await consents.insert_consent(conn, _consent(received))
        await persons.note_consent(conn, given.case_id, received.time)
    return person is not None


def _consent(received: Received[ConsentGiven]) -> Consent:
    given = received.data
    wanted = WantedConsent(
        given.from_unit, given.to_unit, given.scope, frozenset(given.data_categories), given.valid_until
    )
    signature = Signature(given.notice_version, given.notice_language, given.form)
    # The unit that passes data on is the one that asks for the consent and records it.
    return Consent(given.consent_id, given.case_id, wanted, signature, given.from_unit, received.time)


async def adopt_ended(conn: Connection, received: Received[ConsentEvent], state: ConsentState) -> bool:
    """End a consent again; False where it is not known."""
    consent = await consents.consent(conn, received.data.consent_id)
    if consent is None:
        return False
    if consent.state is ConsentState.GIVEN:
        await consents.end_consent(conn, consent.consent_id, state, received.time, None)
    return True


async def adopt_erased(conn: Connection, received: Received[PersonErased]) -> bool:
    """Erase a person again: the vault is emptied now, the data key by its job. Of one not there nothing is left."""
    await persons.mark_erased(conn, received.data.case_id, received.time, received.data.reason)
    await persons.delete_sealed(conn, received.data.case_id)
    return True


async def adopt_disclosed(conn: Connection, references: References, received: Received[PersonDisclosed]) -> bool:
    """Write into the log again who fetched what; who stood at the gate, and on which consents, the bus does not say."""
    fetched = received.data
    case_ref = references.reference(received.data.to_unit.partition("/")[0], fetched.case_id)
    await referrals.insert_adopted_disclosure(conn, received.id, fetched, case_ref, received.time)
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

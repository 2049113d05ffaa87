"""Keeping up with cooperations as the bus tells of them, and the consents that their participants need."""

from collections.abc import Sequence
from uuid import UUID

from schemas import CooperationEvent, UnitId
from services.chassis.auth import Principal
from services.chassis.db import Connection
from services.chassis.permissions import may
from services.chassis.problems import NOT_FOUND, Refusal
from services.intake.commands.consents import Setting, record_consents, refusal_of
from services.intake.model.asking import Asked, first_cooperation_fault
from services.intake.model.cooperations import Cooperation
from services.intake.model.persons import KeyOfPerson
from services.intake.store import cooperations as store
from services.intake.store import persons


async def note_proposed(conn: Connection, event: CooperationEvent) -> None:
    """Note who may record consents for a cooperation: whoever asks and whoever is asked."""
    await store.insert_cooperation(conn, Cooperation(event.cooperation_id, event.case_id, event.units))


async def cooperation_with_key(
    conn: Connection, cooperation_id: UUID, caller: Principal, action_id: str
) -> tuple[Cooperation, KeyOfPerson | None] | Refusal:
    """A cooperation in which the caller's unit has a part, with where the key to what the person said is."""
    found = await store.cooperation_with_key(conn, cooperation_id)
    return found if found and may(caller, action_id, *found[0].units) else NOT_FOUND


async def record_cooperation_consents(
    conn: Connection, cooperation: Cooperation, recorder: UnitId, asked: Sequence[Asked], setting: Setting
) -> Refusal | None:
    """Record that one unit of a cooperation may tell others of it."""
    person = await persons.person(conn, cooperation.case_id)
    if person is None or not person.is_kept_at(setting.now):
        return NOT_FOUND
    found = first_cooperation_fault(asked, cooperation)
    if found is not None:
        return refusal_of(*found)
    return await record_consents(conn, person, recorder, asked, setting)

"""What a unit has to do about its consents: ask again, destroy a sheet."""

from datetime import date, datetime

from schemas import ConsentId, UnitId, new_id
from schemas.calendar import local_day
from services.chassis.db import Connection
from services.intake.model.consents import Consent
from services.intake.model.rights import proof_kept_until
from services.intake.model.tasks import OF_PROOF_YEARS, Task, TaskKind
from services.intake.store import tasks as store


async def ask_to_renew(conn: Connection, consent: Consent, now: datetime) -> None:
    """A consent ends soon: the unit that passes on may ask the person again."""
    await _ask(conn, consent, TaskKind.RENEW, local_day(consent.wanted.valid_until), now)


async def ask_again_at_15(conn: Connection, consent: Consent, now: datetime) -> None:
    """The person whose guardian consented can consent alone now, and is asked."""
    await _ask(conn, consent, TaskKind.ASK_AGAIN_AT_15, local_day(now), now)


async def ask_to_destroy_sheet(conn: Connection, consent: Consent, now: datetime) -> None:
    """A signed sheet is proof until the end of the third year after the consent ended (§§ 195, 199 BGB)."""
    due_on = proof_kept_until(consent.ended_at_as_of(now) or now, OF_PROOF_YEARS)
    await _ask(conn, consent, TaskKind.DESTROY_SHEET, due_on, now)


async def _ask(conn: Connection, consent: Consent, kind: TaskKind, due_on: date, now: datetime) -> None:
    await store.insert_task(conn, Task(new_id(), consent.consent_id, consent.recorded_by, kind, due_on), now)


async def close_renewals(conn: Connection, consent_id: ConsentId, now: datetime, by: UnitId | None) -> None:
    """The consent was renewed or has ended: nobody needs to ask any more."""
    for kind in (TaskKind.RENEW, TaskKind.ASK_AGAIN_AT_15):
        await store.close_tasks(conn, consent_id, kind, now, by)


async def finish(conn: Connection, task: Task, by: UnitId, now: datetime) -> None:
    """A unit has done what it was asked to; one done before stays as it is."""
    await store.close_task(conn, task.task_id, now, by)

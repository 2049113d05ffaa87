"""What units have to do about consents."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from schemas import (
    ConsentId,
    UnitId,
)


class TaskKind(StrEnum):
    """What a unit may have to do about a consent."""

    RENEW = "renew"
    ASK_AGAIN_AT_15 = "ask-again-at-15"
    DESTROY_SHEET = "destroy-sheet"


OF_PROOF_YEARS = 3
"""A signed sheet is proof until the end of the third year after the consent ended (§§ 195, 199 BGB)."""


@dataclass(frozen=True)
class Task:
    """Something a unit has to do about a consent, by that day in Koblenz."""

    task_id: UUID
    consent_id: ConsentId
    unit: UnitId
    kind: TaskKind
    due_on: date
    done_at: datetime | None = None

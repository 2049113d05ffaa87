"""The rights of a person: what keeps data from being erased, and for how long proof is kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from schemas import CaseId, UnitId
from schemas.calendar import local_day, local_midnight
from schemas.codes import DataCategory, HoldGround


@dataclass(frozen=True)
class Hold:
    """A legal hold on a person's data: while it is not released, nothing of it is erased."""

    hold_id: UUID
    case_id: CaseId
    ground: HoldGround
    set_by: UnitId
    set_at: datetime
    released_by: UnitId | None = None
    released_at: datetime | None = None


def changed_categories(
    before: Mapping[DataCategory, Mapping[str, Any]], after: Mapping[DataCategory, Mapping[str, Any]]
) -> frozenset[DataCategory]:
    """In which categories two records differ, one that only one of them has too."""
    return frozenset(each for each in DataCategory if before.get(each) != after.get(each))


def proof_kept_until(ended_at: datetime, years: int) -> date:
    """The last day on which the proof of a consent is kept: 31 December of that many years after its end."""
    return date(local_day(ended_at).year + years, 12, 31)


def proof_border(now: datetime, years: int) -> datetime:
    """What ended before this moment has been proof for long enough: `proof_kept_until` lies behind us."""
    return local_midnight(date(local_day(now).year - years, 1, 1))

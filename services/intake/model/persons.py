"""A person's record without what the person said."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from schemas import (
    CaseId,
    UnitId,
)
from schemas.calendar import local_day
from schemas.codes import (
    DataCategory,
    ErasureReason,
)

NEVER_CONSENTED_KEPT = timedelta(hours=72)


KEY_WAITS_FOR_PERSON = timedelta(hours=1)


EARLIEST_BIRTH = date(1900, 1, 1)


@dataclass(frozen=True)
class Sealed:
    """One data category of a person, encrypted; `version` says how (see vault)."""

    category: DataCategory
    version: int
    nonce: bytes
    ciphertext: bytes


@dataclass(frozen=True)
class Person:
    """A person's record without what the person said.

    lost_at: when a restore found that what the person said is gone; the consents are known from the bus.
    correct_again: of what a restore found that it was corrected once, and is as it was before.
    is_held: whether a legal hold stands.
    """

    case_id: CaseId
    registered_by: UnitId
    key_id: UUID
    registered_at: datetime
    first_consent_at: datetime | None = None
    erased_at: datetime | None = None
    erasure_reason: ErasureReason | None = None
    lost_at: datetime | None = None
    version: int = 1
    correct_again: tuple[DataCategory, ...] = ()
    is_held: bool = False

    @property
    def erase_after(self) -> datetime | None:
        """When the record is erased unless a consent is given before; None once one was."""
        return None if self.first_consent_at else self.registered_at + NEVER_CONSENTED_KEPT

    def is_kept_at(self, now: datetime) -> bool:
        """Whether the record is still there as of `now`: without a consent not after its time, job or no job."""
        return self.erased_at is None and (self.is_held or self.erase_after is None or now < self.erase_after)


class KeyOfPerson(NamedTuple):
    """Which data key opens what a person said, and whether there is anything left to open."""

    key_id: UUID
    is_erased: bool
    is_lost: bool


def in_order(categories: Collection[DataCategory]) -> tuple[DataCategory, ...]:
    """The categories in the order of the code list."""
    return tuple(category for category in DataCategory if category in categories)


def is_plausible_birth(born: date, now: datetime) -> bool:
    """Whether somebody alive can be born that day."""
    return EARLIEST_BIRTH <= born <= local_day(now)

"""The identifiers the contract speaks of, each its own type so that no id is taken for another."""

from typing import Annotated, NewType
from uuid import UUID

from pydantic import StringConstraints
from uuid_utils.compat import uuid7

CaseId = NewType("CaseId", UUID)
ReferralId = NewType("ReferralId", UUID)
ConsentId = NewType("ConsentId", UUID)
OfferId = NewType("OfferId", UUID)
ContactId = NewType("ContactId", UUID)
MaterialId = NewType("MaterialId", UUID)
NoticeId = NewType("NoticeId", UUID)
TrainingNeedId = NewType("TrainingNeedId", UUID)
TrainingId = NewType("TrainingId", UUID)
CooperationId = NewType("CooperationId", UUID)
StepId = NewType("StepId", UUID)
HouseholdId = NewType("HouseholdId", UUID)
EventId = NewType("EventId", UUID)

SLUG = "[a-z0-9]+(?:-[a-z0-9]+)*"

# mypy reads the supertype as str; pydantic reads the pattern.
PartnerSlug = NewType("PartnerSlug", Annotated[str, StringConstraints(pattern=f"^{SLUG}$", max_length=60)])
UnitId = NewType("UnitId", Annotated[str, StringConstraints(pattern=f"^{SLUG}/{SLUG}$", max_length=121)])
ServiceName = NewType("ServiceName", Annotated[str, StringConstraints(pattern="^[a-z]+$", max_length=40)])


def new_id() -> UUID:
    """Make a UUIDv7: later ids sort after earlier ones, within the precision of the clock."""
    return uuid7()


def partner_of(unit: UnitId) -> PartnerSlug:
    """Return the partner a unit belongs to, the part before the slash."""
    return PartnerSlug(unit.partition("/")[0])

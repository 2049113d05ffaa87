"""What happened to a person's record in the vault; never what stands in it."""

from collections.abc import Mapping
from typing import Annotated

from schemas.codes import DataCategory, ErasureReason
from schemas.envelope import CaseEvent
from schemas.ids import PartnerSlug, ReferralId, UnitId, partner_of
from schemas.visibility import NOBODY, Party, Shared


class PersonDisclosed(CaseEvent, type="lotse.person.disclosed.v1", audience=NOBODY):
    """A unit fetched a person's data at the gate, and so counts as informed."""

    referral_id: ReferralId
    to_unit: UnitId
    data_categories: tuple[DataCategory, ...]

    def parties(self) -> Mapping[Party, PartnerSlug]:
        """Return the partner that fetched, as recipient."""
        return {Party.RECIPIENT: partner_of(self.to_unit)}


class PersonCorrected(CaseEvent, type="lotse.person.corrected.v1", audience={Party.RECIPIENT}):
    """What a unit fetched of a person has changed since: it fetches again, by the same referral.

    One event for each referral whose unit fetched a category that changed and still may have it.
    """

    referral_id: Annotated[ReferralId, Shared]
    from_unit: Annotated[UnitId, Shared]
    to_unit: Annotated[UnitId, Shared]
    data_categories: Annotated[tuple[DataCategory, ...], Shared]

    def parties(self) -> Mapping[Party, PartnerSlug]:
        """Return the partner that fetched, as recipient."""
        return {Party.RECIPIENT: partner_of(self.to_unit)}


class PersonErased(CaseEvent, type="lotse.person.erased.v1", audience={Party.INFORMED}, terminal=True, closing=True):
    """A person's record is gone for good; whoever was told of the case is asked to do the same."""

    reason: ErasureReason

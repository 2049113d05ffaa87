"""What happened to a person's record in the vault; never what stands in it."""

from collections.abc import Mapping

from schemas.codes import DataCategory, ErasureReason
from schemas.envelope import CaseEvent
from schemas.ids import PartnerSlug, ReferralId, UnitId, partner_of
from schemas.visibility import NOBODY, Party


class PersonDisclosed(CaseEvent, type="lotse.person.disclosed.v1", audience=NOBODY):
    """A unit fetched a person's data at the gate, and so counts as informed."""

    referral_id: ReferralId
    to_unit: UnitId
    data_categories: tuple[DataCategory, ...]

    def parties(self) -> Mapping[Party, PartnerSlug]:
        """Return the partner that fetched, as recipient."""
        return {Party.RECIPIENT: partner_of(self.to_unit)}


class PersonErased(CaseEvent, type="lotse.person.erased.v1", audience={Party.INFORMED}, terminal=True, closing=True):
    """A person's record is gone for good; whoever was told of the case is asked to do the same."""

    reason: ErasureReason

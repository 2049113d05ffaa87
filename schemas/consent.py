"""Consents: one direction and one purpose each, from one unit to another."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import AwareDatetime, StringConstraints

from schemas.codes import ConsentForm, DataCategory, LanguageTag, Scope
from schemas.envelope import CaseEvent
from schemas.ids import ConsentId, PartnerSlug, UnitId, partner_of
from schemas.visibility import NOBODY, Pairwise, Party, Shared

NoticeVersion = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=60)]


class ConsentEvent(CaseEvent, abstract=True):
    """Something happened to one consent."""

    consent_id: Annotated[ConsentId, Pairwise]
    from_unit: Annotated[UnitId, Shared]
    to_unit: Annotated[UnitId, Shared]
    scope: Annotated[Scope, Shared]

    def parties(self) -> Mapping[Party, PartnerSlug]:
        """Return the partner that may pass on (sender) and the one it may pass on to (recipient)."""
        return {Party.SENDER: partner_of(self.from_unit), Party.RECIPIENT: partner_of(self.to_unit)}


class ConsentGiven(ConsentEvent, type="lotse.consent.given.v1", audience=NOBODY):
    """A person allowed one unit to tell another about certain data for one purpose."""

    data_categories: tuple[DataCategory, ...]
    valid_until: AwareDatetime
    """The consent holds before this instant."""
    notice_version: NoticeVersion
    notice_language: LanguageTag
    form: ConsentForm


class ConsentWithdrawn(
    ConsentEvent,
    type="lotse.consent.withdrawn.v1",
    audience={Party.SENDER, Party.RECIPIENT},
    terminal=True,
    closing=True,
):
    """The person took the consent back: from now on nothing rests on it."""


class ConsentExpired(
    ConsentEvent,
    type="lotse.consent.expired.v1",
    audience={Party.SENDER, Party.RECIPIENT},
    terminal=True,
    closing=True,
):
    """The time for which the person gave the consent is over."""

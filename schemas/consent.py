"""Consents: one direction and one purpose each, from one unit to another."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints

from schemas.codes import (
    ConsentForm,
    DataCategory,
    GivenBy,
    InterpreterKind,
    InvalidationReason,
    LanguageTag,
    RevocationReason,
    Scope,
    WithdrawalChannel,
)
from schemas.envelope import CaseEvent
from schemas.ids import ConsentId, PartnerSlug, UnitId, partner_of
from schemas.visibility import NOBODY, Pairwise, Party, Shared

NoticeVersion = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=60)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class ConsentEvent(CaseEvent, abstract=True):
    """Something happened to one consent."""

    consent_id: Annotated[ConsentId, Pairwise]
    from_unit: Annotated[UnitId, Shared]
    to_unit: Annotated[UnitId, Shared]
    scope: Annotated[Scope, Shared]

    def parties(self) -> Mapping[Party, PartnerSlug]:
        """Return the partner that may pass on (sender) and the one it may pass on to (recipient)."""
        return {Party.SENDER: partner_of(self.from_unit), Party.RECIPIENT: partner_of(self.to_unit)}


class Interpreted(BaseModel):
    """A notice that was interpreted aloud: by whom, and into which language; never a name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: InterpreterKind
    language: LanguageTag


class ConsentSigned(ConsentEvent, abstract=True):
    """A person said yes: to which data, until when, having read or heard what, and how."""

    data_categories: tuple[DataCategory, ...]
    valid_until: AwareDatetime
    """The consent holds before this instant."""
    notice_version: NoticeVersion
    notice_language: LanguageTag
    notice_sha256: Sha256 | None = None
    """Of the text that was shown; None in events of before it was kept."""
    form: ConsentForm
    given_by: GivenBy = GivenBy.SELF
    interpreted: Interpreted | None = None


class ConsentGiven(ConsentSigned, type="lotse.consent.given.v1", audience=NOBODY):
    """A person allowed one unit to tell another about certain data for one purpose."""


class ConsentRenewed(ConsentSigned, type="lotse.consent.renewed.v1", audience=NOBODY):
    """The person said yes again, for the same direction, purpose and data, until a later time."""


class ConsentExpiring(ConsentEvent, type="lotse.consent.expiring.v1", audience={Party.SENDER}):
    """The time of a consent will be over in 30 days: whoever passes on may ask the person again."""

    valid_until: Annotated[AwareDatetime, Shared]


class ConsentWithdrawn(
    ConsentEvent,
    type="lotse.consent.withdrawn.v1",
    audience={Party.SENDER, Party.RECIPIENT},
    terminal=True,
    closing=True,
):
    """The person took the consent back: from now on nothing rests on it."""

    channel: WithdrawalChannel = WithdrawalChannel.COUNTER


class ConsentExpired(
    ConsentEvent,
    type="lotse.consent.expired.v1",
    audience={Party.SENDER, Party.RECIPIENT},
    terminal=True,
    closing=True,
):
    """The time for which the person gave the consent is over."""


class ConsentRevoked(
    ConsentEvent,
    type="lotse.consent.revoked.v1",
    audience={Party.SENDER, Party.RECIPIENT},
    terminal=True,
    closing=True,
):
    """Somebody else than the person ended the consent: from now on nothing rests on it."""

    reason: RevocationReason


class ConsentInvalidated(
    ConsentEvent,
    type="lotse.consent.invalidated.v1",
    audience={Party.SENDER, Party.RECIPIENT},
    terminal=True,
    closing=True,
):
    """The consent should never have counted: nothing rests on it, and nothing ever did."""

    reason: InvalidationReason

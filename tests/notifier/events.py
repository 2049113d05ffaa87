"""Events as the notifier meets them, with sane defaults: only the difference is said in a test."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from schemas import (
    CaseId,
    ConsentExpired,
    ConsentExpiring,
    ConsentGiven,
    ConsentId,
    ConsentInvalidated,
    ConsentRenewed,
    ConsentRevoked,
    ConsentWithdrawn,
    ContactPublished,
    HouseholdId,
    OfferChanged,
    OfferId,
    OfferPublished,
    PartnerSlug,
    PersonCorrected,
    PersonDisclosed,
    PersonErased,
    ReferralAcceptanceTakenBack,
    ReferralAccepted,
    ReferralCompleted,
    ReferralEnded,
    ReferralEnteredInError,
    ReferralExpired,
    ReferralFailed,
    ReferralId,
    ReferralLinked,
    ReferralPutOnHold,
    ReferralReceived,
    ReferralRejected,
    ReferralReminded,
    ReferralRequested,
    ReferralResumed,
    ReferralStarted,
    ReferralStatusShared,
    UnitId,
    new_id,
)
from schemas.codes import (
    ConsentForm,
    ContactLevel,
    DataCategory,
    EndMode,
    EndReason,
    ErasureReason,
    ErrorReason,
    FailureReason,
    HoldReason,
    InvalidationReason,
    Outcome,
    ReferralClock,
    ReferralState,
    RejectionReason,
    RevocationReason,
    Scope,
    ServiceType,
    TakenBackReason,
)
from schemas.visibility import FieldChange

CITY, JOBCENTER = PartnerSlug("stadt-koblenz"), PartnerSlug("jobcenter-koblenz")
CARITAS, AWO = PartnerSlug("caritas-koblenz"), PartnerSlug("awo-rheinland")
ALL = frozenset({CITY, JOBCENTER, CARITAS, AWO})

CITY_UNIT, AWO_UNIT = UnitId("stadt-koblenz/integration"), UnitId("awo-rheinland/mbe")
CARITAS_UNIT = UnitId("caritas-koblenz/mbe")

NEXT_YEAR = datetime.now(UTC) + timedelta(days=365)
YESTERDAY = datetime.now(UTC) - timedelta(days=1)


class Story:
    """One case: a referral from the City to AWO, and the consents it rests on."""

    def __init__(self, case_id: CaseId | None = None) -> None:
        self.case_id = case_id or CaseId(new_id())
        self.referral_id = ReferralId(new_id())
        self.offer_id = OfferId(new_id())
        self.household_id = HouseholdId(new_id())
        self.transfer = ConsentId(new_id())
        self.status = ConsentId(new_id())
        self.outcome = ConsentId(new_id())

    def consent(self, **more: Any) -> ConsentGiven:
        """TRANSFER from the City to AWO, recorded by the City."""
        said = {
            "case_id": self.case_id,
            "consent_id": self.transfer,
            "from_unit": CITY_UNIT,
            "to_unit": AWO_UNIT,
            "scope": Scope.TRANSFER,
            "data_categories": (DataCategory.IDENTITY,),
            "valid_until": NEXT_YEAR,
            "notice_version": "1",
            "notice_language": "ar",
            "form": ConsentForm.PAPER,
            "acted_by": CITY,
        }
        return ConsentGiven(**{**said, **more})

    def feedback(self, scope: Scope = Scope.FEEDBACK_STATUS, **more: Any) -> ConsentGiven:
        """Feedback from AWO to the City, recorded by AWO."""
        consent_id = self.status if scope is Scope.FEEDBACK_STATUS else self.outcome
        said = {
            "consent_id": consent_id,
            "from_unit": AWO_UNIT,
            "to_unit": CITY_UNIT,
            "scope": scope,
            "data_categories": (),
            "acted_by": AWO,
        }
        return self.consent(**{**said, **more})

    def withdrawn(self, given: ConsentGiven | None = None, **more: Any) -> ConsentWithdrawn:
        """The person took a consent back (TRANSFER unless another is given)."""
        return ConsentWithdrawn(**{**_of_consent(given or self.consent()), **more})

    def expired(self, given: ConsentGiven | None = None) -> ConsentExpired:
        """A consent's time is over."""
        return ConsentExpired(**_of_consent(given or self.consent()))

    def renewed(self, **more: Any) -> ConsentRenewed:
        """The person said yes to the TRANSFER again."""
        return ConsentRenewed(**{**self.consent().model_dump(), **more})

    def expiring(self) -> ConsentExpiring:
        """The TRANSFER will soon be over."""
        return ConsentExpiring(**_of_consent(self.consent()), valid_until=NEXT_YEAR)

    def revoked(self) -> ConsentRevoked:
        """The City ended the TRANSFER for a reason of its own."""
        return ConsentRevoked(**_of_consent(self.consent()), reason=RevocationReason.PROTECTION, acted_by=CITY)

    def invalidated(self) -> ConsentInvalidated:
        """The City found that the TRANSFER should never have counted."""
        reason = InvalidationReason.NOT_UNDERSTOOD
        return ConsentInvalidated(**_of_consent(self.consent()), reason=reason, acted_by=CITY)

    def requested(self, **more: Any) -> ReferralRequested:
        """The City asked AWO."""
        return ReferralRequested(
            **self._referral(CITY, ReferralState.REQUESTED), consent_id=self.transfer, offer_id=self.offer_id, **more
        )

    def linked(self, **more: Any) -> ReferralLinked:
        """The City says to which household the person belongs."""
        said = {"household_id": self.household_id, "consent_id": self.transfer, **more}
        return ReferralLinked(**self._referral(CITY, ReferralState.REQUESTED), **said)

    def received(self, **more: Any) -> ReferralReceived:
        """The request reached AWO."""
        return ReferralReceived(**{**self._referral(AWO, ReferralState.RECEIVED), **more})

    def accepted(self) -> ReferralAccepted:
        """AWO takes the person."""
        return ReferralAccepted(**self._referral(AWO, ReferralState.ACCEPTED))

    def rejected(self) -> ReferralRejected:
        """AWO cannot take the person."""
        return ReferralRejected(**self._referral(AWO, ReferralState.REJECTED), reason=RejectionReason.NO_CAPACITY)

    def started(self) -> ReferralStarted:
        """AWO met the person."""
        return ReferralStarted(**self._referral(AWO, ReferralState.IN_PROGRESS), first_contact_on=date(2030, 5, 1))

    def completed(self) -> ReferralCompleted:
        """AWO finished its work."""
        return ReferralCompleted(**self._referral(AWO, ReferralState.COMPLETED), outcome=Outcome.NEED_MET)

    def expired_referral(self) -> ReferralExpired:
        """AWO has not answered in time."""
        return ReferralExpired(**self._referral(None, ReferralState.EXPIRED))

    def reminded(self) -> ReferralReminded:
        """AWO has not answered by the time agreed."""
        said = self._referral(None, ReferralState.RECEIVED)
        due_at = datetime(2030, 5, 1, tzinfo=UTC)
        return ReferralReminded(**said, clock=ReferralClock.ANSWER, level=ContactLevel.OPERATIONAL, due_at=due_at)

    def taken_back(self) -> ReferralAcceptanceTakenBack:
        """AWO had accepted by mistake."""
        said = self._referral(AWO, ReferralState.RECEIVED)
        return ReferralAcceptanceTakenBack(**said, reason=TakenBackReason.ACCEPTED_BY_MISTAKE)

    def on_hold(self) -> ReferralPutOnHold:
        """AWO's work rests."""
        said = self._referral(AWO, ReferralState.ON_HOLD)
        return ReferralPutOnHold(**said, reason=HoldReason.WAITLIST, review_on=date(2030, 6, 1))

    def resumed(self) -> ReferralResumed:
        """It goes on."""
        return ReferralResumed(**self._referral(AWO, ReferralState.IN_PROGRESS))

    def failed(self) -> ReferralFailed:
        """AWO could not finish."""
        return ReferralFailed(**self._referral(AWO, ReferralState.FAILED), reason=FailureReason.MOVED_AWAY)

    def entered_in_error(self) -> ReferralEnteredInError:
        """Two persons of the City have said that it should never have existed."""
        said = self._referral(CITY, ReferralState.ENTERED_IN_ERROR)
        return ReferralEnteredInError(**said, reason=ErrorReason.WRONG_PERSON)

    def ended(self, **more: Any) -> ReferralEnded:
        """The referral ended because the consent did."""
        said = {
            **self._referral(None, ReferralState.DETACHED),
            "mode": EndMode.DETACHED,
            "reason": EndReason.CONSENT_WITHDRAWN,
        }
        return ReferralEnded(**{**said, **more})

    def status_shared(self, status: ReferralState = ReferralState.COMPLETED) -> ReferralStatusShared:
        """What the City may hear after the fact."""
        outcome = Outcome.NEED_MET if status is ReferralState.COMPLETED else None
        return ReferralStatusShared(**self._referral(None, status), status=status, outcome=outcome)

    def disclosed(self) -> PersonDisclosed:
        """AWO fetched the person's data at the gate."""
        return PersonDisclosed(
            case_id=self.case_id,
            referral_id=self.referral_id,
            to_unit=AWO_UNIT,
            data_categories=(DataCategory.IDENTITY,),
            acted_by=AWO,
        )

    def corrected(self, **more: Any) -> PersonCorrected:
        """What AWO fetched was put right at the City."""
        said = {
            "case_id": self.case_id,
            "referral_id": self.referral_id,
            "from_unit": CITY_UNIT,
            "to_unit": AWO_UNIT,
            "data_categories": (DataCategory.CONTACT,),
            "acted_by": CITY,
        }
        return PersonCorrected(**{**said, **more})

    def erased(self) -> PersonErased:
        """The person's record is gone."""
        return PersonErased(case_id=self.case_id, reason=ErasureReason.REQUESTED)

    def _referral(self, acted_by: PartnerSlug | None, state: ReferralState) -> dict[str, Any]:
        return {
            "case_id": self.case_id,
            "referral_id": self.referral_id,
            "from_unit": CITY_UNIT,
            "to_unit": AWO_UNIT,
            "state": state,
            "acted_by": acted_by,
        }


def _of_consent(given: ConsentGiven) -> dict[str, Any]:
    return {
        "case_id": given.case_id,
        "consent_id": given.consent_id,
        "from_unit": given.from_unit,
        "to_unit": given.to_unit,
        "scope": given.scope,
    }


def offer(offer_id: UUID | None = None, **more: Any) -> OfferPublished:
    """Caritas makes an offer known."""
    return OfferPublished(**{**_offer(offer_id), **more})


def offer_changed(published: OfferPublished, schedule: str) -> OfferChanged:
    """Caritas changes its opening hours."""
    change = FieldChange(field="schedule", previous=published.schedule, new=schedule)
    return OfferChanged(**{**published.model_dump(), "schedule": schedule, "changes": (change,)})


def contact(**more: Any) -> ContactPublished:
    """Caritas names a contact."""
    said = {
        "contact_id": new_id(),
        "unit": CARITAS_UNIT,
        "level": ContactLevel.COORDINATING,
        "function": "Leitung",
        "acted_by": CARITAS,
    }
    return ContactPublished(**{**said, **more})


def _offer(offer_id: UUID | None) -> dict[str, Any]:
    return {
        "offer_id": offer_id or new_id(),
        "unit": CARITAS_UNIT,
        "name": "Beratung",
        "service_type": ServiceType.MBE,
        "description": "Beratung für Erwachsene",
        "schedule": "Mo 9-12",
        "acted_by": CARITAS,
    }

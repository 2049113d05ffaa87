"""What the bus makes this service do."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from schemas import (
    ConsentExpired,
    ConsentGiven,
    ConsentInvalidated,
    ConsentRenewed,
    ConsentRevoked,
    ConsentWithdrawn,
    ContactPersonChanged,
    CooperationAgreed,
    CooperationDeclined,
    CooperationEnded,
    CooperationEvent,
    CooperationJoined,
    CooperationLapsed,
    CooperationLeadNamed,
    CooperationLeft,
    CooperationLinked,
    CooperationMeetingPlanned,
    CooperationProposed,
    CooperationStepDone,
    CooperationStepDropped,
    CooperationStepPlanned,
    DirectoryEvent,
    Event,
    InformationCounted,
    OfferCapacityChanged,
    PersonDisclosed,
    PersonErased,
    Received,
    ReferralAcceptanceTakenBack,
    ReferralAccepted,
    ReferralCompleted,
    ReferralEnded,
    ReferralEnteredInError,
    ReferralEvent,
    ReferralExpired,
    ReferralFailed,
    ReferralLinked,
    ReferralPutOnHold,
    ReferralReceived,
    ReferralRejected,
    ReferralReminded,
    ReferralRequested,
    ReferralResumed,
    ReferralStarted,
    ReferralStatusShared,
    Topic,
    TrainingAttended,
    TrainingRegistrationsChanged,
)
from schemas.codes import ConsentState, EndReason
from services.chassis.adoption import Adopt, Adoption
from services.chassis.db import Connection
from services.referral.commands import adopting
from services.referral.commands import cases as commands
from services.referral.model.cases import Cases
from services.referral.model.directory import KINDS, AnnouncedKind, Kind, State
from services.referral.model.trainings import NEEDS, TRAININGS

Judge: TypeAlias = Callable[[Cases, Received[Any], datetime], None]


def on_consent_given(cases: Cases, received: Received[ConsentGiven], now: datetime) -> None:
    """Keep it; a late consent to feedback tells the sender where its referrals stand."""
    cases.give(received, now)


def on_consent_renewed(cases: Cases, received: Received[ConsentRenewed], now: datetime) -> None:
    """Keep how long it holds now."""
    cases.renew(received, now)


def on_consent_withdrawn(cases: Cases, received: Received[ConsentWithdrawn], now: datetime) -> None:
    """Keep that it is over, and end what rested on it."""
    cases.end(received, ConsentState.WITHDRAWN, EndReason.CONSENT_WITHDRAWN, now)


def on_consent_expired(cases: Cases, received: Received[ConsentExpired], now: datetime) -> None:
    """Keep that it is over, and end what rested on it."""
    cases.end(received, ConsentState.EXPIRED, EndReason.CONSENT_EXPIRED, now)


def on_consent_revoked(cases: Cases, received: Received[ConsentRevoked], now: datetime) -> None:
    """Keep that it is over, and end what rested on it."""
    cases.end(received, ConsentState.REVOKED, EndReason.CONSENT_REVOKED, now)


def on_consent_invalidated(cases: Cases, received: Received[ConsentInvalidated], now: datetime) -> None:
    """Keep that it never counted, and end what rested on it."""
    cases.end(received, ConsentState.INVALIDATED, EndReason.CONSENT_INVALIDATED, now)


def on_person_erased(cases: Cases, received: Received[PersonErased], now: datetime) -> None:
    """End all of the case's referrals and cooperations and take no more consents for it."""
    cases.erase(received, now)


def on_person_disclosed(cases: Cases, received: Received[PersonDisclosed], now: datetime) -> None:
    """Whoever fetched the person's data has received the request."""
    cases.fetch(received, now)


HANDLERS: Mapping[type[Event], Judge] = {
    ConsentGiven: on_consent_given,
    ConsentRenewed: on_consent_renewed,
    ConsentWithdrawn: on_consent_withdrawn,
    ConsentExpired: on_consent_expired,
    ConsentRevoked: on_consent_revoked,
    ConsentInvalidated: on_consent_invalidated,
    PersonErased: on_person_erased,
    PersonDisclosed: on_person_disclosed,
}


async def on_run(conn: Connection, events: Sequence[Received[Event]], now: datetime) -> None:
    """Judge a run of events in order, with what is known of their cases read and written at once."""
    cases = await commands.load(conn, events)
    for event in events:
        HANDLERS[type(event.data)](cases, event, now)
    await commands.save(conn, cases, now)


async def on_own_requested(conn: Connection, received: Received[ReferralRequested], _now: datetime) -> bool:
    """A referral that a restored database has forgotten."""
    return await adopting.adopt_requested(conn, received)


async def on_own_moved(conn: Connection, received: Received[ReferralEvent], _now: datetime) -> bool:
    """A step of a referral that a restored database has forgotten."""
    return await adopting.adopt_moved(conn, received)


async def on_own_shared(conn: Connection, received: Received[ReferralStatusShared], _now: datetime) -> bool:
    """Something told after the fact that a restored database has forgotten."""
    return await adopting.adopt_shared(conn, received)


async def on_own_reminded(conn: Connection, received: Received[ReferralReminded], _now: datetime) -> bool:
    """A reminder that a restored database has forgotten."""
    return await adopting.adopt_reminded(conn, received)


async def on_own_counted(_conn: Connection, _received: Received[InformationCounted], _now: datetime) -> bool:
    """Somebody told by a slip: nothing is kept of it here."""
    return True


async def on_own_registrations(
    conn: Connection, received: Received[TrainingRegistrationsChanged], _now: datetime
) -> bool:
    """Registrations for a training that a restored database has forgotten."""
    return await adopting.adopt_registrations(conn, received)


async def on_own_attended(conn: Connection, received: Received[TrainingAttended], _now: datetime) -> bool:
    """Who was at a training, which a restored database has forgotten."""
    return await adopting.adopt_attended(conn, received)


async def on_own_linked(conn: Connection, received: Received[ReferralLinked], _now: datetime) -> bool:
    """To which household a referred person belongs, which a restored database has forgotten."""
    return await adopting.adopt_linked(conn, received)


async def on_own_cooperation_linked(conn: Connection, received: Received[CooperationLinked], _now: datetime) -> bool:
    """The same, as the proposer of a cooperation said it."""
    return await adopting.adopt_cooperation_linked(conn, received)


async def on_own_proposed(conn: Connection, received: Received[CooperationProposed], _now: datetime) -> bool:
    """A cooperation that a restored database has forgotten."""
    return await adopting.adopt_proposed(conn, received)


async def on_own_cooperation(conn: Connection, received: Received[CooperationEvent], _now: datetime) -> bool:
    """What became of a cooperation, as a restored database has forgotten it."""
    return await adopting.adopt_cooperation(conn, received)


def _own_entries(kind: Kind[State]) -> Mapping[type[Event], Adopt]:
    """The events of one kind of entry, for a restored database that has forgotten them."""

    def of_kind(adopt: Callable[[Connection, Kind[State], Received[Any]], Awaitable[bool]]) -> Adopt:
        async def on_own_entry(conn: Connection, received: Received[DirectoryEvent], _now: datetime) -> bool:
            return await adopt(conn, kind, received)

        return on_own_entry

    own: dict[type[Event], Adopt] = {
        kind.published: of_kind(adopting.adopt_published),
        kind.changed: of_kind(adopting.adopt_changed),
        kind.withdrawn: of_kind(adopting.adopt_changed),
    }
    if not isinstance(kind, AnnouncedKind):
        return own
    assuring = {kind.assured: adopting.adopt_assured, kind.assurance_due: adopting.adopt_assurance_due}
    announced: dict[type[Event], Adopt] = {
        kind.announced: of_kind(adopting.adopt_announced),
        kind.retracted: of_kind(adopting.adopt_retracted),
        **{event: of_kind(adopt) for event, adopt in assuring.items() if event is not None},
    }
    return {**own, **announced}


async def on_own_capacity(conn: Connection, received: Received[OfferCapacityChanged], _now: datetime) -> bool:
    """What a unit said about its places that a restored database has forgotten."""
    return await adopting.adopt_capacity(conn, received)


async def on_own_person(conn: Connection, received: Received[ContactPersonChanged], _now: datetime) -> bool:
    """That a unit named somebody, which a restored database has forgotten."""
    return await adopting.adopt_person(conn, received)


# The directory first: a referral goes to an offer.
ADOPTION = Adoption(
    publishes=(Topic.DIRECTORY, Topic.CASES, Topic.CIRCLE),
    events={
        **{event: adopt for kind in KINDS for event, adopt in _own_entries(kind).items()},
        OfferCapacityChanged: on_own_capacity,
        ContactPersonChanged: on_own_person,
        **_own_entries(NEEDS),
        **_own_entries(TRAININGS),
        TrainingRegistrationsChanged: on_own_registrations,
        TrainingAttended: on_own_attended,
        ReferralRequested: on_own_requested,
        ReferralReceived: on_own_moved,
        ReferralAccepted: on_own_moved,
        ReferralRejected: on_own_moved,
        ReferralStarted: on_own_moved,
        ReferralCompleted: on_own_moved,
        ReferralEnded: on_own_moved,
        ReferralAcceptanceTakenBack: on_own_moved,
        ReferralPutOnHold: on_own_moved,
        ReferralResumed: on_own_moved,
        ReferralFailed: on_own_moved,
        ReferralExpired: on_own_moved,
        ReferralEnteredInError: on_own_moved,
        InformationCounted: on_own_counted,
        ReferralLinked: on_own_linked,
        ReferralReminded: on_own_reminded,
        ReferralStatusShared: on_own_shared,
        CooperationProposed: on_own_proposed,
        CooperationAgreed: on_own_cooperation,
        CooperationJoined: on_own_cooperation,
        CooperationDeclined: on_own_cooperation,
        CooperationLinked: on_own_cooperation_linked,
        CooperationLeadNamed: on_own_cooperation,
        CooperationMeetingPlanned: on_own_cooperation,
        CooperationStepPlanned: on_own_cooperation,
        CooperationStepDone: on_own_cooperation,
        CooperationStepDropped: on_own_cooperation,
        CooperationLeft: on_own_cooperation,
        CooperationLapsed: on_own_cooperation,
        CooperationEnded: on_own_cooperation,
    },
)

"""The life of a referral; the case is locked by the caller."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from schemas import (
    CaseId,
    OfferId,
    OfferState,
    Party,
    ReferralEvent,
    ReferralId,
    UnitId,
    partner_of,
)
from schemas.agreement_file import Deadlines
from schemas.calendar import local_day
from schemas.codes import Scope
from services.chassis import outbox
from services.chassis.auth import Principal
from services.chassis.db import Connection
from services.chassis.permissions import may
from services.chassis.problems import NOT_FOUND, Refusal
from services.referral.commands import clocks, consents
from services.referral.model.consents import Direction
from services.referral.model.directory import OFFERS, Entry, can_be_used
from services.referral.model.drafts import Wanted
from services.referral.model.insight import OVER, Insight, insight, is_closed_quietly
from services.referral.model.referrals import (
    ACTS,
    TOLD_WITH_FEEDBACK,
    Act,
    Referral,
    is_possible_day,
    stamped,
    steps,
    told,
)
from services.referral.model.telling import event_of, link_of
from services.referral.model.working_days import due_at
from services.referral.store import directory, households
from services.referral.store import referrals as store

NO_CONSENT = Refusal(
    409,
    "no-consent",
    "No consent that holds now to pass this person's data on to that unit is known here; record one first.",
    field="case_ref",
)
NO_SUCH_OFFER = Refusal(422, "no-such-offer", "There is no such offer in the directory.", field="offer_id")
OWN_OFFER = Refusal(
    422, "own-offer", "This offer is your own organisation's; refer to another partner's.", field="offer_id"
)
OFFER_NOT_ACTIVE = Refusal(409, "offer-not-active", "This offer cannot be used at present.", field="offer_id")
NOT_YOUR_PART = Refusal(403, "not-your-part", "Only the unit that a referral is addressed to can do this.")
# One text whatever the state: a sender may not know it.
NOT_OPEN_FOR_SENDER = Refusal(409, "illegal-transition", "This referral cannot be cancelled any more.")
IN_THE_PAST = ("first_contact_on", "happened_on")
"""Days on which something has happened: from the day of the request to today."""
TO_COME = ("first_contact_planned_on", "review_on")
"""Days for which something is planned: today or later."""
NO_SUCH_REFERRAL = Refusal(
    422, "no-such-referral", "Your unit has no such referral of this person to go on from.", field="based_on"
)
NOT_OVER = Refusal(409, "not-over", "Go on from a referral that is over; cancel this one first.", field="based_on")
TOO_LATE = Refusal(
    409, "too-late", "An acceptance is taken back within one working day; later the referral is ended or put on hold."
)
SECOND_PERSON = Refusal(
    409, "second-person-needed", "You have said this already; another person of your unit has to confirm it."
)
NOT_YOURS_TO_DISMISS = Refusal(403, "not-your-part", "Only the unit that sent a referral can do this.")


async def usable_offer(conn: Connection, offer_id: OfferId, from_unit: UnitId) -> Entry[OfferState] | Refusal:
    """Load the offer that a unit wants to refer somebody to."""
    offer = await directory.find_entry(conn, OFFERS, offer_id)
    if offer is None:
        return NO_SUCH_OFFER
    if offer.belongs_to(partner_of(from_unit)):
        return OWN_OFFER
    return offer if can_be_used(offer) else OFFER_NOT_ACTIVE


async def lacks_consent(conn: Connection, case_id: CaseId, offer_id: OfferId, from_unit: UnitId, now: datetime) -> bool:
    """Whether a request would be refused for want of a consent, and for nothing else."""
    offer = await usable_offer(conn, offer_id, from_unit)
    if isinstance(offer, Refusal):
        return False
    direction = Direction(case_id, from_unit, offer.unit)
    return await consents.known_consent(conn, direction, Scope.TRANSFER, now) is None


async def request(
    conn: Connection, referral_id: ReferralId, wanted: Wanted, deadlines: Deadlines, now: datetime
) -> Referral | Refusal:
    """Ask the unit of an offer to take a person; a referral of its own that this goes on from is done with then."""
    case_id, offer_id, from_unit = wanted.case_id, wanted.offer_id, wanted.from_unit
    if wanted.based_on is not None and (refused := await _goes_on_from(conn, wanted.based_on, wanted, now)):
        return refused
    offer = await usable_offer(conn, offer_id, from_unit)
    if isinstance(offer, Refusal):
        return offer
    direction = Direction(case_id, from_unit, offer.unit)
    consent_id = await consents.known_consent(conn, direction, Scope.TRANSFER, now)
    if consent_id is None:
        return NO_CONSENT
    new = Referral(referral_id, case_id, consent_id, offer_id, from_unit, offer.unit, now, based_on=wanted.based_on)
    referral = await clocks.wound(conn, new, deadlines)
    await store.insert_referral(conn, referral, wanted.number)
    if wanted.based_on is not None:
        await store.clear_sender_task(conn, wanted.based_on, from_unit)
    told: list[ReferralEvent] = [event_of(referral, partner_of(from_unit))]
    if (household_id := await households.household_of(conn, from_unit, case_id)) is not None:
        named = await consents.household_consents(conn, [direction], Scope.TRANSFER, now)
        told.append(link_of(referral, household_id, named.get(direction)))
    await outbox.publish_all(conn, [(event, None) for event in told], at=now)
    return referral


async def _goes_on_from(conn: Connection, based_on: ReferralId, wanted: Wanted, now: datetime) -> Refusal | None:
    """Refuse to go on from a referral in which the unit has no part, or which is not over as far as it may know."""
    before = await store.find_referral(conn, based_on)
    party = before.party(wanted.from_unit) if before and before.case_id == wanted.case_id else None
    if before is None or party is None:
        return NO_SUCH_REFERRAL
    [known] = await insights(conn, [(before, party)], now)
    return None if known.standing in OVER else NOT_OVER


async def own_part(
    conn: Connection, referral_id: ReferralId, caller: Principal, action_id: str
) -> tuple[Referral, Party] | Refusal:
    """Load a referral that the caller may do this to, and say what its unit is to it."""
    referral = await store.find_referral(conn, referral_id)
    if referral is None or not may(caller, action_id, referral.from_unit, referral.to_unit):
        return NOT_FOUND
    party = referral.party(caller.unit)
    return (referral, party) if party else NOT_FOUND


def permit(act: Act, party: Party) -> Refusal | None:
    """Refuse what is the other party's to do, whatever the state."""
    return None if act in ACTS[party] else NOT_YOUR_PART


@dataclass(frozen=True, slots=True)
class Doing:
    """What a party does with a referral. `facts`: what the act fills in; `deadlines`: what the partners agreed."""

    party: Party
    act: Act
    facts: Mapping[str, Any]
    deadlines: Deadlines


async def act_on(conn: Connection, referral: Referral, doing: Doing, now: datetime) -> Referral | Refusal:
    """Do what a party does with a referral, and tell each state it comes to."""
    party, act = doing.party, doing.act
    if refused := _impossible_day(referral, doing.facts, now):
        return refused
    if act is Act.TAKE_BACK and not _is_within_a_working_day(referral, now):
        return TOO_LATE
    moved = steps(referral, act, {**doing.facts, **stamped(referral, act, now)})
    if not moved and party is Party.SENDER and act is Act.CANCEL:
        return await _close_quietly(conn, referral, now)
    if not moved:
        return Refusal(409, "illegal-transition", f"A referral that is {referral.state} does not take `{act}`.")
    actor = partner_of(referral.to_unit if party is Party.RECIPIENT else referral.from_unit)
    last = await _hears(conn, await clocks.wound(conn, moved[-1], doing.deadlines), now)
    await store.update_referrals(conn, [last], now)
    await outbox.publish_all(conn, [(event_of(state, actor, act), None) for state in moved], at=now)
    return last


async def _hears(conn: Connection, referral: Referral, now: datetime) -> Referral:
    """The same, with what its sender has to do since, if it may know of the state."""
    if referral.state not in TOLD_WITH_FEEDBACK:
        return referral
    scopes = await consents.known_scopes(conn, [referral.feedback], now)
    return told(referral) if Scope.FEEDBACK_STATUS in scopes.get(referral.feedback, ()) else referral


def _impossible_day(referral: Referral, facts: Mapping[str, Any], now: datetime) -> Refusal | None:
    for field in IN_THE_PAST:
        day = facts.get(field)
        if isinstance(day, date) and not is_possible_day(referral, day, now):
            detail = "This was on the day of the request at the earliest and today at the latest."
            return Refusal(422, "not-valid", detail, field=field)
    for field in TO_COME:
        day = facts.get(field)
        if isinstance(day, date) and day < local_day(now):
            return Refusal(422, "not-valid", "This is today or later.", field=field)
    return None


def _is_within_a_working_day(referral: Referral, now: datetime) -> bool:
    due = None if referral.accepted_at is None else due_at(referral.accepted_at, 1, ())
    return due is None or now < due


async def annul(conn: Connection, referral: Referral, doing: Doing, subject: str, now: datetime) -> Referral | Refusal:
    """Say that a referral should never have existed; it takes a second person of the unit that sent it.

    subject: who says so. The first is noted and nobody is told; what the second says is told.
    """
    if not steps(referral, Act.ANNUL, doing.facts):
        return Refusal(409, "illegal-transition", "This referral was entered in error already.")
    if referral.error_reported_by is None:
        await store.note_error_report(conn, referral.referral_id, subject)
        return replace(referral, error_reported_by=subject)
    if referral.error_reported_by == subject:
        return SECOND_PERSON
    return await act_on(conn, referral, doing, now)


async def _close_quietly(conn: Connection, referral: Referral, now: datetime) -> Referral | Refusal:
    """Take the cancel of a sender that may not know that the work is done; nobody else learns of it."""
    scopes = await consents.known_scopes(conn, [referral.feedback], now)
    if not is_closed_quietly(referral, scopes.get(referral.feedback, frozenset())):
        return NOT_OPEN_FOR_SENDER
    await store.close_for_sender(conn, referral.referral_id, now)
    return replace(referral, closed_by_sender_at=now)


async def dismiss(conn: Connection, referral: Referral, party: Party) -> Referral | Refusal:
    """Take a referral that has come back, or that is waited for in vain, off its sender's worklists."""
    if party is not Party.SENDER:
        return NOT_YOURS_TO_DISMISS
    await store.clear_sender_task(conn, referral.referral_id, referral.from_unit)
    return replace(referral, sender_task=None)


async def insights(conn: Connection, parts: Sequence[tuple[Referral, Party]], now: datetime) -> Sequence[Insight]:
    """Say what a party to each of these referrals may know of it at `now`, in the same order."""
    asked = {referral.feedback for referral, party in parts if party is Party.SENDER}
    scopes = await consents.known_scopes(conn, asked, now)
    return [insight(referral, party, scopes.get(referral.feedback, frozenset())) for referral, party in parts]

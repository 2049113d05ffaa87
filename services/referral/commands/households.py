"""Which persons are one household, as the unit that refers them says; their cases are locked by the caller."""

from collections.abc import Collection, Sequence
from datetime import datetime

from schemas import CaseId, Event, HouseholdId, Party, UnitId
from schemas.codes import Scope
from services.chassis import outbox
from services.chassis.db import Connection
from services.chassis.problems import NOT_FOUND, Refusal
from services.referral.commands import consents, cooperations, referrals
from services.referral.model.insight import UNDER_WAY
from services.referral.model.referrals import OPEN, Referral
from services.referral.model.telling import link_of
from services.referral.store import cooperations as store_of_cooperations
from services.referral.store import households as store
from services.referral.store import referrals as store_of_referrals

NOTHING_UNDER_WAY = Refusal(
    409,
    "nothing-under-way",
    "For each of them your unit needs a referral that it sent, or a cooperation that it proposed, and that goes on.",
    field="case_refs",
)
NO_CONSENT = Refusal(
    409,
    "no-consent",
    "Each of them has to let you tell a service of it: record a TRANSFER or COOPERATION consent that names household.",
    field="case_refs",
)


async def link_members(
    conn: Connection, unit: UnitId, household_id: HouseholdId, cases: Sequence[CaseId], now: datetime
) -> Refusal | None:
    """Say that these persons are one household from now on, and tell it the services that each of them lets know it.

    One alone leaves the household before, which needs nobody's consent.
    """
    sent = await _sent(conn, unit, cases, now)
    together = [each for each in await store_of_cooperations.open_cooperations_of(conn, cases) if each.proposer == unit]
    if set(cases) - {each.case_id for each in sent} - {each.case_id for each in together}:
        return NOTHING_UNDER_WAY
    named = await consents.household_consents(conn, {each.transfer for each in sent}, Scope.TRANSFER, now)
    joint = await cooperations.links(conn, together, household_id, now)
    # Also where the service is done with it: the unit must not learn that from what it may link.
    allowed = {each.case_id for each in sent if each.transfer in named}
    if len(cases) > 1 and set(cases) - allowed - {each.case_id for each in joint if each.rests_on}:
        return NO_CONSENT
    links = [link_of(each, household_id, named.get(each.transfer) if each.state in OPEN else None) for each in sent]
    await store.put_members(conn, unit, household_id, cases)
    await cooperations.save_links(conn, together, joint, now)
    events: list[Event] = [*links, *joint]
    await outbox.publish_all(conn, [(event, None) for event in events], at=now)
    return None


async def _sent(conn: Connection, unit: UnitId, cases: Collection[CaseId], now: datetime) -> list[Referral]:
    """What a unit sent for these and, as far as it knows, goes on."""
    found = await store_of_referrals.referrals_of(conn, cases)
    sent = [each for each, _ in found if each.from_unit == unit]
    known = await referrals.insights(conn, [(each, Party.SENDER) for each in sent], now)
    return [each for each, insight in zip(sent, known, strict=True) if insight.standing in UNDER_WAY]


async def members_seen(
    conn: Connection, household_id: HouseholdId, unit: UnitId, now: datetime
) -> Sequence[CaseId] | Refusal:
    """Who of a household a unit may know to belong to it.

    All of them for the unit that says so; another of those who let it be told, and whom it got by a referral that is
    open, or on whose case it is asked to cooperate or does.
    """
    household = await store.members(conn, household_id)
    if household is None:
        return NOT_FOUND
    speaker, cases = household
    if speaker == unit:
        return cases
    found = [each for each, _ in await store_of_referrals.referrals_of(conn, cases)]
    received = [each for each in found if (each.from_unit, each.to_unit) == (speaker, unit) and each.state in OPEN]
    named = await consents.household_consents(conn, {each.transfer for each in received}, Scope.TRANSFER, now)
    seen = {way.case_id for way in named}
    together = await store_of_cooperations.open_cooperations_in(conn, speaker, household_id)
    seen |= {each.case_id for each in await cooperations.knowing_household(conn, together, unit, now)}
    return [each for each in cases if each in seen] or NOT_FOUND

"""Preparing a referral before it can be sent; the case is locked by the caller."""

from dataclasses import replace
from datetime import datetime

from schemas import OfferId, ReferralId, partner_of
from schemas.agreement_file import Deadlines
from services.chassis.auth import Principal
from services.chassis.db import Connection
from services.chassis.permissions import may
from services.chassis.problems import NOT_FOUND, Refusal
from services.referral.commands import referrals
from services.referral.model.directory import OFFERS
from services.referral.model.drafts import Draft, Wanted
from services.referral.model.referrals import Referral
from services.referral.store import directory
from services.referral.store import drafts as store

WITHOUT_OFFER = Refusal(409, "offer-missing", "Say to which offer first, then send it.", field="offer_id")
ERASED = Refusal(
    409,
    "person-erased",
    "This person's data was erased; register whoever comes again anew.",
    field="case_ref",
)


async def keep(conn: Connection, draft: Draft) -> Draft | Refusal:
    """Keep what is prepared, new or changed. Whether it can be sent is looked at when it is."""
    if await store.is_erased(conn, draft.case_id):
        return ERASED
    if draft.offer_id is not None:
        offer = await directory.find_entry(conn, OFFERS, draft.offer_id)
        if offer is None:
            return referrals.NO_SUCH_OFFER
        if offer.belongs_to(partner_of(draft.from_unit)):
            return referrals.OWN_OFFER
    await store.save_draft(conn, draft)
    return draft


async def own_draft(conn: Connection, referral_id: ReferralId, caller: Principal, action_id: str) -> Draft | Refusal:
    """Load a draft that the caller may do this to."""
    draft = await store.find_draft(conn, referral_id)
    return draft if draft is not None and may(caller, action_id, draft.from_unit) else NOT_FOUND


async def change(
    conn: Connection, draft: Draft, offer_id: OfferId | None, based_on: ReferralId | None, number: str | None
) -> Draft | Refusal:
    """Prepare it otherwise; without a difference nothing happens."""
    changed = replace(draft, offer_id=offer_id, based_on=based_on, number=number)
    return draft if changed == draft else await keep(conn, replace(changed, version=draft.version + 1))


def wanted_of(draft: Draft) -> Wanted | Refusal:
    """What is asked for when it is sent."""
    if draft.offer_id is None:
        return WITHOUT_OFFER
    return Wanted(draft.case_id, draft.offer_id, draft.from_unit, draft.based_on, draft.number)


async def send(conn: Connection, draft: Draft, deadlines: Deadlines, now: datetime) -> Referral | Refusal:
    """Make it a referral, with its id; all that a request is looked at for counts now."""
    wanted = wanted_of(draft)
    if isinstance(wanted, Refusal):
        return wanted
    made = await referrals.request(conn, draft.referral_id, wanted, deadlines, now)
    if not isinstance(made, Refusal):
        await store.delete_draft(conn, draft.referral_id)
    return made

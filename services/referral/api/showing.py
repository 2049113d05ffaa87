"""How referrals are shown to a party, each as far as it may know of it."""

from collections.abc import Sequence
from datetime import datetime

from schemas import Party
from services.chassis.auth import Principal
from services.chassis.context import Context
from services.chassis.db import Connection
from services.referral.api.bodies import OwnRefs, ReferralView, view
from services.referral.commands.referrals import insights
from services.referral.model.insight import Insight
from services.referral.model.referrals import OPEN, Referral
from services.referral.store.referrals import Beside, beside


async def views(
    conn: Connection, context: Context, caller: Principal, parts: Sequence[tuple[Referral, Party]], now: datetime
) -> Sequence[tuple[ReferralView, Insight]]:
    """Show referrals to the caller's unit, which is that party to each, in the same order."""
    known = await insights(conn, parts, now)
    notes = {
        party: await beside(conn, [each.referral_id for each, own in parts if own is party], party)
        for party in {party for _, party in parts}
    }
    return [
        (view(each, party, _refs(context, caller, each, party, notes[party][each.referral_id]), insight), insight)
        for (each, party), insight in zip(parts, known, strict=True)
    ]


def _refs(context: Context, caller: Principal, referral: Referral, party: Party, note: Beside) -> OwnRefs:
    """What the partner calls it; the household is the recipient's to know as long as the referral is open."""
    is_told = party is Party.SENDER or referral.state in OPEN
    household_id = note.household_id if is_told else None
    household_ref = None if household_id is None else context.references.reference(caller.partner, household_id)
    return OwnRefs(case_ref(context, caller, referral), household_ref, note.number)


def case_ref(context: Context, caller: Principal, referral: Referral) -> str:
    """The partner's own reference of the case."""
    return context.references.reference(caller.partner, referral.case_id)

"""How referrals are shown to a party, each as far as it may know of it."""

from collections.abc import Sequence
from datetime import datetime

from schemas import Party
from services.chassis.auth import Principal
from services.chassis.context import Context
from services.chassis.db import Connection
from services.referral.api.bodies import ReferralView, view
from services.referral.commands.referrals import insights
from services.referral.model.insight import Insight
from services.referral.model.referrals import Referral
from services.referral.store.referrals import numbers_of


async def views(
    conn: Connection, context: Context, caller: Principal, parts: Sequence[tuple[Referral, Party]], now: datetime
) -> Sequence[tuple[ReferralView, Insight]]:
    """Show referrals to the caller's unit, which is that party to each, in the same order."""
    known = await insights(conn, parts, now)
    numbers = {
        party: await numbers_of(conn, [each.referral_id for each, own in parts if own is party], party)
        for party in {party for _, party in parts}
    }
    return [
        (view(each, party, case_ref(context, caller, each), numbers[party].get(each.referral_id), insight), insight)
        for (each, party), insight in zip(parts, known, strict=True)
    ]


def case_ref(context: Context, caller: Principal, referral: Referral) -> str:
    """The partner's own reference of the case."""
    return context.references.reference(caller.partner, referral.case_id)

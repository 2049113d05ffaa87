"""How referrals are shown to a party, each as far as it may know of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from schemas import HouseholdId, Party, ReferralId
from schemas.codes import Scope
from services.chassis.auth import Principal
from services.chassis.context import Context
from services.chassis.db import Connection
from services.referral.api.bodies import OwnRefs, ReferralView, view
from services.referral.commands.consents import household_consents
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
    households = await _households(conn, [(each, party, notes[party][each.referral_id]) for each, party in parts], now)

    def refs(referral: Referral, party: Party) -> OwnRefs:
        household_id = households.get(referral.referral_id)
        household_ref = None if household_id is None else context.references.reference(caller.partner, household_id)
        return OwnRefs(case_ref(context, caller, referral), household_ref, notes[party][referral.referral_id].number)

    return [
        (view(each, party, refs(each, party), insight), insight)
        for (each, party), insight in zip(parts, known, strict=True)
    ]


async def _households(
    conn: Connection, parts: Sequence[tuple[Referral, Party, Beside]], now: datetime
) -> Mapping[ReferralId, HouseholdId]:
    """The household of each referral of which the party may know: who received one, while it is open and consented."""
    linked = [(each, party, note.household_id) for each, party, note in parts if note.household_id is not None]
    asked = {each.transfer for each, party, _ in linked if party is Party.RECIPIENT and each.state in OPEN}
    told = await household_consents(conn, asked, Scope.TRANSFER, now)
    return {
        each.referral_id: household_id
        for each, party, household_id in linked
        if party is Party.SENDER or (each.state in OPEN and each.transfer in told)
    }


def case_ref(context: Context, caller: Principal, referral: Referral) -> str:
    """The partner's own reference of the case."""
    return context.references.reference(caller.partner, referral.case_id)

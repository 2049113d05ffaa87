"""Who may ask intake for what, and by which reference."""

from typing import Annotated, TypeAlias

from fastapi import Path

from schemas import ReferralId, UnitId
from schemas.notice_file import Notices
from services.chassis.auth import Principal
from services.chassis.context import Context
from services.chassis.patience import wait_for
from services.chassis.problems import NOT_FOUND, Problem, Refusal
from services.intake.model import Referral
from services.intake.resources import resources_of
from services.intake.store import referrals
from services.intake.vault import Vault

CLERK, COUNSELLOR, SYSTEM = "clerk", "counsellor", "system"
COMMISSIONER, COORDINATOR = "commissioner", "coordinator"

Reference: TypeAlias = Annotated[
    str, Path(pattern="^[0-9a-f]{32}$", description="Your partner's own reference: 32 hex digits.")
]

UNIT_MISSING = Refusal(403, "unit-missing", "Your token must name a unit of your partner; ask your issuer for it.")


def unit_of(caller: Principal, context: Context) -> UnitId:
    """The caller's unit; a problem 403 when the agreement knows no such unit."""
    unit = UnitId(caller.unit)
    if unit not in context.partners.units:
        raise Problem(UNIT_MISSING)
    return unit


def vault_of(context: Context) -> Vault:
    """This process's vault."""
    return resources_of(context).vault


def notices_of(context: Context) -> Notices:
    """The texts people are shown before a consent."""
    return resources_of(context).notices


async def referral_addressed_to(context: Context, referral_id: ReferralId, unit: UnitId) -> Referral:
    """A referral to that unit; one not heard of is waited for, because the partner may be ahead of us.

    A problem 404 otherwise. Somebody else's referral is waited for as long as one that does not exist: the time
    the answer takes tells nothing either.
    """
    found: list[Referral] = []

    async def is_known() -> bool:
        async with context.database.reading() as conn:
            referral = await referrals.referral_to(conn, referral_id, unit)
        if referral is not None:
            found.append(referral)
        return bool(found)

    if not await wait_for(is_known):
        raise Problem(NOT_FOUND)
    return found[0]

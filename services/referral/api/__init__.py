"""The HTTP API of the referral service."""

from services.referral.api import capacity, hsds, referrals, routing, shelves, slips, worklists

ROUTERS = (
    *shelves.ROUTERS,
    capacity.router,
    hsds.router,
    routing.router,
    slips.router,
    referrals.router,
    worklists.router,
)

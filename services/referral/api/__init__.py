"""The HTTP API of the referral service."""

from services.referral.api import referrals, routing, shelves, slips, worklists

ROUTERS = (*shelves.ROUTERS, referrals.router, routing.router, slips.router, worklists.router)

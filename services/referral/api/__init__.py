"""The HTTP API of the referral service."""

from services.referral.api import hsds, referrals, routing, shelves, slips, worklists

ROUTERS = (*shelves.ROUTERS, referrals.router, routing.router, hsds.router, slips.router, worklists.router)

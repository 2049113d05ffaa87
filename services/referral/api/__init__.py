"""The HTTP API of the referral service."""

from services.referral.api import referrals, routing, shelves

ROUTERS = (*shelves.ROUTERS, referrals.router, routing.router)

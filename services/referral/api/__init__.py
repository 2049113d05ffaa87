"""The HTTP API of the referral service."""

from services.referral.api import capacity, referrals, routing, shelves

ROUTERS = (*shelves.ROUTERS, capacity.router, referrals.router, routing.router)

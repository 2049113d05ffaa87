"""The HTTP API of the referral service."""

from services.referral.api import contacts, cooperations, offers, referrals, routing

ROUTERS = (offers.router, contacts.router, referrals.router, cooperations.router, routing.router)

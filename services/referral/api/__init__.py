"""The HTTP API of the referral service."""

from services.referral.api import contacts, offers, referrals, routing, worklists

ROUTERS = (offers.router, contacts.router, referrals.router, routing.router, worklists.router)

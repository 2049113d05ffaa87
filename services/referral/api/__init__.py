"""The HTTP API of the referral service."""

from services.referral.api import contacts, offers, referrals, routing, slips, worklists

ROUTERS = (offers.router, contacts.router, referrals.router, routing.router, slips.router, worklists.router)

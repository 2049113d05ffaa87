"""The HTTP API of the referral service."""

from services.referral.api import contacts, offers, referrals, routing, training_needs, trainings

ROUTERS = (
    offers.router,
    contacts.router,
    training_needs.router,
    trainings.router,
    referrals.router,
    routing.router,
)

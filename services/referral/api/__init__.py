"""The HTTP API of the referral service."""

from services.referral.api import (
    capacity,
    contact_person,
    cooperations,
    drafts,
    households,
    hsds,
    offer_hours,
    packages,
    referrals,
    routing,
    shelves,
    slips,
    training_needs,
    trainings,
    worklists,
)

ROUTERS = (
    *shelves.ROUTERS,
    capacity.router,
    contact_person.router,
    offer_hours.router,
    packages.router,
    training_needs.router,
    trainings.router,
    hsds.router,
    routing.router,
    slips.router,
    referrals.router,
    households.router,
    worklists.router,
    drafts.router,
    cooperations.router,
)

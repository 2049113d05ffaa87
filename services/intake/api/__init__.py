"""Intake's HTTP API."""

from services.intake.api import (
    access,
    consent_life,
    consents,
    cooperations,
    disclosures,
    gate,
    information,
    notices,
    persons,
    propagation,
    receipts,
    rights,
    search,
    tasks,
    vault,
)

# Routes are tried in this order, and fetches are the most frequent.
ROUTERS = (
    gate.router,
    information.router,
    notices.router,
    persons.router,
    search.router,
    consents.router,
    consent_life.router,
    cooperations.router,
    receipts.router,
    access.router,
    rights.router,
    tasks.router,
    disclosures.router,
    propagation.router,
    vault.router,
)

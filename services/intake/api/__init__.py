"""Intake's HTTP API."""

from services.intake.api import (
    access,
    consent_life,
    consents,
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

ROUTERS = (
    information.router,
    notices.router,
    persons.router,
    search.router,
    consents.router,
    consent_life.router,
    receipts.router,
    access.router,
    rights.router,
    tasks.router,
    gate.router,
    disclosures.router,
    propagation.router,
    vault.router,
)

"""Intake's HTTP API."""

from services.intake.api import (
    consent_life,
    consents,
    disclosures,
    gate,
    information,
    notices,
    persons,
    propagation,
    receipts,
    tasks,
)

ROUTERS = (
    information.router,
    notices.router,
    persons.router,
    consents.router,
    consent_life.router,
    receipts.router,
    tasks.router,
    gate.router,
    disclosures.router,
    propagation.router,
)

"""Intake's HTTP API."""

from services.intake.api import consents, gate, information, persons

ROUTERS = (information.router, persons.router, consents.router, gate.router)

"""Intake's HTTP API."""

from services.intake.api import consents, gate, information, notices, persons

ROUTERS = (information.router, notices.router, persons.router, consents.router, gate.router)

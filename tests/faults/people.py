"""Who writes: the units of the Koblenz agreement, and what they say."""

from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.calendar import local_day

PARTNERS = ("stadt-koblenz", "jobcenter-koblenz", "caritas-koblenz", "awo-rheinland")
CITY, JOBCENTER = "stadt-koblenz/integration", "jobcenter-koblenz/jobcenter"
AWO, CARITAS, JMD = "awo-rheinland/mbe", "caritas-koblenz/mbe", "caritas-koblenz/jmd"
UNITS = (CITY, JOBCENTER, AWO, CARITAS, JMD)

# Nobody is referred by the Jobcenter: the agreement file says so.
SENDING = (CITY, CITY, CITY, CARITAS, AWO)
"""Who refers people; the City most of all."""
OFFERING = (AWO, CARITAS, JMD)
"""Whom people are referred to: the migration services."""
SERVICE_TYPES = {AWO: "MBE", CARITAS: "MBE", JMD: "JMD"}

PERSON: dict[str, Any] = {
    "name": "Amal Haddad",
    "channel": {"kind": "phone", "value": "+49 261 555010"},
    "language": "ar",
    "interpreter": True,
    "age_band": "27-plus",
}


def offer_state(unit: str, description: str) -> dict[str, Any]:
    """An offer of a unit; the description tells its states apart."""
    return {"unit": unit, "name": "Beratung", "service_type": SERVICE_TYPES[unit], "description": description}


def consent(from_unit: str, to_unit: str, scope: str) -> dict[str, Any]:
    """One direction, one purpose, for a quarter of a year."""
    return {
        "from_unit": from_unit,
        "to_unit": to_unit,
        "scope": scope,
        "data_categories": ["identity", "contact", "language", "age"] if scope == "transfer" else [],
        "valid_until": (datetime.now(UTC) + timedelta(days=90)).isoformat(timespec="seconds"),
    }


NOTICE = {"version": "2026-01", "language": "de"}
INTERPRETER = {"kind": "professional", "language": "ar"}


def acceptance() -> dict[str, Any]:
    """What a service says when it takes somebody: which function does, and the first contact planned in a week."""
    planned_on = local_day(datetime.now(UTC)) + timedelta(days=7)
    return {"responsible": "Beratung", "first_contact_planned_on": planned_on.isoformat()}


def signed(*consents: dict[str, Any]) -> dict[str, Any]:
    """What one signature allows."""
    return {"consents": list(consents), "notice": NOTICE, "interpreter": INTERPRETER, "form": "paper"}

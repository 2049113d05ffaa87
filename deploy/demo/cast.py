"""Who plays: the people and systems of the four partners, and the person it is all about."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

CITY, JOBCENTER, CARITAS, AWO = "stadt-koblenz", "jobcenter-koblenz", "caritas-koblenz", "awo-rheinland"
PARTNERS = (CITY, JOBCENTER, CARITAS, AWO)
SHORT = {CITY: "Stadt", JOBCENTER: "Jobcenter", CARITAS: "Caritas", AWO: "AWO"}


@dataclass(frozen=True)
class Actor:
    """Somebody who asks Lotse for something. unit: "<partner>/<unit>"; role: as in the token."""

    unit: str
    role: str

    @property
    def partner(self) -> str:
        return self.unit.partition("/")[0]

    @property
    def name(self) -> str:
        return SHORT[self.partner]


CITY_CLERK = Actor(f"{CITY}/integration", "clerk")
AWO_SYSTEM = Actor(f"{AWO}/mbe", "system")
AWO_COUNSELLOR = Actor(f"{AWO}/mbe", "counsellor")
CARITAS_COORDINATOR = Actor(f"{CARITAS}/mbe", "coordinator")
CARITAS_COUNSELLOR = Actor(f"{CARITAS}/mbe", "counsellor")
YOUTH_COUNSELLOR = Actor(f"{CARITAS}/jmd", "counsellor")
JOBCENTER_SYSTEM = Actor(f"{JOBCENTER}/jobcenter", "system")
JOBCENTER_CLERK = Actor(f"{JOBCENTER}/jobcenter", "clerk")
UNITS = tuple(actor.unit for actor in (CITY_CLERK, AWO_SYSTEM, CARITAS_COORDINATOR, YOUTH_COUNSELLOR, JOBCENTER_SYSTEM))

LANGUAGE = "ar"
NAME = "Samira Al-Beispiel"
PHONE = "+49 261 5550143"
PERSON: dict[str, Any] = {
    "name": NAME,
    "channel": {"kind": "phone", "value": PHONE},
    "language": LANGUAGE,
    "interpreter": True,
    "age_band": "27-plus",
}
YOUTH_NAME, YOUTH_PHONE = "Omar Al-Muster", "+49 261 5550144"
YOUTH: dict[str, Any] = {
    "name": YOUTH_NAME,
    "channel": {"kind": "phone", "value": YOUTH_PHONE},
    "language": LANGUAGE,
    "interpreter": True,
    "age_band": "18-26",
}
SHARED_NAME, SHARED_PHONE = "Leila Al-Probe", "+49 261 5550145"
SHARED: dict[str, Any] = {
    "name": SHARED_NAME,
    "channel": {"kind": "phone", "value": SHARED_PHONE},
    "language": LANGUAGE,
    "interpreter": True,
    "age_band": "27-plus",
}
SECRETS = (NAME, PHONE, YOUTH_NAME, YOUTH_PHONE, SHARED_NAME, SHARED_PHONE)

CONSENT_HOLDS = timedelta(days=180)
# The German text, which somebody interpreted: there is no released one in Arabic.
NOTICE = {"version": "2026-01", "language": "de"}
INTERPRETER = {"kind": "professional", "language": LANGUAGE}


def signed(now: datetime, scope: str, from_unit: str, *to_units: str, categories: Sequence[str] = ()) -> dict[str, Any]:
    """What one signature gives: a consent to each of these units."""
    one = {"from_unit": from_unit, "scope": scope, "data_categories": categories}
    until = (now + CONSENT_HOLDS).isoformat()
    consents = [{**one, "to_unit": to_unit, "valid_until": until} for to_unit in to_units]
    return {"consents": consents, "notice": NOTICE, "interpreter": INTERPRETER, "form": "paper"}


AWO_OFFER: dict[str, Any] = {
    "unit": AWO_SYSTEM.unit,
    "name": "Migrationsberatung mit Termin",
    "service_type": "MBE",
    "description": "Beratung zu Aufenthalt, Sprache, Arbeit und Familie.",
    "languages": ["de", "ar", "ru"],
    "schedule": "Mo bis Do 9 bis 16 Uhr",
}
OLD_HOURS, NEW_HOURS = "Di und Do 9 bis 12 Uhr", "Di und Do 9 bis 12 Uhr, Mi 14 bis 18 Uhr"
CARITAS_OFFER: dict[str, Any] = {
    "unit": CARITAS_COORDINATOR.unit,
    "name": "Offene Sprechstunde",
    "service_type": "MBE",
    "description": "Erste Fragen ohne Termin.",
    "languages": ["de", "uk"],
    "schedule": OLD_HOURS,
}
LATER_HOURS = "Di und Do 9 bis 12 Uhr, Mi 10 bis 18 Uhr"
YOUTH_OFFER: dict[str, Any] = {
    "unit": YOUTH_COUNSELLOR.unit,
    "name": "Jugendmigrationsdienst, offene Sprechstunde",
    "service_type": "JMD",
    "description": "Beratung für junge Menschen von 12 bis 26 Jahren.",
    "languages": ["de", "ar"],
    "schedule": "Mo und Mi 13 bis 17 Uhr",
    "minimum_age": 12,
    "maximum_age": 26,
}

NEED: dict[str, Any] = {
    "unit": CARITAS_COORDINATOR.unit,
    "training_topic": "residence-law",
    "description": "Was sich im Aufenthaltsrecht geändert hat",
    "functions": ["Beratung MBE", "Beratung JMD"],
    "people": 4,
}
TRAINING_TITLE = "Aufenthaltsrecht aktuell"
SEATS, FROM_CITY, FROM_JOBCENTER = 12, 3, 5
ATTENDANCE = [{"partner": CITY, "people": FROM_CITY}, {"partner": JOBCENTER, "people": FROM_JOBCENTER - 1}]
TRAINING_AHEAD = timedelta(days=14)


def training(need: str, today: date) -> dict[str, Any]:
    """A training of AWO that answers a need: a morning in two weeks."""
    day = today + TRAINING_AHEAD
    return {
        "unit": AWO_SYSTEM.unit,
        "title": TRAINING_TITLE,
        "training_topic": NEED["training_topic"],
        "description": "Die wichtigsten Änderungen, mit Fällen aus der Beratung.",
        "needs": [need],
        "sessions": [{"starts_at": f"{day}T08:00:00Z", "ends_at": f"{day}T11:00:00Z"}],
        "place": "Koblenz, im Haus der AWO",
        "languages": ["de"],
        "seats": SEATS,
        "registration_until": (day - timedelta(days=4)).isoformat(),
    }

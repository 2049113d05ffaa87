"""Who plays: the people and systems of the four partners, and the person it is all about."""

from dataclasses import dataclass
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
JOBCENTER_SYSTEM = Actor(f"{JOBCENTER}/jobcenter", "system")
UNITS = tuple(actor.unit for actor in (CITY_CLERK, AWO_SYSTEM, CARITAS_COORDINATOR, JOBCENTER_SYSTEM))

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
# The German text, which somebody interpreted: there is no released one in Arabic.
NOTICE = {"version": "2026-01", "language": "de"}
INTERPRETER = {"kind": "professional", "language": LANGUAGE}

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

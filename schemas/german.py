"""What codes are called in German, where people read them."""

from collections.abc import Mapping

from schemas.codes import Accessibility, Concern, ServiceType
from schemas.directory import Capacity

NEEDS: Mapping[Concern, str] = {
    Concern.LANGUAGE_COURSE: "Sprachkurs",
    Concern.HOUSING: "Wohnen",
    Concern.WORK: "Arbeit",
    Concern.INCOME_SUPPORT: "Lebensunterhalt",
    Concern.RECOGNITION: "Anerkennung von Abschlüssen",
    Concern.SCHOOL_TRAINING: "Schule und Ausbildung",
    Concern.STUDY: "Studium",
    Concern.CHILD_CARE: "Kinderbetreuung",
    Concern.HEALTH_INSURANCE: "Krankenversicherung",
    Concern.FAMILY: "Familie",
    Concern.RESIDENCE_LAW: "Aufenthaltsrecht",
    Concern.RESIDENCE_TITLE: "Titel oder Reisedokument",
    Concern.ASYLUM_PROCEDURE: "Asylverfahren",
    Concern.DEBTS: "Schulden",
    Concern.ADDICTION: "Sucht",
    Concern.PREGNANCY: "Schwangerschaft",
    Concern.DAILY_LIFE: "Alltag",
    Concern.OTHER: "anderes",
}
SERVICE_TYPES: Mapping[ServiceType, str] = {
    ServiceType.MBE: "Migrationsberatung für erwachsene Zugewanderte (MBE)",
    ServiceType.JMD: "Jugendmigrationsdienst (JMD)",
    ServiceType.MFD: "Migrationsfachdienst (MFD)",
    ServiceType.JOBCENTER: "Jobcenter",
    ServiceType.INTEGRATION_OFFICE: "Integrationsstelle der Stadt",
    ServiceType.OTHER: "anderer Dienst",
}
ACCESSIBILITY: Mapping[Accessibility, str] = {
    Accessibility.WHEELCHAIR: "mit dem Rollstuhl zugänglich",
    Accessibility.STEP_FREE: "ohne Stufen erreichbar",
    Accessibility.ACCESSIBLE_TOILET: "Toilette für Menschen mit Behinderung",
    Accessibility.SIGN_LANGUAGE: "Gebärdensprache",
    Accessibility.HEARING: "Höranlage oder andere Hilfe beim Hören",
    Accessibility.VISION: "Hilfe für blinde und sehbehinderte Menschen",
    Accessibility.PLAIN_LANGUAGE: "Leichte Sprache",
    Accessibility.OTHER: "anderes",
}

CAPACITIES: Mapping[Capacity, str] = {
    Capacity.CAPACITY: "Plätze frei",
    Capacity.WAITLIST: "Warteliste",
    Capacity.NO_CAPACITY: "keine Plätze frei",
    Capacity.ADDITIONAL_ASSESSMENT_REQUIRED: "Plätze nach Klärung im Einzelfall",
}

"""German words for what stands in a routing table."""

from collections.abc import Mapping
from typing import Any

from schemas.codes import Code, Concern, ServiceType
from schemas.german import NEEDS
from schemas.routing import (
    BenefitRegime,
    ConsentAnswer,
    CourseRight,
    Danger,
    Priority,
    ProposalKind,
    RankedBy,
    Requirement,
    Stated,
    StatusGroup,
)

CONDITIONS: Mapping[str, str] = {
    "consent": "Einwilligung",
    "danger": "Gefahr",
    "age": "Alter",
    "unaccompanied": "ohne Sorgeberechtigte",
    "status": "Aufenthalt",
    "declined_by": "nicht zuständig ist",
    "not_declined_by": "außer wenn nicht zuständig ist",
    "wish": "gewünscht",
    "own_children": "eigene Kinder",
    "household_spans_27": "Jüngere und Ältere als 27 im Haushalt",
    "months_since_arrival": "Monate seit Einreise oder erstem Titel",
    "first_title_since": "erster Titel ab",
    "regime": "Leistungen",
    "able_to_work": "erwerbsfähig",
    "concerns": "Anliegen",
    "without_concerns": "außer bei Anliegen",
    "course": "Integrationskurs",
}

WORDS: Mapping[type[Code], Mapping[Any, str]] = {
    ConsentAnswer: {
        ConsentAnswer.NOT_ASKED: "nicht gefragt",
        ConsentAnswer.GIVEN: "gegeben",
        ConsentAnswer.REFUSED: "abgelehnt",
    },
    Danger: {
        Danger.VIOLENCE: "Gewalt",
        Danger.TRAFFICKING: "Menschenhandel",
        Danger.MEDICAL: "medizinischer Notfall",
        Danger.CHILD_AT_RISK: "Kind in Gefahr",
    },
    Stated: {
        Stated.YES: "ja",
        Stated.NO: "nein",
        Stated.NOT_STATED: "nicht angegeben",
    },
    StatusGroup: {
        StatusGroup.EU_EEA: "EU/EWR",
        StatusGroup.LONG_TERM_TITLE: "Titel auf Dauer",
        StatusGroup.RECOGNISED_PROTECTION: "anerkannter Schutz",
        StatusGroup.TEMPORARY_PROTECTION: "§ 24 AufenthG",
        StatusGroup.ASYLUM_PROCEDURE: "Aufenthaltsgestattung",
        StatusGroup.LATE_REPATRIATE: "Spätaussiedlung",
        StatusGroup.OPPORTUNITY_TITLE: "§ 104c AufenthG",
        StatusGroup.TOLERATED_WITH_PROSPECT: "Duldung mit Bleibeaussicht",
        StatusGroup.TOLERATED: "Duldung",
        StatusGroup.OTHER: "anderer",
        StatusGroup.NOT_STATED: "nicht angegeben",
    },
    ServiceType: {
        ServiceType.MBE: "MBE",
        ServiceType.JMD: "JMD",
        ServiceType.MFD: "MFD",
        ServiceType.JOBCENTER: "Jobcenter",
        ServiceType.INTEGRATION_OFFICE: "Integrationsstelle",
        ServiceType.OTHER: "anderer Dienst",
    },
    BenefitRegime: {
        BenefitRegime.SGB2: "SGB II",
        BenefitRegime.SGB3: "SGB III",
        BenefitRegime.SGB12: "SGB XII",
        BenefitRegime.ASYLBLG: "AsylbLG",
        BenefitRegime.NONE: "keine",
        BenefitRegime.NOT_STATED: "nicht angegeben",
    },
    Concern: NEEDS,
    CourseRight: {
        CourseRight.CLAIM: "Anspruch (§ 44 Abs. 1)",
        CourseRight.OBLIGED: "verpflichtet (§ 44a)",
        CourseRight.ADMISSION_ONLY: "nur mit Zulassung (§ 44 Abs. 4)",
        CourseRight.NOT_STATED: "nicht angegeben",
    },
    ProposalKind: {
        ProposalKind.AT_ONCE: "sofort",
        ProposalKind.REFER: "vermitteln an",
        ProposalKind.ASK_AGAIN: "neu fragen für",
        ProposalKind.SIGNPOST: "verweisen an",
        ProposalKind.INFORM: "informieren",
    },
    Requirement: {
        Requirement.CONSENT: "Einwilligung der Person",
        Requirement.GUARDIAN_CONSENT: "Einwilligung der Sorgeberechtigten",
        Requirement.EACH_ADULT_CONSENTS: "jede erwachsene Person willigt selbst ein",
        Requirement.REASON: "Grund angeben",
        Requirement.CASE_LEAD: "eine Fallführung vereinbaren",
        Requirement.APPOINTMENT: "Termin nötig",
    },
    Priority: {
        Priority.NEWCOMER: "zuerst: neu zugewandert",
        Priority.CATCH_UP: "nachholende Integration",
    },
    RankedBy: {
        RankedBy.CAPACITY: "freie Plätze",
        RankedBy.WISH: "Wunsch der Person",
        RankedBy.LANGUAGE: "Sprache",
        RankedBy.ALTERNATING: "täglicher Wechsel",
    },
}


def word(code: Code) -> str:
    """The German word for a code; the same code may read differently in another list."""
    return WORDS[type(code)][code]

"""The first part as data: who does what, and what every partner must hear of it."""

from collections.abc import Mapping
from typing import Any

from deploy.demo.cast import AWO, AWO_OFFER, CARITAS, CARITAS_OFFER, CITY, NEW_HOURS, OLD_HOURS
from deploy.demo.events import (
    ARRIVED,
    CHANGED,
    ENDED,
    HOURS_DIFFER,
    NEW_OFFER,
    NO_NAME_YET,
    PUBLISHED,
    RECEIVED,
    REQUESTED,
    STATUS_SHARED,
    WITHDRAWN,
)
from deploy.demo.first import acts
from deploy.demo.play import Chapter, Part, Play, Step, Told, all_but


def awos_offer(play: Play) -> Mapping[str, Any]:
    return {"offer_id": play.facts.awo_offer, "name": AWO_OFFER["name"]}


def caritas_offer(play: Play) -> Mapping[str, Any]:
    return {"offer_id": play.facts.caritas_offer, "name": CARITAS_OFFER["name"]}


def new_hours(play: Play) -> Mapping[str, Any]:
    changes = [{"field": "schedule", "previous": OLD_HOURS, "new": NEW_HOURS}]
    return {"offer_id": play.facts.caritas_offer, "changes": changes}


def this_referral(play: Play) -> Mapping[str, Any]:
    return {"referral_id": play.facts.referral}


def under_way(play: Play) -> Mapping[str, Any]:
    return {"referral_id": play.facts.referral, "status": "in-progress"}


def detached(play: Play) -> Mapping[str, Any]:
    return {"referral_id": play.facts.referral, "mode": "detached", "reason": "consent-withdrawn"}


def citys_case(play: Play) -> Mapping[str, Any]:
    return {"case_ref": play.facts.city_case, "scope": "transfer"}


def awos_case(play: Play) -> Mapping[str, Any]:
    return {"case_ref": play.facts.awo_case, "scope": "transfer"}


NOT_FOR_THE_CITY = "niemand: Mehr als „eingegangen“ darf die Stadt ohne Erlaubnis nicht erfahren"

CHAPTERS = (
    Chapter(
        "Vorab: Zwei Dienste machen ihre Angebote bekannt",
        (
            Step("AWO", acts.publish_awos_offer, all_but(AWO, PUBLISHED, NEW_OFFER, awos_offer)),
            Step(
                "Caritas",
                acts.publish_caritas_offer,
                all_but(CARITAS, PUBLISHED, NEW_OFFER, caritas_offer),
            ),
        ),
    ),
    Chapter(
        "1. Die Stadt informiert eine Person auf Arabisch",
        (Step("Stadt", acts.inform, note="niemand: Gezählt wird ohne Namen"),),
    ),
    Chapter(
        "2. Die Person willigt ein",
        (
            Step("Stadt", acts.register, note="niemand: Ohne Einwilligung wird nach 72 Stunden gelöscht"),
            Step("Stadt", acts.consent, note="niemand: Noch ist nichts weitergegeben"),
        ),
    ),
    Chapter(
        "3. Die Stadt vermittelt sie an die AWO",
        (Step("Stadt", acts.refer, (Told(AWO, REQUESTED, NO_NAME_YET, this_referral),)),),
    ),
    Chapter(
        "4. Die AWO liest die Anfrage und nimmt an",
        (
            Step("AWO", acts.fetch, (Told(CITY, RECEIVED, ARRIVED, this_referral),)),
            Step("AWO", acts.accept, note=NOT_FOR_THE_CITY),
        ),
    ),
    Chapter(
        "5. Die Beratung beginnt, und die Person erlaubt Rückmeldung",
        (
            Step("AWO", acts.start, note="niemand: Davon wissen nur die AWO und die Person"),
            Step("AWO", acts.allow_feedback, (Told(CITY, STATUS_SHARED, "die Beratung läuft", under_way),)),
        ),
    ),
    Chapter(
        "6. Die Caritas ändert ihre Öffnungszeiten",
        (Step("Caritas", acts.change_hours, all_but(CARITAS, CHANGED, HOURS_DIFFER, new_hours)),),
    ),
    Chapter(
        "7. Die Person nimmt ihre Einwilligung zurück",
        (
            Step("Stadt", acts.withdraw, note="gilt sofort, noch bevor es jemand erfährt"),
            Step("AWO", acts.fetch_in_vain, note="niemand: Ein abgelehnter Versuch gibt nichts preis"),
            Step(
                "Lotse",
                acts.end,
                (
                    Told(AWO, WITHDRAWN, "die Einwilligung ist zurückgenommen", awos_case),
                    Told(AWO, ENDED, "die Vermittlung ist beendet", detached),
                    Told(CITY, WITHDRAWN, "die Einwilligung ist zurückgenommen", citys_case),
                    Told(CITY, ENDED, "die Vermittlung ist beendet", detached),
                ),
            ),
        ),
    ),
    Chapter(
        "8. Das Jobcenter will mitlesen",
        (
            Step("Jobcenter", acts.read_foreign_stream, note="niemand"),
            Step("Jobcenter", acts.read_foreign_referral, note="niemand"),
        ),
    ),
)

FIRST = Part("Erster Teil: Eine Person findet Beratung", CHAPTERS)

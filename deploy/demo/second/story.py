"""The second part as data: who does what, and what every partner must hear of it."""

from collections.abc import Mapping
from typing import Any

from deploy.demo.cast import (
    AWO,
    CARITAS,
    CITY,
    CITY_CLERK,
    FROM_CITY,
    FROM_JOBCENTER,
    JOBCENTER,
    JOBCENTER_SYSTEM,
    LATER_HOURS,
    NEED,
    NEW_HOURS,
    TRAINING_TITLE,
    YOUTH_OFFER,
    Actor,
)
from deploy.demo.events import (
    AGREED,
    ANNOUNCED,
    ARRIVED,
    ATTENDED,
    CHANGED,
    COOPERATION_ENDED,
    EXPIRED,
    HOURS_DIFFER,
    NEED_STATED,
    NEW_OFFER,
    NO_NAME_YET,
    PROPOSED,
    PUBLISHED,
    RECEIVED,
    REGISTRATIONS_CHANGED,
    REJECTED,
    REMINDED,
    REQUESTED,
    STEP_DONE,
    STEP_PLANNED,
    TRAINING_OFFERED,
)
from deploy.demo.play import Chapter, Fields, Part, Play, Step, Told, all_but, all_of
from deploy.demo.second import acts


def later_hours(play: Play) -> Mapping[str, Any]:
    changes = [{"field": "schedule", "previous": NEW_HOURS, "new": LATER_HOURS}]
    return {"offer_id": play.facts.caritas_offer, "changes": changes}


def announced_hours(play: Play) -> Mapping[str, Any]:
    return {**later_hours(play), "act": "change", "effective_on": play.facts.change_day.isoformat()}


def youth_offer(play: Play) -> Mapping[str, Any]:
    return {"offer_id": play.facts.youth_offer, "name": YOUTH_OFFER["name"]}


def unanswered(play: Play) -> Mapping[str, Any]:
    return {"referral_id": play.facts.unanswered}


def reminded(level: str) -> Fields:
    """A reminder of the answer, for whom."""
    return lambda play: {**unanswered(play), "clock": "answer", "level": level}


def rejected(play: Play) -> Mapping[str, Any]:
    return {"referral_id": play.facts.rejected}


def not_eligible(play: Play) -> Mapping[str, Any]:
    return {**rejected(play), "reason": "not-eligible"}


def onward(play: Play) -> Mapping[str, Any]:
    return {"referral_id": play.facts.onward}


def cooperation(play: Play) -> Mapping[str, Any]:
    return {"cooperation_id": play.facts.cooperation}


def joint_step(play: Play) -> Mapping[str, Any]:
    return {**cooperation(play), "step_id": play.facts.joint_step}


def need(play: Play) -> Mapping[str, Any]:
    return {"training_need_id": play.facts.need, "description": NEED["description"]}


def training(play: Play) -> Mapping[str, Any]:
    return {"training_id": play.facts.training, "title": TRAINING_TITLE, "needs": [play.facts.need]}


def attended(play: Play) -> Mapping[str, Any]:
    return {"training_id": play.facts.training, "needs": [play.facts.need]}


def registered(*people: tuple[Actor, int]) -> Fields:
    """How many people each unit has registered so far."""
    registrations = [{"unit": who.unit, "people": number} for who, number in people]
    return lambda play: {"training_id": play.facts.training, "registrations": registrations}


FROM_ONE = registered((CITY_CLERK, FROM_CITY))
FROM_TWO = registered((JOBCENTER_SYSTEM, FROM_JOBCENTER), (CITY_CLERK, FROM_CITY))

CHAPTERS = (
    Chapter(
        "9. Die Caritas kündigt an, was sich bald ändert",
        (
            Step(
                "Caritas",
                acts.announce_hours,
                all_but(CARITAS, ANNOUNCED, "ab {effective_on} gilt „{changes[0][new]}“", announced_hours),
            ),
        ),
    ),
    Chapter(
        "10. AWO und Jobcenter arbeiten in einem Fall zusammen",
        (
            Step("AWO", acts.register_shared, note="niemand: Vorgeschlagen ist noch nichts"),
            Step(
                "AWO",
                acts.propose,
                (
                    Told(
                        JOBCENTER,
                        PROPOSED,
                        "die AWO fragt nach Zusammenarbeit",
                        cooperation,
                        case="shared_case_at_jobcenter",
                    ),
                ),
            ),
            Step("Jobcenter", acts.allow_the_way_back, note="niemand: Jede Richtung braucht ihre eigene Erlaubnis"),
            Step("Jobcenter", acts.agree, (Told(AWO, AGREED, "das Jobcenter arbeitet mit", cooperation),)),
            Step(
                "AWO", acts.plan_step, (Told(JOBCENTER, STEP_PLANNED, "ein Schritt, zu tun bis {due_on}", joint_step),)
            ),
            Step("Jobcenter", acts.finish_step, (Told(AWO, STEP_DONE, "der Schritt ist getan", joint_step),)),
            Step(
                "AWO",
                acts.end_cooperation,
                (Told(JOBCENTER, COOPERATION_ENDED, "die Zusammenarbeit ist beendet", cooperation),),
            ),
        ),
    ),
    Chapter(
        "11. Eine Fortbildung für einen Bedarf",
        (
            Step("Caritas", acts.state_need, all_but(CARITAS, NEED_STATED, "Bedarf: „{description}“", need)),
            Step("AWO", acts.offer_training, all_but(AWO, TRAINING_OFFERED, "Fortbildung „{title}“", training)),
            Step(
                "Stadt",
                acts.city_registers,
                all_but(
                    CITY, REGISTRATIONS_CHANGED, f"die Stadt kommt mit {FROM_CITY}", registered((CITY_CLERK, FROM_CITY))
                ),
            ),
            Step(
                "Jobcenter",
                acts.jobcenter_registers,
                all_but(JOBCENTER, REGISTRATIONS_CHANGED, f"das Jobcenter kommt mit {FROM_JOBCENTER}", FROM_TWO),
            ),
        ),
    ),
    Chapter(
        "12. Der Tag der angekündigten Änderung kommt",
        (Step("Die Uhr", acts.let_the_day_come, all_of(CHANGED, HOURS_DIFFER, later_hours)),),
        clock=True,
    ),
    Chapter(
        "13. Eine zweite Person sucht Beratung",
        (
            Step("Caritas", acts.publish_youth_offer, all_but(CARITAS, PUBLISHED, NEW_OFFER, youth_offer)),
            Step("Stadt", acts.register_youth, note="niemand: Noch ist nichts weitergegeben"),
        ),
    ),
    Chapter(
        "14. Niemand antwortet, und die Anfrage kommt zurück",
        (
            Step(
                "Stadt",
                acts.refer_to_awo,
                (Told(AWO, REQUESTED, NO_NAME_YET, unanswered, case="youth_case_at_awo"),),
            ),
            Step(
                "Die Uhr",
                acts.let_the_answer_be_late,
                (Told(AWO, REMINDED, "die Beratung wird an die Antwort erinnert", reminded("operational")),),
            ),
            Step(
                "Die Uhr",
                acts.let_it_escalate,
                (Told(AWO, REMINDED, "nun wird erinnert, wer dort koordiniert", reminded("coordinating")),),
            ),
            Step(
                "Die Uhr",
                acts.let_it_expire,
                (
                    Told(AWO, EXPIRED, "die Anfrage ist verfallen", unanswered),
                    Told(CITY, EXPIRED, "keine Antwort: Die Person wartet wieder auf die Stadt", unanswered),
                ),
            ),
        ),
        clock=True,
    ),
    Chapter(
        "15. Eine Anfrage wird abgelehnt und geht weiter",
        (
            Step(
                "Stadt",
                acts.refer_to_caritas,
                (Told(CARITAS, REQUESTED, NO_NAME_YET, rejected, case="youth_case_at_caritas"),),
            ),
            Step("Caritas", acts.fetch_youth, (Told(CITY, RECEIVED, ARRIVED, rejected),)),
            Step("Caritas", acts.reject, (Told(CITY, REJECTED, "abgelehnt, weil nicht zuständig", not_eligible),)),
            Step("Stadt", acts.go_onward, (Told(CARITAS, REQUESTED, NO_NAME_YET, onward),)),
            Step("Caritas", acts.accept_onward, (Told(CITY, RECEIVED, ARRIVED, onward),)),
        ),
    ),
    Chapter(
        "16. Die Fortbildung hat stattgefunden",
        (Step("AWO", acts.enter_attendance, all_but(AWO, ATTENDED, "besucht, je Partner gezählt", attended)),),
        clock=True,
    ),
)

SECOND = Part("Zweiter Teil: Was im Alltag dazwischenkommt", CHAPTERS)

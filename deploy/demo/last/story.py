"""The last part as data: what is taken back, who hears of that, and what the agreement says of it all."""

from collections.abc import Mapping
from typing import Any

from deploy.demo.cast import AWO, CARITAS, CITY, JOBCENTER
from deploy.demo.events import ENDED, ERASED, GONE, NEED_CLOSED, TRAINING_CANCELLED, WITHDRAWN
from deploy.demo.first.story import awos_offer, caritas_offer
from deploy.demo.last import acts
from deploy.demo.play import Chapter, Part, Play, Step, Told, all_but
from deploy.demo.second.story import need, onward, training, youth_offer


def recalled(play: Play) -> Mapping[str, Any]:
    return {**onward(play), "mode": "cancelled", "reason": "recalled"}


def first_at_city(play: Play) -> Mapping[str, Any]:
    return {"case_ref": play.facts.city_case, "scope": "feedback-status"}


def first_at_awo(play: Play) -> Mapping[str, Any]:
    return {"case_ref": play.facts.awo_case}


def youth_at_city(play: Play) -> Mapping[str, Any]:
    return {"case_ref": play.facts.youth_case_at_city, "scope": "transfer"}


def youth_at_awo(play: Play) -> Mapping[str, Any]:
    return {"case_ref": play.facts.youth_case_at_awo}


def youth_at_caritas(play: Play) -> Mapping[str, Any]:
    return {"case_ref": play.facts.youth_case_at_caritas}


def shared_at_awo(play: Play) -> Mapping[str, Any]:
    return {"case_ref": play.facts.shared_case_at_awo, "scope": "cooperation"}


def shared_at_jobcenter(play: Play) -> Mapping[str, Any]:
    return {"case_ref": play.facts.shared_case_at_jobcenter}


NO_MORE = "„{name}“ gibt es nicht mehr"
ANSWERED = "niemand: Nachlesen kann es, wer die Person aufgenommen hat"
NO_CONSENT = "die Einwilligungen der Person sind beendet"
TO_BE_ERASED = "was über Lotse von der Person kam, ist zu löschen"
OF_THE_FIRST = (
    Told(CITY, WITHDRAWN, "die Einwilligung ist beendet", first_at_city),
    Told(AWO, WITHDRAWN, "die Einwilligung ist beendet", first_at_awo),
    Told(AWO, ERASED, TO_BE_ERASED, first_at_awo),
)
OF_THE_YOUTH = (
    Told(CITY, WITHDRAWN, NO_CONSENT, youth_at_city),
    Told(CITY, WITHDRAWN, NO_CONSENT, youth_at_city),
    Told(CITY, WITHDRAWN, NO_CONSENT, youth_at_city),
    Told(AWO, WITHDRAWN, NO_CONSENT, youth_at_awo, clock=True),
    Told(CARITAS, WITHDRAWN, NO_CONSENT, youth_at_caritas),
    Told(CARITAS, WITHDRAWN, NO_CONSENT, youth_at_caritas),
    Told(AWO, ERASED, TO_BE_ERASED, youth_at_awo, clock=True),
    Told(CARITAS, ERASED, TO_BE_ERASED, youth_at_caritas),
)
OF_THE_SHARED_CASE = (
    Told(AWO, WITHDRAWN, NO_CONSENT, shared_at_awo),
    Told(AWO, WITHDRAWN, NO_CONSENT, shared_at_awo),
    Told(JOBCENTER, WITHDRAWN, NO_CONSENT, shared_at_jobcenter),
    Told(JOBCENTER, WITHDRAWN, NO_CONSENT, shared_at_jobcenter),
    Told(JOBCENTER, ERASED, TO_BE_ERASED, shared_at_jobcenter),
)

CHAPTERS = (
    Chapter(
        "Danach: Aufräumen und nachprüfen",
        (
            Step(
                "Stadt",
                acts.take_back_referral,
                (Told(CARITAS, ENDED, "die Vermittlung ist beendet", recalled),),
            ),
            Step("Stadt", acts.erase_first, OF_THE_FIRST),
            Step("Stadt", acts.erase_youth, OF_THE_YOUTH),
            Step("AWO", acts.erase_shared, OF_THE_SHARED_CASE),
            Step("AWO", acts.awo_answers, note=ANSWERED),
            Step("Caritas", acts.caritas_answers, note=ANSWERED),
            Step("Jobcenter", acts.jobcenter_answers, note=ANSWERED),
            Step("AWO", acts.take_back_awos_offer, all_but(AWO, GONE, NO_MORE, awos_offer)),
            Step("Caritas", acts.take_back_caritas_offer, all_but(CARITAS, GONE, NO_MORE, caritas_offer)),
            Step("Caritas", acts.take_back_youth_offer, all_but(CARITAS, GONE, NO_MORE, youth_offer)),
            Step(
                "AWO",
                acts.cancel_training,
                all_but(AWO, TRAINING_CANCELLED, "„{title}“ fällt aus", training),
                clock=False,
            ),
            Step("Caritas", acts.close_need, all_but(CARITAS, NEED_CLOSED, "der Bedarf besteht nicht mehr", need)),
            Step("Lotse", acts.look_through_streams, note="jeder hörte, was ihn angeht, und sonst nichts"),
        ),
    ),
    Chapter(
        "Zum Schluss: Was die Vereinbarung verlangt, und was davon getan ist",
        (Step("Lotse", acts.count, note="alle Partner können es nachlesen"),),
    ),
)

LAST = Part("Dritter Teil: Aufräumen und abrechnen", CHAPTERS)

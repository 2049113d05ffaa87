"""What is done in the second part. Each act says afterwards, in German, what was done."""

from datetime import date, datetime, timedelta

from deploy.demo.cast import (
    ATTENDANCE,
    AWO_COUNSELLOR,
    AWO_SYSTEM,
    CARITAS,
    CARITAS_COORDINATOR,
    CARITAS_COUNSELLOR,
    CARITAS_OFFER,
    CITY_CLERK,
    FROM_CITY,
    FROM_JOBCENTER,
    JOBCENTER_CLERK,
    JOBCENTER_SYSTEM,
    LATER_HOURS,
    NEED,
    SEATS,
    SHARED,
    TRAINING_TITLE,
    YOUTH,
    YOUTH_COUNSELLOR,
    YOUTH_OFFER,
    Actor,
    signed,
    training,
)
from deploy.demo.play import Play, german_days
from deploy.demo.reading import city_reads
from deploy.demo.unexpected import Unexpected
from schemas.calendar import local_day, local_midnight

ANNOUNCED_AHEAD = timedelta(days=3)
# By then the 2 working days until the second reminder, and the 12 further ones until the expiry, have passed for
# certain: weekends, and as many holidays as can come together.
ESCALATED_AFTER, EXPIRED_AFTER = timedelta(days=8), timedelta(days=24)
# Everything falls due at midnight; the clock goes on to the morning after.
MORNING = timedelta(hours=8)


async def announce_hours(play: Play) -> str:
    play.facts.change_day = play.today + ANNOUNCED_AHEAD
    path = f"/v1/offers/{play.facts.caritas_offer}"
    state = {**CARITAS_OFFER, "schedule": LATER_HOURS, "effective_on": play.facts.change_day.isoformat()}
    await play.services.replace(CARITAS_COORDINATOR, "referral", path, state)
    return f"kündigt neue Öffnungszeiten von „{CARITAS_OFFER['name']}“ an, gültig in drei Tagen"


async def register_shared(play: Play) -> str:
    answer = await play.services.change(AWO_COUNSELLOR, "intake", "/v1/persons", SHARED)
    play.facts.shared_case_at_awo = answer.body["case_ref"]
    path = f"/v1/persons/{play.facts.shared_case_at_awo}/consents"
    wanted = signed(play.now, "cooperation", AWO_COUNSELLOR.unit, JOBCENTER_CLERK.unit)
    await play.services.change(AWO_COUNSELLOR, "intake", path, wanted)
    return "berät eine andere Person. Sie erlaubt, dass die AWO mit dem Jobcenter über ihren Fall spricht"


async def propose(play: Play) -> str:
    case_ref, units = play.facts.shared_case_at_awo, [JOBCENTER_CLERK.unit]
    wanted = {"case_ref": case_ref, "units": units, "responsible": "Beratung MBE"}
    answer = await play.services.change(AWO_COUNSELLOR, "referral", "/v1/cooperations", wanted)
    play.facts.cooperation = answer.body["cooperation_id"]
    return "schlägt dem Jobcenter vor, in diesem Fall zusammenzuarbeiten"


async def allow_the_way_back(play: Play) -> str:
    wanted = signed(play.now, "cooperation", JOBCENTER_CLERK.unit, AWO_COUNSELLOR.unit)
    await play.services.change(JOBCENTER_CLERK, "intake", _cooperation(play, "/consents"), wanted)
    return "fragt die Person; sie erlaubt auch dem Jobcenter, mit der AWO zu sprechen"


async def agree(play: Play) -> str:
    taking_part = {"responsible": "Fallmanagement"}
    await play.services.change(JOBCENTER_CLERK, "referral", _cooperation(play, "/agree"), taking_part)
    return "stimmt der Zusammenarbeit zu"


async def plan_step(play: Play) -> str:
    due_on = (play.today + timedelta(days=14)).isoformat()
    step = {"kind": "benefit-application", "unit": JOBCENTER_CLERK.unit, "due_on": due_on}
    answer = await play.services.change(AWO_COUNSELLOR, "referral", _cooperation(play, "/steps"), step)
    play.facts.joint_step = answer.body["steps"][0]["step_id"]
    return "hält fest, was vereinbart ist: Das Jobcenter hilft binnen zwei Wochen beim Antrag"


async def finish_step(play: Play) -> str:
    path = _cooperation(play, f"/steps/{play.facts.joint_step}/done")
    await play.services.change(JOBCENTER_CLERK, "referral", path)
    return "meldet den Schritt als erledigt"


async def end_cooperation(play: Play) -> str:
    await play.services.change(AWO_COUNSELLOR, "referral", _cooperation(play, "/end"), {"reason": "aim-reached"})
    return "beendet die Zusammenarbeit: Das Ziel ist erreicht"


async def state_need(play: Play) -> str:
    answer = await play.services.change(CARITAS_COORDINATOR, "referral", "/v1/training-needs", NEED)
    play.facts.need = answer.body["training_need_id"]
    return f"meldet Fortbildungsbedarf: „{NEED['description']}“, {NEED['people']} Personen"


async def offer_training(play: Play) -> str:
    offered = training(play.facts.need, play.today)
    answer = await play.services.change(AWO_SYSTEM, "referral", "/v1/trainings", offered)
    play.facts.training = answer.body["training_id"]
    return f"bietet dazu eine Fortbildung an: „{TRAINING_TITLE}“, {SEATS} Plätze"


async def city_registers(play: Play) -> str:
    return await _registered(play, CITY_CLERK, FROM_CITY)


async def jobcenter_registers(play: Play) -> str:
    return await _registered(play, JOBCENTER_SYSTEM, FROM_JOBCENTER)


async def let_the_day_come(play: Play) -> str:
    return await _let_pass(play, local_midnight(play.facts.change_day) + MORNING)


async def publish_youth_offer(play: Play) -> str:
    answer = await play.services.change(YOUTH_COUNSELLOR, "referral", "/v1/offers", YOUTH_OFFER)
    play.facts.youth_offer = answer.body["offer_id"]
    return f"gibt ein Angebot bekannt: „{YOUTH_OFFER['name']}“"


async def register_youth(play: Play) -> str:
    answer = await play.services.change(CITY_CLERK, "intake", "/v1/persons", YOUTH)
    play.facts.youth_case_at_city = answer.body["case_ref"]
    path = f"/v1/persons/{play.facts.youth_case_at_city}/consents"
    units = (AWO_SYSTEM.unit, CARITAS_COUNSELLOR.unit, YOUTH_COUNSELLOR.unit)
    wanted = signed(
        play.now, "transfer", CITY_CLERK.unit, *units, categories=["identity", "contact", "language", "age"]
    )
    await play.services.change(CITY_CLERK, "intake", path, wanted)
    return "nimmt einen 22-Jährigen auf, der mit einer Unterschrift drei Beratungsstellen nennt"


async def refer_to_awo(play: Play) -> str:
    play.facts.unanswered = await _refer(play, play.facts.awo_offer)
    seen = await city_reads(play, play.facts.unanswered, "requested")
    play.facts.due_at = datetime.fromisoformat(seen["deadline"]["due_at"])
    last_day = local_day(play.facts.due_at - timedelta(seconds=1))
    return f"vermittelt ihn an die AWO, die bis zum {_german(last_day)} antworten soll"


async def let_the_answer_be_late(play: Play) -> str:
    return await _let_pass(play, play.facts.due_at + MORNING)


async def let_it_escalate(play: Play) -> str:
    return await _let_pass(play, play.facts.due_at + ESCALATED_AFTER + MORNING)


async def let_it_expire(play: Play) -> str:
    return await _let_pass(play, play.facts.due_at + EXPIRED_AFTER + MORNING)


async def refer_to_caritas(play: Play) -> str:
    """Onward from the one that nobody answered, where the clock let it expire."""
    play.facts.rejected = await _refer(play, play.facts.caritas_offer, based_on=play.facts.unanswered or None)
    return "vermittelt ihn an die Migrationsberatung der Caritas"


async def fetch_youth(play: Play) -> str:
    referral = play.last[CARITAS].data["referral_id"]
    path = f"/v1/referrals/{referral}/person"
    answer = await play.services.change(CARITAS_COUNSELLOR, "intake", path, method="GET")
    if answer.body["age"]["age_band"] != YOUTH["age_band"]:
        raise Unexpected("ein Alter von 18 bis 26", str(answer.body["age"]))
    return "holt die Angaben ab und sieht: Er ist jünger als 27"


async def reject(play: Play) -> str:
    path = f"/v1/referrals/{play.facts.rejected}/reject"
    await play.services.change(CARITAS_COUNSELLOR, "referral", path, {"reason": "not-eligible"})
    await city_reads(play, play.facts.rejected, "rejected")
    return "lehnt ab: Für junge Menschen unter 27 ist der Jugendmigrationsdienst da"


async def go_onward(play: Play) -> str:
    play.facts.onward = await _refer(play, play.facts.youth_offer, based_on=play.facts.rejected)
    return "vermittelt ihn weiter an den Jugendmigrationsdienst, ohne neue Unterschrift: Er hat ihn schon genannt"


async def accept_onward(play: Play) -> str:
    planned_on = (play.today + timedelta(days=5)).isoformat()
    taken = {"responsible": "Beratung JMD", "first_contact_planned_on": planned_on}
    await play.services.change(YOUTH_COUNSELLOR, "referral", f"/v1/referrals/{play.facts.onward}/accept", taken)
    return "nimmt an und lädt ihn für kommende Woche ein"


async def enter_attendance(play: Play) -> str:
    path, attended = f"/v1/trainings/{play.facts.training}", {"attendance": ATTENDANCE}
    await play.services.replace(AWO_SYSTEM, "referral", path, attended, part="/attendance")
    return f"trägt ein, wie viele da waren. Die Fortbildung „{TRAINING_TITLE}“ ist inzwischen vorbei"


async def _refer(play: Play, offer: str, based_on: str | None = None) -> str:
    wanted = {"case_ref": play.facts.youth_case_at_city, "offer_id": offer, "based_on": based_on}
    answer = await play.services.change(CITY_CLERK, "referral", "/v1/referrals", wanted)
    return str(answer.body["referral_id"])


async def _registered(play: Play, who: Actor, people: int) -> str:
    path = f"/v1/trainings/{play.facts.training}/registrations"
    await play.services.change(who, "referral", path, {"people": people}, method="PUT")
    return f"meldet {people} Personen an; gezählt werden sie, nicht genannt"


async def _let_pass(play: Play, until: datetime) -> str:
    await play.let_pass(until)
    return f"geht vor: Es ist jetzt der {_german(play.today)}, 8 Uhr"


def _cooperation(play: Play, more: str) -> str:
    return f"/v1/cooperations/{play.facts.cooperation}{more}"


def _german(day: date) -> str:
    return german_days(day.isoformat())

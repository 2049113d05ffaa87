"""What is done in the first part. Each act says afterwards, in German, what was done."""

from datetime import timedelta

from deploy.demo.cast import (
    AWO,
    AWO_COUNSELLOR,
    AWO_OFFER,
    AWO_SYSTEM,
    CARITAS_COORDINATOR,
    CARITAS_OFFER,
    CITY_CLERK,
    JOBCENTER,
    JOBCENTER_SYSTEM,
    LANGUAGE,
    NEW_HOURS,
    PERSON,
    signed,
)
from deploy.demo.play import Play
from deploy.demo.reading import city_reads, counted
from deploy.demo.stream import is_closed_to
from deploy.demo.unexpected import Unexpected


async def publish_awos_offer(play: Play) -> str:
    play.facts.counted_before = await counted(play)
    answer = await play.services.change(AWO_SYSTEM, "referral", "/v1/offers", AWO_OFFER)
    play.facts.awo_offer = answer.body["offer_id"]
    return f"gibt ein Angebot bekannt: „{AWO_OFFER['name']}“, {AWO_OFFER['schedule']}"


async def publish_caritas_offer(play: Play) -> str:
    answer = await play.services.change(CARITAS_COORDINATOR, "referral", "/v1/offers", CARITAS_OFFER)
    play.facts.caritas_offer = answer.body["offer_id"]
    return f"gibt ein Angebot bekannt: „{CARITAS_OFFER['name']}“, {CARITAS_OFFER['schedule']}"


async def inform(play: Play) -> str:
    await play.services.change(CITY_CLERK, "intake", "/v1/information", {"language": LANGUAGE, "count": 1})
    return "informiert eine Person auf Arabisch über die Angebote und zählt: 1"


async def register(play: Play) -> str:
    answer = await play.services.change(CITY_CLERK, "intake", "/v1/persons", PERSON)
    play.facts.city_case = answer.body["case_ref"]
    return "nimmt Name, Telefon, Sprache und Altersgruppe auf, jedes für sich verschlüsselt"


async def consent(play: Play) -> str:
    wanted = signed(
        play.now, "transfer", CITY_CLERK.unit, AWO_SYSTEM.unit, categories=["identity", "contact", "language"]
    )
    path = f"/v1/persons/{play.facts.city_case}/consents"
    answer = await play.services.change(CITY_CLERK, "intake", path, wanted)
    play.facts.consent = answer.body["consents"][0]["consent_ref"]
    return "hält die Unterschrift fest: Die AWO darf Name, Telefon und Sprache erfahren, das Alter nicht"


async def refer(play: Play) -> str:
    offer = await play.services.look(CITY_CLERK, "referral", f"/v1/offers/{play.facts.awo_offer}")
    wanted = {"case_ref": play.facts.city_case, "offer_id": offer["offer_id"]}
    answer = await play.services.change(CITY_CLERK, "referral", "/v1/referrals", wanted)
    play.facts.referral = answer.body["referral_id"]
    return f"wählt „{offer['name']}“ der AWO und vermittelt die Person dorthin"


async def fetch(play: Play) -> str:
    """AWO knows the referral from its own stream alone."""
    referral = play.last[AWO].data["referral_id"]
    path = f"/v1/referrals/{referral}/person"
    answer = await play.services.change(AWO_SYSTEM, "intake", path, method="GET")
    play.facts.awo_case = answer.body["case_ref"]
    if set(answer.body) != {"referral_id", "case_ref", "identity", "contact", "language"}:
        raise Unexpected("Name, Kontakt und Sprache, sonst nichts", ", ".join(sorted(answer.body)))
    return f"holt die erlaubten Angaben ab: {answer.body['identity']['name']}, Arabisch, mit Dolmetschen"


async def accept(play: Play) -> str:
    planned_on = (play.today + timedelta(days=7)).isoformat()
    taken = {"responsible": "Beratung MBE", "first_contact_planned_on": planned_on}
    await play.services.change(AWO_SYSTEM, "referral", _referral(play, "/accept"), taken)
    await city_reads(play, play.facts.referral, "received")
    return "nimmt an. Fragt die Stadt jetzt nach, liest sie nur: „eingegangen“"


async def start(play: Play) -> str:
    begun = {"first_contact_on": play.today.isoformat()}
    await play.services.change(AWO_COUNSELLOR, "referral", _referral(play, "/start"), begun)
    await city_reads(play, play.facts.referral, "received")
    return "führt das erste Gespräch"


async def allow_feedback(play: Play) -> str:
    wanted = signed(play.now, "feedback-status", AWO_COUNSELLOR.unit, CITY_CLERK.unit)
    path = f"/v1/referrals/{play.facts.referral}/consents"
    await play.services.change(AWO_COUNSELLOR, "intake", path, wanted)
    return "fragt die Person; sie erlaubt, dass die Stadt den Stand erfährt"


async def change_hours(play: Play) -> str:
    path, state = f"/v1/offers/{play.facts.caritas_offer}", {**CARITAS_OFFER, "schedule": NEW_HOURS}
    await play.services.replace(CARITAS_COORDINATOR, "referral", path, state)
    return f"ändert die Öffnungszeiten von „{CARITAS_OFFER['name']}“"


async def withdraw(play: Play) -> str:
    await play.services.change(CITY_CLERK, "intake", f"/v1/consents/{play.facts.consent}/withdraw", {})
    return "hält fest: Die Person nimmt ihre Einwilligung zurück"


async def fetch_in_vain(play: Play) -> str:
    await play.services.be_refused(AWO_SYSTEM, "intake", f"/v1/referrals/{play.facts.referral}/person", 403)
    return "will die Angaben noch einmal abholen: abgelehnt (403)"


async def end(_play: Play) -> str:
    """Nobody acts: the withdrawal has this effect, and it is timed from the withdrawal."""
    return "beendet die Vermittlung. Die Beratung gehört nun allein der AWO und der Person"


async def read_foreign_stream(play: Play) -> str:
    if not await is_closed_to(play.stage.logins[JOBCENTER], play.stage.topics[AWO]):
        raise Unexpected("dass Kafka dem Jobcenter den Strom der AWO verweigert", "ein Zugang")
    return "will den Nachrichtenstrom der AWO mitlesen: von Kafka abgelehnt"


async def read_foreign_referral(play: Play) -> str:
    await play.services.be_refused(JOBCENTER_SYSTEM, "referral", _referral(play), 404)
    await play.services.be_refused(JOBCENTER_SYSTEM, "intake", _referral(play, "/person"), 404)
    return "fragt nach der Vermittlung und nach der Person: Gibt es für das Jobcenter nicht (404)"


def _referral(play: Play, more: str = "") -> str:
    return f"/v1/referrals/{play.facts.referral}{more}"

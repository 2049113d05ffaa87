"""What is done in the Koblenz story. Each act says afterwards, in German, what was done."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from deploy.demo.cast import (
    AWO,
    AWO_COUNSELLOR,
    AWO_OFFER,
    AWO_SYSTEM,
    CARITAS_COORDINATOR,
    CARITAS_OFFER,
    CITY,
    CITY_CLERK,
    INTERPRETER,
    JOBCENTER,
    JOBCENTER_SYSTEM,
    LANGUAGE,
    NAME,
    NEW_HOURS,
    NOTICE,
    PERSON,
    PHONE,
)
from deploy.demo.play import Play
from deploy.demo.stream import is_closed_to
from deploy.demo.unexpected import Unexpected
from schemas.calendar import local_day

CONSENT_HOLDS = timedelta(days=180)
COUNTED_WITHIN_SECONDS = 15.0

# By how much one story adds to a clause: a person informed, a referral received; five messages about offers, of
# which the City hears each and the three others of each offer hear each.
ADDED = {"K1": 1, "K2": 1, "K4": 5, "K8": 15}


async def publish_awos_offer(play: Play) -> str:
    play.facts.counted_before = _counted(await play.services.look(CITY_CLERK, "reporting", "/v1/compliance"))
    answer = await play.services.change(AWO_SYSTEM, "referral", "/v1/offers", AWO_OFFER)
    play.facts.awo_offer = answer.body["offer_id"]
    return f"gibt ein Angebot bekannt: „{AWO_OFFER['name']}“, {AWO_OFFER['schedule']}"


async def publish_caritas_offer(play: Play) -> str:
    answer = await play.services.change(CARITAS_COORDINATOR, "referral", "/v1/offers", CARITAS_OFFER)
    play.facts.caritas_offer, play.facts.caritas_etag = answer.body["offer_id"], answer.etag
    return f"gibt ein Angebot bekannt: „{CARITAS_OFFER['name']}“, {CARITAS_OFFER['schedule']}"


async def inform(play: Play) -> str:
    await play.services.change(CITY_CLERK, "intake", "/v1/information", {"language": LANGUAGE, "count": 1})
    return "informiert eine Person auf Arabisch über die Angebote und zählt: 1"


async def register(play: Play) -> str:
    answer = await play.services.change(CITY_CLERK, "intake", "/v1/persons", PERSON)
    play.facts.city_case = answer.body["case_ref"]
    return "nimmt Name, Telefon, Sprache und Altersgruppe auf, jedes für sich verschlüsselt"


async def consent(play: Play) -> str:
    wanted = _consent(CITY_CLERK.unit, AWO_SYSTEM.unit, "transfer", ["identity", "contact", "language"])
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
    planned_on = (local_day(datetime.now(UTC)) + timedelta(days=7)).isoformat()
    taken = {"responsible": "Beratung MBE", "first_contact_planned_on": planned_on}
    await play.services.change(AWO_SYSTEM, "referral", _referral(play, "/accept"), taken)
    await _city_reads(play, "received")
    return "nimmt an. Fragt die Stadt jetzt nach, liest sie nur: „eingegangen“"


async def start(play: Play) -> str:
    today = local_day(datetime.now(UTC)).isoformat()
    await play.services.change(AWO_COUNSELLOR, "referral", _referral(play, "/start"), {"first_contact_on": today})
    await _city_reads(play, "received")
    return "führt das erste Gespräch"


async def allow_feedback(play: Play) -> str:
    wanted = _consent(AWO_COUNSELLOR.unit, CITY_CLERK.unit, "feedback-status", [])
    path = f"/v1/referrals/{play.facts.referral}/consents"
    await play.services.change(AWO_COUNSELLOR, "intake", path, wanted)
    return "fragt die Person; sie erlaubt, dass die Stadt den Stand erfährt"


async def change_hours(play: Play) -> str:
    path, state = f"/v1/offers/{play.facts.caritas_offer}", {**CARITAS_OFFER, "schedule": NEW_HOURS}
    await play.services.change(
        CARITAS_COORDINATOR, "referral", path, state, method="PUT", if_match=play.facts.caritas_etag
    )
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


async def take_back_awos_offer(play: Play) -> str:
    await play.services.change(AWO_SYSTEM, "referral", f"/v1/offers/{play.facts.awo_offer}/withdraw")
    return "nimmt das Angebot dieser Vorführung zurück"


async def take_back_caritas_offer(play: Play) -> str:
    await play.services.change(CARITAS_COORDINATOR, "referral", f"/v1/offers/{play.facts.caritas_offer}/withdraw")
    return "nimmt das Angebot dieser Vorführung zurück"


async def look_through_streams(play: Play) -> str:
    """Nobody heard more than was expected, and nobody read about the person what only the gate hands out."""
    await play.must_have_heard_all()
    heard = [event for listener in play.listeners.values() for event in listener.heard]
    for secret in (NAME, PHONE):
        if leaks := [event for event in heard if secret.encode() in event.raw]:
            raise Unexpected("keine Angabe zur Person in einer Nachricht", f"eine in {leaks[0].type}")
    return f"prüft die {len(heard)} Nachrichten aller Partner: keine zu viel, nirgends Name oder Telefon"


async def count(play: Play) -> str:
    """Reporting counts a moment after the others were told; it is asked until it has."""
    deadline = time.monotonic() + COUNTED_WITHIN_SECONDS
    while True:
        found = await play.services.look(CITY_CLERK, "reporting", "/v1/compliance")
        lacking = _lacking(play.facts.counted_before, _counted(found))
        if not lacking:
            play.facts.compliance = found
            return f"rechnet aus den Ereignissen, was von der Vereinbarung {found['year']} getan ist"
        if time.monotonic() > deadline:
            raise Unexpected(f"mindestens {lacking}", f"{_counted(found)}")
        await asyncio.sleep(0.05)


def _counted(compliance: dict[str, Any]) -> dict[str, int]:
    return {each["id"]: each["done"] for each in compliance["clauses"] if each["done"] is not None}


def _lacking(before: dict[str, int], now: dict[str, int]) -> dict[str, int]:
    """What the clauses should have reached by now and have not."""
    wanted = {clause: before.get(clause, 0) + added for clause, added in ADDED.items()}
    return {clause: done for clause, done in wanted.items() if now.get(clause, 0) < done}


def _consent(from_unit: str, to_unit: str, scope: str, categories: list[str]) -> dict[str, Any]:
    until = datetime.now(UTC) + CONSENT_HOLDS
    one = {"from_unit": from_unit, "to_unit": to_unit, "scope": scope, "data_categories": categories}
    consents = [{**one, "valid_until": until.isoformat()}]
    return {"consents": consents, "notice": NOTICE, "interpreter": INTERPRETER, "form": "paper"}


def _referral(play: Play, more: str = "") -> str:
    return f"/v1/referrals/{play.facts.referral}{more}"


async def _city_reads(play: Play, state: str) -> None:
    seen = await play.services.look(CITY_CLERK, "referral", _referral(play))
    if seen["state"] != state:
        raise Unexpected(f"dass {CITY} den Stand {state} liest", seen["state"])

"""What is done in the last part. Each act says afterwards, in German, what was done."""

import asyncio
import time
from typing import Any

from deploy.demo.cast import (
    AWO_COUNSELLOR,
    AWO_SYSTEM,
    CARITAS_COORDINATOR,
    CITY_CLERK,
    JOBCENTER_SYSTEM,
    NEED,
    SECRETS,
    TRAINING_TITLE,
    YOUTH_COUNSELLOR,
    Actor,
)
from deploy.demo.play import Play
from deploy.demo.reading import compliance, counted
from deploy.demo.unexpected import Unexpected

COUNTED_WITHIN_SECONDS = 15.0

# By how much one story adds to a clause at least: a person informed, three referrals received, a cooperation agreed
# and ended; seven messages about offers, of which the City hears each and the three others of each offer hear each.
ADDED = {"K1": 1, "K2": 3, "K4": 7, "K8": 21, "K9": 2}
# And where time goes by, a training that took place.
ADDED_BY_CLOCK = {"K10": 1}


async def take_back_awos_offer(play: Play) -> str:
    return await _take_back(play, AWO_SYSTEM, play.facts.awo_offer)


async def take_back_caritas_offer(play: Play) -> str:
    return await _take_back(play, CARITAS_COORDINATOR, play.facts.caritas_offer)


async def take_back_youth_offer(play: Play) -> str:
    return await _take_back(play, YOUTH_COUNSELLOR, play.facts.youth_offer)


async def cancel_training(play: Play) -> str:
    await play.services.change(AWO_SYSTEM, "referral", f"/v1/trainings/{play.facts.training}/cancel")
    return f"sagt die Fortbildung „{TRAINING_TITLE}“ ab: Sie gehörte nur zu dieser Vorführung"


async def close_need(play: Play) -> str:
    await play.services.change(CARITAS_COORDINATOR, "referral", f"/v1/training-needs/{play.facts.need}/close")
    return f"schließt den Bedarf „{NEED['description']}“"


async def take_back_referral(play: Play) -> str:
    path = f"/v1/referrals/{play.facts.onward}/cancel"
    await play.services.change(CITY_CLERK, "referral", path, {"reason": "recalled"})
    return "nimmt die letzte Vermittlung zurück: Sie gehörte nur zu dieser Vorführung"


async def erase_first(play: Play) -> str:
    await _erase(play, CITY_CLERK, play.facts.city_case)
    return "löscht die Angaben der ersten Person. Auch ihre letzte Einwilligung endet damit"


async def erase_youth(play: Play) -> str:
    await _erase(play, CITY_CLERK, play.facts.youth_case_at_city)
    return "löscht die Angaben der zweiten Person. Damit enden alle ihre Einwilligungen"


async def erase_shared(play: Play) -> str:
    await _erase(play, AWO_COUNSELLOR, play.facts.shared_case_at_awo)
    return "löscht die Angaben der Person aus dem gemeinsamen Fall"


async def awo_answers(play: Play) -> str:
    return await _answer_recalls(play, AWO_SYSTEM)


async def caritas_answers(play: Play) -> str:
    return await _answer_recalls(play, CARITAS_COORDINATOR)


async def jobcenter_answers(play: Play) -> str:
    return await _answer_recalls(play, JOBCENTER_SYSTEM)


async def look_through_streams(play: Play) -> str:
    """Nobody heard more than was expected, and nobody read about a person what only the gate hands out."""
    await play.must_have_heard_all()
    heard = [event for listener in play.listeners.values() for event in listener.heard]
    for secret in SECRETS:
        if leaks := [event for event in heard if secret.encode() in event.raw]:
            raise Unexpected("keine Angabe zu einer Person in einer Nachricht", f"eine in {leaks[0].type}")
    return f"prüft die {len(heard)} Nachrichten aller Partner: keine zu viel, nirgends Name oder Telefon"


async def count(play: Play) -> str:
    """Reporting counts a moment after the others were told; it is asked until it has."""
    deadline = time.monotonic() + COUNTED_WITHIN_SECONDS
    added = ADDED | (ADDED_BY_CLOCK if play.has_clock else {})
    while lacking := _lacking(play.facts.counted_before, added, found := await counted(play)):
        if time.monotonic() > deadline:
            raise Unexpected(f"mindestens {lacking}", f"{found}")
        await asyncio.sleep(0.05)
    play.facts.compliance = await compliance(play, play.began.year)
    return f"rechnet aus den Ereignissen, was von der Vereinbarung {play.began.year} getan ist"


def _lacking(before: dict[str, int], added: dict[str, int], now: dict[str, int]) -> dict[str, int]:
    """What the clauses should have reached by now and have not."""
    wanted = {clause: before.get(clause, 0) + more for clause, more in added.items()}
    return {clause: done for clause, done in wanted.items() if now.get(clause, 0) < done}


async def _take_back(play: Play, who: Actor, offer: str) -> str:
    await play.services.change(who, "referral", f"/v1/offers/{offer}/withdraw")
    return "nimmt das Angebot dieser Vorführung zurück"


async def _erase(play: Play, who: Actor, case_ref: str) -> None:
    await play.services.change(who, "intake", f"/v1/persons/{case_ref}/erase", {})


async def _answer_recalls(play: Play, who: Actor) -> str:
    """Say what became of what was told: nothing of this story may be asked for when its time is over."""
    ours = [each for each in await _open_recalls(play, who) if each["case_ref"] in play.facts.ids]
    if not ours:
        raise Unexpected(f"eine Rückfrage an {who.name}", "keine")
    for recall in ours:
        goes_on = recall["case_ref"] == play.facts.awo_case
        answer = {"action": "kept-on-own-basis" if goes_on else "deleted"}
        await play.services.change(who, "notifier", f"/v1/recalls/{recall['event_id']}/acknowledge", answer)
    return f"beantwortet {len(ours)} Rückfragen von Lotse: gelöscht, oder auf eigener Grundlage behalten"


async def _open_recalls(play: Play, who: Actor) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after = ""
    while True:
        page = await play.services.look(who, "notifier", f"/v1/recalls?limit=1000{after}")
        found += page["recalls"]
        if page["next_after"] is None:
            return found
        after = f"&after={page['next_after']}"

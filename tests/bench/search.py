"""Searching ten thousand offers: each filter by itself, all of them together, and none."""

import json
import random
from typing import Any

from schemas import new_id
from schemas.codes import Accessibility, Concern, LanguageTag
from schemas.directory import Capacity
from services.referral.model.opening import WEEKDAYS
from tests.bench.figures import Section, Sizes
from tests.bench.ground import Ground
from tests.bench.leafing import leaf
from tests.faults.people import AWO, offer_state

OFFERS = 10_000
CLOSURES = 100
LANGUAGES = ("de", "ar", "uk", "ru", "tr", "fa", "fr", "en", "so", "ti", "ku", "ps", "sq", "pl", "ro")
INSERT = """
    insert into referral.entry (entry_id, kind, state, capacity, version, published_at, changed_at, assured_on)
    values ($1, $2, $3, $4, 1, now(), now(), current_date)
    """


def some(drawn: random.Random, values: Any, most: int) -> list[str]:
    """None to `most` of the values."""
    return [str(each) for each in drawn.sample([*values], drawn.randint(0, most))]


def an_offer(drawn: random.Random, number: int) -> dict[str, Any]:
    """One of a unit of many."""
    hours = []
    for _ in range(drawn.randint(0, 3)):
        opens = drawn.randint(7, 15)
        days = ",".join(drawn.sample(WEEKDAYS[:6], drawn.randint(1, 3)))
        hours.append({"freq": "WEEKLY", "byday": days, "opens_at": f"{opens:02}:00", "closes_at": f"{opens + 4:02}:30"})
    place = {"address_1": f"Löhrstraße {number}", "postal_code": "56068", "city": "Koblenz"}
    return {
        **offer_state(AWO, f"offer {number}"),
        "unit": f"partner-{number % 500}/unit",
        "description": "Beratung zu Aufenthalt, Sprache, Arbeit und Familie. " * 5,
        "languages": [LanguageTag("de"), *some(drawn, LANGUAGES[1:], 4)],
        "needs": some(drawn, Concern.writable(), 6),
        "schedules": hours,
        "location": {**place, "accessibility": some(drawn, Accessibility.writable(), 3)},
    }


def search(ground: Ground, sizes: Sizes) -> Section:
    """As many pages as are answered of what each search finds."""
    drawn = random.Random(20261124)  # noqa: S311 - the same offers in every run

    async def fill(conn: Any) -> None:
        for number in range(OFFERS):
            said = drawn.choice([None, *Capacity.writable()])
            places = said and json.dumps({"unit": AWO, "capacity": said, "expected_from": None})
            await conn.execute(INSERT, new_id(), "offer", json.dumps(an_offer(drawn, number)), places)
        for number in range(CLOSURES):
            days = {"valid_from": "2020-01-01", "valid_until": "2099-12-31"}
            notice = {"unit": f"partner-{number}/unit", "category": "closed", "text": "Umbau", **days}
            await conn.execute(INSERT, new_id(), "notice", json.dumps(notice), None)

    found = leaf(ground, "searches", sizes.http_seconds, fill, "referral.entry", "entry_id")
    return Section(
        "Search",
        found.figures,
        [
            f"{OFFERS:,} offers of 500 units, of which {CLOSURES} are closed. {found.asked} Each page is a request "
            "with its token."
        ],
    )

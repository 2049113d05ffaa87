"""Trainings and the needs they answer, with sane defaults."""

from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.calendar import local_day
from tests.referral.builders import AWO, CARITAS_MBE, Lotse

NEEDS, TRAININGS = "/v1/training-needs", "/v1/trainings"


def a_need(**changes: Any) -> dict[str, Any]:
    """The body of a need of Caritas."""
    said = {
        "unit": CARITAS_MBE,
        "training_topic": "residence-law",
        "description": "Neues im Chancen-Aufenthaltsrecht",
        "functions": ["Beratung MBE", "Empfang"],
        "people": 3,
    }
    return {**said, **changes}


def in_days(days: float, hours: float = 0) -> str:
    """A time from now, as requests write it."""
    return (datetime.now(UTC) + timedelta(days=days, hours=hours)).isoformat(timespec="seconds")


def a_session(days: float = 14, hours: float = 3) -> dict[str, str]:
    """A session in so many days."""
    return {"starts_at": in_days(days), "ends_at": in_days(days, hours)}


def day_in(days: int) -> str:
    """A day from today on, in Koblenz."""
    return (local_day(datetime.now(UTC)) + timedelta(days=days)).isoformat()


def a_training(*need_ids: str, **changes: Any) -> dict[str, Any]:
    """The body of a training of AWO that answers these needs."""
    said = {
        "unit": AWO,
        "title": "Aufenthaltsrecht aktuell",
        "training_topic": "residence-law",
        "description": "Was sich geändert hat.\nMit Fällen aus der Beratung.",
        "needs": list(need_ids),
        "sessions": [a_session()],
        "place": "Musterstraße 1, 56068 Koblenz",
        "languages": ["de"],
        "seats": 10,
        "registration_until": day_in(7),
    }
    return {**said, **changes}


async def stated(lotse: Lotse, **changes: Any) -> str:
    """State a need and return its id."""
    body = a_need(**changes)
    answer = await lotse.post(NEEDS, body, unit=body["unit"])
    assert answer.status_code == 201, answer.text
    need_id: str = answer.json()["training_need_id"]
    return need_id


async def offered(lotse: Lotse, *need_ids: str, **changes: Any) -> str:
    """Offer a training and return where it is; without needs it answers a new one."""
    body = a_training(*(need_ids or [await stated(lotse)]), **changes)
    answer = await lotse.post(TRAININGS, body, unit=body["unit"])
    assert answer.status_code == 201, answer.text
    place: str = answer.headers["location"]
    return place


async def changed(lotse: Lotse, place: str, *, unit: str = AWO, version: int | None = None, **changes: Any) -> Any:
    """Change some fields of a training, on the version that it has now unless another is given."""
    shown = await lotse.get(place)
    counted = ("training_id", "published_at", "changed_at", "withdrawn_at", "registrations", "seats_left", "attendance")
    body = {name: value for name, value in shown.json().items() if name not in counted}
    etag = shown.headers["etag"] if version is None else f'"{version}"'
    return await lotse.send("PUT", place, {**body, **changes}, unit=unit, If_Match=etag)


async def registered(lotse: Lotse, place: str, people: int, unit: str = CARITAS_MBE, **headers: str) -> Any:
    """Register people of a unit."""
    return await lotse.send("PUT", f"{place}/registrations", {"people": people}, unit=unit, **headers)


async def attended(lotse: Lotse, place: str, *, unit: str = AWO, **people: int) -> Any:
    """Say how many people of which partner were there, on the version that the training has now."""
    given = [{"partner": slug.replace("_", "-"), "people": number} for slug, number in people.items()]
    etag = (await lotse.get(place)).headers["etag"]
    return await lotse.send("PUT", f"{place}/attendance", {"attendance": given}, unit=unit, If_Match=etag)


async def over(lotse: Lotse) -> None:
    """Let the time of a training pass."""
    await lotse.running.move_clock(timedelta(days=15))

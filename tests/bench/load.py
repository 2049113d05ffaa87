"""A part: the load generators. `load offers PORT CONNECTIONS SECONDS`, and so `fetches`; `load lists PORT CONNECTIONS
SECONDS RATE`, and so `searches`; `load mix SECONDS RATE`, and so `withdrawals`; `load hear SECONDS`.

The mix tells two partners of each change on average: of 17 changes, 10 of an offer are told to three partners each,
and the 7 of a referral (registered, consent, requested, accepted, feedback consent, started, completed) to four in all.
"""

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import asyncpg
import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition

from services.referral.model.worklists import Worklist
from tests.bench.asking import Asker, world
from tests.bench.ground import answer
from tests.bench.real import cpu_seconds
from tests.faults.people import AWO, CITY, PERSON, acceptance, consent, offer_state, signed

MIX_CONNECTIONS = 64
PERSONS_EACH = 4
SEARCHES = {
    "nothing": "limit=50",
    "need": "limit=50&need=work",
    "language": "limit=50&language=ti",
    "accessibility": "limit=50&accessibility=wheelchair&accessibility=sign-language",
    "capacity": "limit=50&capacity=capacity",
    "open now": "limit=50&open_now=true",
    "all together": "limit=50&need=work&language=ar&accessibility=step-free&capacity=capacity&open_now=true",
}
"""What offers are searched for, by the names under which it is shown."""
Slot = Callable[[], Awaitable[bool]]


async def offers(port: int, connections: int, seconds: float, warm_up: float = 2.0) -> dict[str, Any]:
    """As many changes of offers as are answered, each connection its own offer."""
    told = world()
    told["urls"]["referral"] = f"127.0.0.1:{port}"
    took: list[float] = []
    begins = time.perf_counter() + warm_up
    ends = begins + seconds

    async def one(number: int) -> None:
        asker = Asker(told["urls"], told["tokens"])
        path, etag = await _own_offer(asker, number)
        while (asked := time.perf_counter()) < ends:
            state = offer_state(AWO, f"as of {asked}")
            etag = (await asker.do("PUT", "referral", path, AWO, state, etag=etag, parse=False)).etag
            if asked > begins:
                took.append(time.perf_counter() - asked)

    await asyncio.gather(*(one(number) for number in range(connections)))
    return {"rate": len(took) / seconds, "took": took[:: max(1, len(took) // 20000)], "cpu": cpu_seconds()}


async def _own_offer(asker: Asker, number: int) -> tuple[str, str]:
    made = await asker.ask("POST", "referral", "/v1/offers", AWO, offer_state(AWO, f"offer {number}"))
    if made.status in (404, 405):  # the bare loop has no other route, and makes what it does not know
        from uuid import uuid4

        return f"/v1/offers/{uuid4()}", ""
    return f"/v1/offers/{made.body['offer_id']}", made.etag


async def fetches(port: int, connections: int, seconds: float, warm_up: float = 2.0) -> dict[str, Any]:
    """As many fetches at the gate as are answered, each connection of its own few persons in turn."""
    told = world()
    told["urls"]["intake"] = f"127.0.0.1:{port}"
    took: list[float] = []
    askers = [Asker(told["urls"], told["tokens"]) for _ in range(connections)]
    await asyncio.gather(*(_consenting(asker) for asker in askers for _ in range(PERSONS_EACH)))
    paths = await _refer_all(os.environ["LOTSE_DATABASE_URL"])
    begins = time.perf_counter() + warm_up

    async def one(number: int) -> None:
        own = paths[number::connections]
        turn = 0
        while (asked := time.perf_counter()) < begins + seconds:
            turn += 1
            await askers[number].do("GET", "intake", own[turn % len(own)], AWO, parse=False)
            if asked > begins:
                took.append(time.perf_counter() - asked)

    await asyncio.gather(*(one(number) for number in range(connections)))
    return {"rate": len(took) / seconds, "took": took[:: max(1, len(took) // 20000)], "cpu": cpu_seconds()}


async def _consenting(asker: Asker) -> None:
    """A person who allows the City to pass everything on to AWO."""
    own = Asker(asker.urls, asker.tokens)
    case_ref = (await own.do("POST", "intake", "/v1/persons", CITY, PERSON)).body["case_ref"]
    await own.do("POST", "intake", f"/v1/persons/{case_ref}/consents", CITY, signed(consent(CITY, AWO, "transfer")))


async def _refer_all(url: str) -> list[str]:
    """Everybody is referred to AWO, as the bus would have told; returns where AWO fetches."""
    conn = await asyncpg.connect(url)
    try:
        rows = await conn.fetch(
            """
            insert into intake.referral (referral_id, case_id, from_unit, to_unit, state)
            select gen_random_uuid(), case_id, $1, $2, 'accepted' from intake.person
            where case_id not in (select case_id from intake.referral) returning referral_id
            """,
            CITY,
            AWO,
        )
    finally:
        await conn.close()
    return [f"/v1/referrals/{row['referral_id']}/person" for row in rows]


async def lists(port: int, connections: int, seconds: float, rate: float) -> dict[str, Any]:
    """Leaf through every worklist of both units."""
    paths = {each: f"/v1/worklists/{each}?limit=50" for each in Worklist}
    return await _leaf(port, connections, seconds, rate, paths)


async def searches(port: int, connections: int, seconds: float, rate: float) -> dict[str, Any]:
    """Leaf through what every search finds."""
    paths = {name: f"/v1/offers?{query}" for name, query in SEARCHES.items()}
    return await _leaf(port, connections, seconds, rate, paths)


async def _leaf(port: int, connections: int, seconds: float, rate: float, paths: Mapping[str, str]) -> dict[str, Any]:
    """Leaf through some lists, each to its end and again, in turn for both units.

    First so many pages a second, each timed from when it was due; then as many as are answered.
    """
    told = world()
    told["urls"]["referral"] = f"127.0.0.1:{port}"
    askers = [Asker(told["urls"], told["tokens"]) for _ in range(connections)]

    async def one(number: int, took: dict[str, list[float]], pause: float) -> None:
        asker, unit = askers[number], (CITY, AWO)[number % 2]
        places: dict[str, str] = {}
        due = time.perf_counter() + pause * number / connections
        ends = due + seconds
        while due < ends:
            for name, path in paths.items():
                await asyncio.sleep(due - time.perf_counter())
                page = (await asker.do("GET", "referral", f"{path}{places.get(name, '')}", unit)).body
                places[name] = f"&after={page['next']}" if page["next"] else ""
                took[name].append(time.perf_counter() - due)
                due = due + pause if pause else time.perf_counter()

    async def run(pause: float) -> dict[str, list[float]]:
        took: dict[str, list[float]] = {name: [] for name in paths}
        await asyncio.gather(*(one(number, took, pause) for number in range(connections)))
        return took

    await run(0.05)
    steady, began = await run(connections / rate), time.perf_counter()
    flat_out = await run(0)
    return {"steady": steady, "flat_out": flat_out, "lasted": time.perf_counter() - began}


async def mix(seconds: float, rate: float) -> dict[str, Any]:
    """The mix at a steady rate; what cannot be kept up with shows as fewer changes."""
    told, done, late = world(), list[float](), list[float]()
    began = time.monotonic()
    taken = 0

    async def slot() -> bool:
        nonlocal taken
        due = began + taken / rate
        taken += 1
        if due > began + seconds:
            return False
        now = time.monotonic()
        await asyncio.sleep(max(0.0, due - now))
        done.append(time.monotonic())
        late.append(max(0.0, now - due))
        return now < began + seconds

    async def one(number: int) -> None:
        asker = Asker(told["urls"], told["tokens"])
        path, etag = await _own_offer(asker, number)
        offer_id = path.rpartition("/")[2]
        while await _one_case(asker, slot, path, etag, offer_id):
            etag = (await asker.do("GET", "referral", path, AWO)).etag

    await asyncio.gather(*(one(number) for number in range(min(MIX_CONNECTIONS, max(4, int(rate / 4))))))
    lasted = max(done) - began
    return {"rate": len(done) / lasted, "changes": len(done), "late": late[-1], "cpu": cpu_seconds()}


async def _one_case(asker: Asker, slot: Slot, path: str, etag: str, offer_id: str) -> bool:
    """One referral and ten changes of the offer beside it, each in its slot. False when the time is over."""

    async def change_offer(times: int) -> bool:
        nonlocal etag
        for _ in range(times):
            if not await slot():
                return False
            state = offer_state(AWO, f"as of {time.time()}")
            etag = (await asker.do("PUT", "referral", path, AWO, state, etag=etag, parse=False)).etag
        return True

    if not await slot():
        return False
    case_ref = (await asker.do("POST", "intake", "/v1/persons", CITY, PERSON)).body["case_ref"]
    if not await slot():
        return False
    await asker.do("POST", "intake", f"/v1/persons/{case_ref}/consents", CITY, signed(consent(CITY, AWO, "transfer")))
    if not (await change_offer(5) and await slot()):
        return False
    said = {"case_ref": case_ref, "offer_id": offer_id}
    made = await asker.once_known("referral", "/v1/referrals", CITY, said, unknown=(403, 409))
    referral = f"/v1/referrals/{made.body['referral_id']}"
    if not await slot():
        return False
    await asker.do("POST", "referral", f"{referral}/accept", AWO, acceptance())
    if not (await change_offer(5) and await slot()):
        return False
    feedback = signed(consent(AWO, CITY, "feedback-status"))
    await asker.once_known("intake", f"{referral}/consents", AWO, feedback, unknown=(404,))
    for verb, facts in (
        ("start", {"first_contact_on": datetime.now(UTC).date().isoformat()}),
        ("complete", {"outcome": "need-met"}),
    ):
        if not await slot():
            return False
        await asker.do("POST", "referral", f"{referral}/{verb}", AWO, facts)
    return True


async def withdrawals(seconds: float, rate: float) -> list[float]:
    """Referrals whose consent is withdrawn: from the request until the recipient's stream has the end of both."""
    told = world()
    asker = Asker(told["urls"], told["tokens"])
    path, _ = await _own_offer(asker, 0)
    ready = [await _referred(asker, path.rpartition("/")[2]) for _ in range(int(seconds * rate))]
    await asyncio.sleep(1)
    asked, heard = dict[str, float](), dict[str, float]()
    ear = asyncio.create_task(_hear_ends(told["logins"]["awo-rheinland"], heard))
    await asyncio.sleep(2)
    for consent_ref, referral_id in ready:
        asked[referral_id] = time.monotonic()
        await asker.do("POST", "intake", f"/v1/consents/{consent_ref}/withdraw", CITY)
        await asyncio.sleep(max(0.0, asked[referral_id] + 1 / rate - time.monotonic()))
    async with asyncio.timeout(30):
        while asked.keys() - heard.keys():  # noqa: ASYNC110 - a list of what is missing is looked at
            await asyncio.sleep(0.05)
    ear.cancel()
    await asyncio.gather(ear, return_exceptions=True)
    return [heard[each] - asked[each] for each in asked]


async def _referred(asker: Asker, offer_id: str) -> tuple[str, str]:
    case_ref = (await asker.do("POST", "intake", "/v1/persons", CITY, PERSON)).body["case_ref"]
    body = signed(consent(CITY, AWO, "transfer"))
    given = await asker.do("POST", "intake", f"/v1/persons/{case_ref}/consents", CITY, body)
    said = {"case_ref": case_ref, "offer_id": offer_id}
    made = await asker.once_known("referral", "/v1/referrals", CITY, said, unknown=(403, 409))
    return given.body["consents"][0]["consent_ref"], made.body["referral_id"]


async def _stream(login: dict[str, str], slug: str) -> AIOKafkaConsumer:
    consumer = AIOKafkaConsumer(**login)
    await consumer.start()
    partition = TopicPartition(f"lotse.partner.{slug}.v1", 0)
    consumer.assign([partition])
    await consumer.seek_to_end(partition)
    return consumer


async def _hear_ends(login: dict[str, str], heard: dict[str, float]) -> None:
    import json

    consumer = await _stream(login, "awo-rheinland")
    try:
        async for record in consumer:
            if dict(record.headers)["ce_type"] == b"lotse.referral.ended.v1":
                heard[json.loads(record.value)["referral_id"]] = time.monotonic()
    finally:
        await consumer.stop()


async def hear(seconds: float) -> dict[str, Any]:
    """All four partners' streams: how long each record took from its change's time, with when it came."""
    took: list[float] = []
    told = world()

    async def one(slug: str, login: dict[str, str]) -> None:
        consumer = await _stream(login, slug)
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                now = datetime.now(UTC)
                took.extend(
                    (now - datetime.fromisoformat(dict(record.headers)["ce_time"].decode())).total_seconds()
                    for record in records
                )
        await consumer.stop()

    await asyncio.gather(*(one(slug, login) for slug, login in told["logins"].items()))
    return {"heard": len(took), "took": took[:: max(1, len(took) // 20000)]}


if __name__ == "__main__":
    parts: Sequence[Any] = (offers, fetches, lists, searches, mix, withdrawals, hear)
    [run] = [part for part in parts if part.__name__ == sys.argv[1]]
    numbers = [float(each) if "." in each else int(each) for each in sys.argv[2:]]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        answer(runner.run(run(*numbers)))

"""Nothing about a person leaves the vault but by the gate, and no two partners can join what they get."""

import asyncio
import json
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka.admin import AdminClient

from deploy.local.account import find_place
from deploy.local.dumps import dump
from deploy.local.stack import Stack
from tests.faults.people import acceptance
from tests.flows.world import AWO, CARITAS, CITY, Heard, World

PLANTED = {
    "name": "Zyxwvu-Leyla Unverwechselbar",
    "channel": {"kind": "email", "value": "unverwechselbar.leyla@zyxwvu.example"},
    "language": "tlh",
    "birth_date": "1911-11-17",
    "age_band": None,
}
MARKS = ("Zyxwvu", "Unverwechselbar", "unverwechselbar.leyla", "zyxwvu.example", "1911-11-17", "tlh")


async def live_through(world: World) -> str:
    """A case with everything that can happen, and every way to say something wrong about the person."""
    case_ref = await world.register(**PLANTED)
    consent = await world.consent(case_ref, AWO)
    referral = await world.refer(case_ref, await world.offer(AWO))
    person = await world.ask("GET", "intake", f"/v1/referrals/{referral}/person", AWO)
    assert person.json()["identity"]["name"] == PLANTED["name"]
    await world.do("referral", f"/v1/referrals/{referral}/accept", AWO, acceptance())
    await world.feedback(referral)
    await rights(world, case_ref)
    await world.do("intake", f"/v1/consents/{consent}/withdraw", CITY)
    return referral


async def rights(world: World, case_ref: str) -> None:
    """All that is kept is read, put right and held; a receipt is handed out."""
    shown = await world.ask("GET", "intake", f"/v1/persons/{case_ref}/access", CITY, Accept="text/html")
    assert "Zyxwvu-Leyla" in shown.text
    await world.do("intake", f"/v1/persons/{case_ref}/receipts", CITY, {"language": "ar", "pin": "190211"})
    body = {name: value for name, value in PLANTED.items() if value} | {"interpreter": False}
    corrected = await world.ask(
        "PUT",
        "intake",
        f"/v1/persons/{case_ref}",
        CITY,
        {**body, "name": "Zyxwvu Unverwechselbar"},
        **{"If-Match": "*"},
    )
    assert corrected.is_success, corrected.text


async def wrong_requests(world: World) -> str:
    """Requests with planted data that are refused; returns all answers."""
    bodies: list[Any] = [
        {**PLANTED, "religion": "Zyxwvu"},
        {**PLANTED, "channel": {"kind": "Unverwechselbar", "value": "zyxwvu.example"}},
        {**PLANTED, "age_band": "1911-11-17"},
        {**PLANTED, "name": ["Zyxwvu"]},
        {**PLANTED, "language": "tlh tlh"},
        ["Zyxwvu"],
    ]
    answers = []
    for body in bodies:
        response = await world.ask("POST", "intake", "/v1/persons", CITY, body)
        assert response.status_code == 422, response.text
        answers.append(response.text)
    headers = {**world.headers(CITY), "content-type": "application/json"}
    url = f"http://127.0.0.1:{world.ports['intake']}/v1/persons"
    broken = await world.http.post(url, content=b'{"name": "Zyxwvu', headers=headers)
    headers["Idempotency-Key"] = "again"
    person = {name: value for name, value in PLANTED.items() if value} | {"interpreter": False}
    await world.http.post(url, json=person, headers=headers)
    swapped = await world.http.post(url, json={**person, "name": "Zyxwvu 2"}, headers=headers)
    assert (broken.status_code, swapped.status_code) == (400, 422)
    return "\n".join([*answers, broken.text, swapped.text])


async def test_planted_personal_data_is_found_nowhere(world: World, stack: Stack) -> None:
    """Every topic, log line, table and dump of every database (sealed or not), metric, error answer: zero hits."""
    async with world.listening("awo-rheinland") as awo:
        referral = await live_through(world)
        answers = await wrong_requests(world)
        await awo.until("referral.ended", referral_id=referral)
    searched = {
        "errors": answers,
        "topics": await everything_on_the_bus(stack),
        "logs": "\n".join(file.read_text(errors="replace") for file in stack.layout.log.iterdir()),
        "tables": "\n".join([await everything_in(url) for url in stack.databases.values()]),
        "dumps": "\n".join([await asyncio.to_thread(dumped, stack, url) for url in stack.databases.values()]),
        "metrics": "\n".join([(await metrics_of(world, name)) for name in world.ports]),
    }
    # The net must be one that catches: what may be there is found.
    assert [referral in searched[place] for place in ("topics", "logs", "tables", "dumps")] == [True] * 4
    assert "/v1/persons/{case_ref}/access" in searched["metrics"]
    assert [f"{place}: {hits(text)}" for place, text in searched.items() if hits(text)] == []


def dumped(stack: Stack, url: str) -> str:
    """A database as `lotse backup` writes it, as text."""
    with TemporaryDirectory() as folder:
        packed, plain = Path(folder) / "packed", Path(folder) / "plain"
        dump(stack.layout, url, packed)
        unpack = find_place(stack.layout).programs / "pg_restore"
        subprocess.run([unpack, f"--file={plain}", packed], check=True)
        return plain.read_text(errors="replace")


async def metrics_of(world: World, name: str) -> str:
    """What Prometheus is told by a service."""
    return (await world.http.get(f"http://127.0.0.1:{world.ports[name]}/metrics")).text


def hits(text: str) -> list[str]:
    """Which planted marks are in a text, as they are or as the hex of their bytes; `tlh` as a word only."""
    assert text
    in_hex = [mark for mark in MARKS if len(mark) > 3 and mark.encode().hex() in text]
    return [mark for mark in MARKS if re.search(rf"\b{re.escape(mark)}\b", text)] + in_hex


async def everything_on_the_bus(stack: Stack) -> str:
    """All records of all topics as text: keys, headers, values."""
    consumer = AIOKafkaConsumer(**stack.kafka.asyncio_client(), auto_offset_reset="earliest")
    await consumer.start()
    try:
        topics = AdminClient(stack.kafka.client()).list_topics(timeout=10).topics
        ours = [topic for topic in topics.values() if topic.topic.startswith("lotse.")]
        assert len(ours) == 8
        partitions = [TopicPartition(topic.topic, number) for topic in ours for number in topic.partitions]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        said: list[str] = []
        while any([await consumer.position(each) < ends[each] for each in partitions]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                said += [repr((record.key, record.headers, record.value)) for record in records]
        return "\n".join(said)
    finally:
        await consumer.stop()


async def everything_in(url: str) -> str:
    """All rows of all tables of a database, as text; bytes as hex."""
    conn = await asyncpg.connect(url)
    try:
        tables = await conn.fetch(
            """
            select format('%I.%I', schemaname, tablename) as name from pg_tables
            where schemaname not in ('pg_catalog', 'information_schema')
            """
        )
        rows = [await conn.fetch(f"select to_jsonb(t)::text as row from {table['name']} as t") for table in tables]  # noqa: S608  # names from the catalogue
        return "\n".join(["(no rows)", *(row["row"] for each in rows for row in each)])
    finally:
        await conn.close()


IDS = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")


def ids(heard: Heard, only: Iterable[str] = ("referral", "consent", "person")) -> set[str]:
    """Everything that looks like an id in a partner's case events: keys, headers, values; dashes aside."""
    texts = [
        repr((record.key, record.headers, record.value))
        for record in heard.records
        if dict(record.headers)["ce_type"].decode().split(".")[1] in only
    ]
    assert texts
    return {found.replace("-", "") for text in texts for found in IDS.findall(text)}


async def test_two_partners_cannot_join_their_events(world: World) -> None:
    """One case, referred to two services: common is the referral's id to its two parties, and nothing else."""
    async with (
        world.listening("stadt-koblenz") as city,
        world.listening("awo-rheinland") as awo,
        world.listening("caritas-koblenz") as caritas,
    ):
        case_ref = await world.register()
        to_awo, to_caritas = [
            (await world.consent(case_ref, unit), await world.refer(case_ref, await world.offer(unit)))
            for unit in (AWO, CARITAS)
        ]
        for unit, (_, referral) in ((AWO, to_awo), (CARITAS, to_caritas)):
            await world.do("referral", f"/v1/referrals/{referral}/accept", unit, acceptance())
        for consent, _ in (to_awo, to_caritas):
            await world.do("intake", f"/v1/consents/{consent}/withdraw", CITY)
        for partner, referral in ((city, to_awo[1]), (city, to_caritas[1]), (awo, to_awo[1]), (caritas, to_caritas[1])):
            await partner.until("referral.ended", referral_id=referral)
    assert ids(awo) & ids(caritas) == set()
    assert ids(city) & ids(awo) == {to_awo[1].replace("-", "")}
    assert ids(city) & ids(caritas) == {to_caritas[1].replace("-", "")}
    for heard in (city, awo, caritas):
        names = {name for record in heard.records for name, _ in record.headers}
        assert names.isdisjoint({"ce_correlationid", "ce_causationid", "traceparent"})


async def test_a_standard_client_gets_valid_cloudevents_that_fit_the_committed_schema(world: World) -> None:
    """The CloudEvents SDK and jsonschema know nothing of Lotse; the partner's password is all they are given."""
    from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka_event
    from jsonschema import Draft202012Validator

    from tests.harness import ROOT

    async with world.listening("awo-rheinland") as awo:
        offer = await world.offer(CARITAS)
        case_ref = await world.register()
        await world.consent(case_ref, AWO)
        await world.refer(case_ref, await world.offer(AWO))
        await awo.until("offer.published", offer_id=offer)
        await awo.until("referral.requested")
    assert awo.records
    for record in awo.records:
        message = KafkaMessage(headers=dict(record.headers), key=record.key, value=record.value)
        event = from_kafka_event(message)
        assert event.get_specversion() == "1.0"
        _, _, _, name, number, view = event.get_dataschema().split(":")
        schema = json.loads((ROOT / "schemas" / "json" / name / f"{number}.{view}.json").read_text())
        Draft202012Validator(schema).validate(event.get_data())


@pytest.mark.parametrize("other", ["stadt-koblenz", "jobcenter-koblenz", "caritas-koblenz"])
async def test_a_partner_cannot_read_anothers_stream(world: World, other: str) -> None:
    """Kafka itself refuses it, with the partner's own valid password."""
    from aiokafka.errors import TopicAuthorizationFailedError

    consumer = AIOKafkaConsumer("lotse.partner.awo-rheinland.v1", **world.credentials(other))

    async def read_one() -> None:
        async with asyncio.timeout(15):
            await consumer.start()
            await consumer.getone()

    try:
        with pytest.raises(TopicAuthorizationFailedError):
            await read_one()
    finally:
        await consumer.stop()

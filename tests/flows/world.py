"""The partners' staff and systems, acting on the four running services from outside."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import asyncpg
import httpx2
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from deploy.local.issuer import issuer_of
from deploy.local.stack import Stack
from tests.conftest import eventually

CITY, AWO = "stadt-koblenz/integration", "awo-rheinland/mbe"
CARITAS, JOBCENTER = "caritas-koblenz/mbe", "jobcenter-koblenz/jobcenter"
NOTICE = {"version": "2026-01", "language": "de"}
INTERPRETER = {"kind": "professional", "language": "ar"}
ROLES = {CITY: "clerk", AWO: "counsellor", CARITAS: "counsellor", JOBCENTER: "clerk"}

PERSON = {
    "name": "Amal Haddad",
    "channel": {"kind": "phone", "value": "+49 261 555010"},
    "language": "ar",
    "interpreter": True,
    "age_band": "27-plus",
}


@dataclass
class Heard:
    """A partner's stream as it comes in: records in order, read with the partner's own password."""

    consumer: AIOKafkaConsumer
    records: list[ConsumerRecord[bytes, bytes]] = field(default_factory=list)

    async def read(self) -> None:
        """Take in what is there now."""
        for records in (await self.consumer.getmany(timeout_ms=50)).values():
            self.records += records

    async def read_to_its_end(self) -> None:
        """Take in all that stands on the stream now."""
        (partition,) = self.consumer.assignment()
        end = (await self.consumer.end_offsets([partition]))[partition]
        while await self.consumer.position(partition) < end:
            await self.read()

    async def until(self, event_type: str, **data: Any) -> dict[str, Any]:
        """Wait for an event of that type whose data has these values; return its data."""

        async def found() -> dict[str, Any] | None:
            await self.read()
            for record in self.records:
                body = json.loads(record.value)
                if kind(record) == event_type and all(body.get(name) == value for name, value in data.items()):
                    return dict(body)
            return None

        result: dict[str, Any] = await eventually(found)
        return result

    def kinds(self, key: str | None = None) -> list[str]:
        """The types of the records, in order; with `key` only of those with that key."""
        return [kind(record) for record in self.records if key is None or (record.key or b"").decode() == key]


def kind(record: ConsumerRecord[bytes, bytes]) -> str:
    """`referral.accepted` of lotse.referral.accepted.v1."""
    return ".".join(dict(record.headers)["ce_type"].decode().split(".")[1:3])


@dataclass
class World:
    """All that can be done from outside."""

    stack: Stack
    ports: dict[str, int]
    http: httpx2.AsyncClient

    def headers(self, unit: str, *roles: str) -> dict[str, str]:
        """A caller's headers, with a fresh Idempotency-Key."""
        token = issuer_of(self.stack.layout).issue_token(unit.partition("/")[0], unit, list(roles) or [ROLES[unit]])
        return {"Authorization": f"Bearer {token}", "Idempotency-Key": str(uuid4())}

    async def ask(self, method: str, service: str, path: str, unit: str, body: Any = None, **more: str) -> Any:
        """One request of somebody of that unit; returns the response, whatever its status."""
        url = f"http://127.0.0.1:{self.ports[service]}{path}"
        return await self.http.request(method, url, json=body, headers={**self.headers(unit), **more})

    async def do(self, service: str, path: str, unit: str, body: Any = None) -> Any:
        """POST and return the JSON of the answer, which must be 2xx."""
        response = await self.ask("POST", service, path, unit, body)
        assert response.is_success, response.text
        return response.json()

    async def register(self, **changed: Any) -> str:
        """A person at the City; returns the City's reference of the case."""
        person = {name: value for name, value in {**PERSON, **changed}.items() if value is not None}
        return str((await self.do("intake", "/v1/persons", CITY, person))["case_ref"])

    async def consent(self, case_ref: str, to_unit: str, scope: str = "transfer", **changed: Any) -> str:
        """A consent from the City to a unit; returns the City's reference of the consent."""
        body = signed(CITY, to_unit, scope, **changed)
        answer = await self.do("intake", f"/v1/persons/{case_ref}/consents", CITY, body)
        return str(answer["consents"][0]["consent_ref"])

    async def feedback(self, referral_id: str, scope: str = "feedback-status") -> str:
        """A feedback consent asked by AWO; returns AWO's reference of it."""
        answer = await self.do("intake", f"/v1/referrals/{referral_id}/consents", AWO, signed(AWO, CITY, scope))
        return str(answer["consents"][0]["consent_ref"])

    async def offer(self, unit: str, **changed: Any) -> str:
        """An offer of a unit; returns its id."""
        state = {"unit": unit, "name": "Beratung", "service_type": "MBE", "description": "Beratung", **changed}
        return str((await self.do("referral", "/v1/offers", unit, state))["offer_id"])

    async def refer(self, case_ref: str, offer_id: str) -> str:
        """The City refers; returns the referral's id."""
        body = {"case_ref": case_ref, "offer_id": offer_id}
        return str((await self.do("referral", "/v1/referrals", CITY, body))["referral_id"])

    @asynccontextmanager
    async def listening(self, slug: str) -> AsyncIterator[Heard]:
        """The stream of a partner from now on, with its own credentials."""
        consumer = AIOKafkaConsumer(**self.credentials(slug))
        await consumer.start()
        try:
            partition = TopicPartition(f"lotse.partner.{slug}.v1", 0)
            consumer.assign([partition])
            await consumer.seek_to_end(partition)
            await consumer.position(partition)
            yield Heard(consumer)
        finally:
            await consumer.stop()

    async def settled(self) -> None:
        """Wait until the notifier has read all cases that were answered so far, and its streams are written."""
        for name in ("intake", "referral"):
            await eventually(partial(self._has_empty_outbox, name), timeout=60)
        ends = await self._ends("lotse.cases.v1")
        await eventually(partial(self._has_read, ends), timeout=60)
        await eventually(partial(self._has_empty_outbox, "notifier"), timeout=60)

    async def _has_empty_outbox(self, name: str) -> bool:
        return not await self.rows(name, "select 1 from chassis.outbox limit 1")

    async def _ends(self, topic: str) -> dict[int, int]:
        async with AIOKafkaConsumer(topic, **self.stack.kafka.asyncio_client()) as consumer:
            ends = await consumer.end_offsets(
                [TopicPartition(topic, each) for each in consumer.partitions_for_topic(topic)]
            )
        return {where.partition: end for where, end in ends.items()}

    async def _has_read(self, ends: dict[int, int]) -> bool:
        query = "select partition, next_offset from chassis.next_offset where topic = 'lotse.cases.v1'"
        read = {row["partition"]: row["next_offset"] for row in await self.rows("notifier", query)}
        return all(read.get(partition, 0) >= end for partition, end in ends.items())

    async def rows(self, name: str, query: str) -> list[Any]:
        """Any look into a service's database."""
        conn = await asyncpg.connect(self.stack.databases[f"lotse_{name}"])
        try:
            return list(await conn.fetch(query))
        finally:
            await conn.close()

    def credentials(self, slug: str) -> dict[str, str]:
        """What a partner's Kafka client is given."""
        password = self.stack.secrets.kafka_password(f"kafka-partner-{slug}")
        return self.stack.kafka.asyncio_client(f"partner-{slug}", password)


def signed(from_unit: str, to_unit: str, scope: str, **changed: Any) -> dict[str, Any]:
    """What one signature allows, as intake takes it."""
    consent = {
        "from_unit": from_unit,
        "to_unit": to_unit,
        "scope": scope,
        "data_categories": ["identity", "contact", "language", "age"] if scope == "transfer" else [],
        "valid_until": (datetime.now(UTC) + timedelta(days=90)).isoformat(),
        **changed,
    }
    return {"consents": [consent], "notice": NOTICE, "interpreter": INTERPRETER, "form": "paper"}

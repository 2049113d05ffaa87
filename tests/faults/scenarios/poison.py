"""Events that nobody can apply, in the middle of a case: that case waits, all others go on."""

import asyncio
import json
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from aiokafka import AIOKafkaProducer

from tests.faults.cases import CaseWorker
from tests.faults.people import AWO, CARITAS
from tests.faults.run import Run

CASES = "lotse.cases.v1"
# A source of its own: what it says is the first version of that source, whatever intake has said about the case.
SOURCE = "/koblenz/poison/1"


def consent_given(case_id: str, valid_until: str) -> dict[str, Any]:
    """A consent as intake would tell of it."""
    return {
        "case_id": str(UUID(hex=case_id)),
        "consent_id": str(uuid4()),
        "from_unit": CARITAS,
        "to_unit": AWO,
        "scope": "cooperation",
        "data_categories": [],
        "valid_until": valid_until,
        "notice_version": "2026-01",
        "notice_language": "ar",
        "form": "paper",
        "acted_by": None,
    }


def half_json(case_id: str) -> tuple[str, bytes]:
    """Undecodable: the second half is missing."""
    value = json.dumps(consent_given(case_id, "2027-01-01T00:00:00Z")).encode()
    return "lotse.consent.given.v1", value[: len(value) // 2]


def of_an_unknown_type(case_id: str) -> tuple[str, bytes]:
    """Nobody's code knows such an event."""
    return "lotse.case.never_heard_of.v1", json.dumps({"case_id": str(UUID(hex=case_id))}).encode()


def that_no_handler_can_store(case_id: str) -> tuple[str, bytes]:
    """Valid in every word, but no database holds this time: it lies before the year 1 in UTC."""
    return "lotse.consent.given.v1", json.dumps(consent_given(case_id, "0001-01-01T00:00:00+14:00")).encode()


POISONS = (half_json, of_an_unknown_type, that_no_handler_can_store)


async def poisoned(run: Run) -> None:
    """One case of each kind of poison; afterwards its service acts and the person withdraws."""
    async with AIOKafkaProducer(**run.site.stack.kafka.asyncio_client(), acks="all") as producer:
        await asyncio.gather(*(_poison_one(run, producer, number) for number in range(len(POISONS))))


async def _poison_one(run: Run, producer: AIOKafkaProducer, number: int) -> None:
    """Caritas's case: its referrals are counted in no clause, so that reporting's numbers stay comparable."""
    worker = _worker(run, number)
    await worker.register(CARITAS)
    [walk] = await worker.allow(CARITAS, [AWO])
    await worker.request(walk)
    await worker.act(walk, "accept")
    await worker.settled()
    event_type, value = POISONS[number](worker.case_id)
    key = str(UUID(hex=worker.case_id))
    run.parked.add(worker.case_id)
    await producer.send_and_wait(CASES, value, key.encode(), headers=_headers(event_type, key))
    run.ledger.note("case.poisoned", worker.case_id, CARITAS)
    await run.until_parked(worker.case_id, "notifier")
    await worker.act(walk, "start")
    await worker.withdraw(walk, calmly=False)
    await worker.settled()


def _worker(run: Run, number: int) -> CaseWorker:
    rng = random.Random(f"{run.load.seed} poison {number}")  # noqa: S311 - repeatable, not secret
    return CaseWorker(
        run.client, run.ledger, run.ears, run.load.resolve, run.load.offers, rng, rng, run.sizes.pace.think_seconds
    )


def _headers(event_type: str, key: str) -> list[tuple[str, bytes]]:
    said: Mapping[str, str] = {
        "ce_specversion": "1.0",
        "ce_id": str(uuid4()),
        "ce_source": SOURCE,
        "ce_type": event_type,
        "ce_time": datetime.now(UTC).isoformat(),
        "ce_subject": f"case/{key}",
        "ce_dataschema": f"urn:lotse:schema:{event_type}:1",
        "ce_sequence": "000000000001",
        "ce_partitionkey": key,
        "ce_correlationid": str(uuid4()),
        "content-type": "application/json",
    }
    return [(name, text.encode()) for name, text in said.items()]

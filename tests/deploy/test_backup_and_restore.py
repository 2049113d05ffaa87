"""`lotse backup` under load, then everything set back by `lotse restore`: what was ended in between stays ended."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import httpx2
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.cli.running import attach
from deploy.local.layout import Layout
from deploy.local.state import read_state
from deploy.topology import SERVICES
from schemas import parse_headers
from tests.conftest import eventually
from tests.deploy.own_stack import lotse, own_layout
from tests.flows.test_secrecy import everything_on_the_bus
from tests.flows.world import AWO, CITY, World

PARTNERS = ("stadt-koblenz", "jobcenter-koblenz", "caritas-koblenz", "awo-rheinland")


@pytest.fixture
def layout() -> Iterator[Layout]:
    """A stack of its own, brought down whatever happens."""
    with own_layout() as here:
        yield here


class Referred(NamedTuple):
    """A person at the City, with the consent and the referral to AWO: the City's own references."""

    case_ref: str
    consent_ref: str
    referral_id: str


async def command(layout: Layout, *arguments: str) -> str:
    """An operator's command, which must succeed."""
    done = await asyncio.to_thread(lotse, layout, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@asynccontextmanager
async def world_of(layout: Layout) -> AsyncIterator[World]:
    """The partners' staff at the stack that runs there."""
    state = read_state(layout)
    assert state is not None
    async with httpx2.AsyncClient(timeout=30) as http:
        yield World(await asyncio.to_thread(attach, layout, {}), dict(state.ports), http)


async def refer(world: World, offer: str) -> Referred:
    """The City registers a person who consents, and refers to AWO."""
    case_ref = await world.register()
    consent_ref = await world.consent(case_ref, AWO)
    return Referred(case_ref, consent_ref, await world.refer(case_ref, offer))


@asynccontextmanager
async def busy_city(world: World, offer: str) -> AsyncIterator[list[Referred]]:
    """The City goes on referring people all the while."""
    done: list[Referred] = []

    async def go_on() -> None:
        while True:
            done.append(await refer(world, offer))

    task = asyncio.create_task(go_on())
    try:
        yield done
    finally:
        task.cancel()
        await asyncio.wait([task])


async def fetch(world: World, person: Referred) -> Any:
    """AWO asks at the gate."""
    return await world.ask("GET", "intake", f"/v1/referrals/{person.referral_id}/person", AWO)


async def stream(world: World, partner: str) -> list[tuple[int, str, str]]:
    """All that a partner's stream holds: number, id and type, in order."""
    topic = TopicPartition(f"lotse.partner.{partner}.v1", 0)
    async with AIOKafkaConsumer(**world.credentials(partner)) as consumer:
        consumer.assign([topic])
        end = (await consumer.end_offsets([topic]))[topic]
        consumer.seek(topic, 0)
        found: list[tuple[int, str, str]] = []
        while await consumer.position(topic) < end:
            for record in (await consumer.getmany(timeout_ms=200)).get(topic, []):
                envelope = parse_headers(record.headers)
                found.append((envelope.sequence, str(envelope.id), envelope.type))
        return found


async def rows(world: World, database: str, sql: str) -> list[Any]:
    """The first column of a look into one of the databases."""
    conn = await asyncpg.connect(world.stack.databases[database])
    try:
        return [row[0] for row in await conn.fetch(sql)]
    finally:
        await conn.close()


async def key_ids(world: World) -> set[Any]:
    """The data keys there are."""
    return set(await rows(world, "lotse_keys", "select key_id from vault.data_key"))


async def three_days_later(world: World) -> None:
    """Intake's clock goes on by 73 hours, and the jobs that erase and destroy look at once."""
    conn = await asyncpg.connect(world.stack.databases["lotse_intake"])
    try:
        await conn.execute("update chassis.clock set ahead = interval '73 hours'")
        await conn.execute(
            "update chassis.job set due_at = chassis.lotse_now() where name = any($1)",
            ["erase-never-consented", "destroy-keys"],
        )
    finally:
        await conn.close()


async def test_what_was_ended_after_the_backup_stays_ended(layout: Layout, tmp_path: Path) -> None:
    """A backup while the City refers without pause; a withdrawal and an erasure; then all five databases go back.

    The gate opens for nobody whose consent was withdrawn, at no moment; the erased person's key is destroyed again;
    who still consents can be helped; no partner's stream has lost, doubled or renumbered anything.
    """
    backup = tmp_path / "backup"
    await command(layout, "up")
    async with world_of(layout) as world:
        offer = await world.offer(AWO)
        withdrawn, kept, erased = [await refer(world, offer) for _ in range(3)]
        forgotten = await world.register()
        [key_to_go] = await rows(
            world, "lotse_intake", "select key_id from intake.person where first_consent_at is null"
        )
        for person in (withdrawn, kept, erased):
            assert (await fetch(world, person)).status_code == 200
        async with busy_city(world, offer) as meanwhile:
            await command(layout, "backup", str(backup))
        assert meanwhile, "nobody was referred during the backup: it was not taken under load"
        await world.do("intake", f"/v1/consents/{withdrawn.consent_ref}/withdraw", CITY, {})
        await world.do("intake", f"/v1/persons/{erased.case_ref}/erase", CITY, {})
        await three_days_later(world)
        await eventually(lambda: _is_gone(world, key_to_go), timeout=90)
        await eventually(lambda: _has_heard(world, "awo-rheinland", "lotse.consent.withdrawn.v1"), timeout=60)
        before = {partner: await stream(world, partner) for partner in PARTNERS}
    await command(layout, "down")

    await command(layout, "restore", str(backup))
    await command(layout, "restore", str(backup.with_name("backup.keys")))
    await command(layout, "up")
    async with world_of(layout) as world:
        # One after the other: the gate must have opened for neither at any moment.
        assert await statuses_until(world, withdrawn, 403) <= {403, 503}
        assert await statuses_until(world, erased, 404) <= {404, 503}
        await eventually(lambda: _is_gone(world, key_to_go), timeout=90)
        assert (await world.ask("GET", "intake", f"/v1/persons/{forgotten}", CITY)).status_code == 404
        again = await fetch(world, kept)
        assert (again.status_code, again.json()["identity"]) == (200, {"name": "Amal Haddad"})
        await eventually(lambda: _takes_an_offer(world), timeout=60)
        await eventually(lambda: _goes_on(world, "stadt-koblenz", len(before["stadt-koblenz"])), timeout=60)
        for partner in PARTNERS:
            after = await stream(world, partner)
            assert after[: len(before[partner])] == before[partner]
            assert [number for number, _, _ in after] == list(range(1, len(after) + 1))
            assert len({event_id for _, event_id, _ in after}) == len(after)
        await world.settled()
        state = await handed_out_and_told(world)
        await replay_all(world, layout)
    async with world_of(layout) as world:
        await world.settled()
        assert await handed_out_and_told(world) == state
        await nobody_is_shown(world, withdrawn, erased)


async def replay_all(world: World, layout: Layout) -> None:
    """Every service reads every topic again from its very beginning."""
    for service in SERVICES:
        await rows(world, f"lotse_{service.name}", "update chassis.next_offset set next_offset = 0 returning 1")
    await command(layout, "down")
    await command(layout, "up")


async def handed_out_and_told(world: World) -> tuple[list[Any], dict[str, int]]:
    """How many disclosures there were, and how many records each partner's stream has."""
    disclosures = await rows(world, "lotse_intake", "select count(*) from intake.disclosure where kind <> 'restored'")
    return disclosures, {partner: len(await stream(world, partner)) for partner in PARTNERS}


async def nobody_is_shown(world: World, *gone: Referred) -> None:
    """The gate is shut for these, and no topic holds a word of what they said."""
    for person in gone:
        assert (await fetch(world, person)).status_code in (403, 404)
    everything = await everything_on_the_bus(world.stack)
    assert gone[0].referral_id in everything
    assert [mark for mark in ("Amal", "Haddad", "555010") if mark in everything] == []


async def statuses_until(world: World, person: Referred, last: int) -> set[int]:
    """Ask at the gate again and again until it answers `last`; everything it answered."""
    seen: set[int] = set()

    async def answers() -> bool:
        seen.add((await fetch(world, person)).status_code)
        return last in seen

    await eventually(answers, timeout=120)
    return seen


async def _is_gone(world: World, key_id: Any) -> bool:
    return key_id not in await key_ids(world)


async def _takes_an_offer(world: World) -> bool:
    """Referral catches up by itself, and until then takes no change."""
    state = {"unit": AWO, "name": "Neu", "service_type": "MBE", "description": "Beratung"}
    answer = await world.ask("POST", "referral", "/v1/offers", AWO, state)
    assert answer.status_code in (201, 503), answer.text
    return bool(answer.status_code == 201)


async def _has_heard(world: World, partner: str, event_type: str) -> bool:
    return event_type in {each for _, _, each in await stream(world, partner)}


async def _goes_on(world: World, partner: str, beyond: int) -> bool:
    return len(await stream(world, partner)) > beyond

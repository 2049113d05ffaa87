"""What an operator sees of a change on its way, in the metrics of the real processes."""

import asyncio

from deploy.cli.status import samples
from deploy.topology import SERVICES
from tests.conftest import eventually
from tests.flows.world import AWO, World


class Meters:
    """The metrics of the services, as Prometheus would read them."""

    def __init__(self, services: dict[str, int]) -> None:
        self._services = services

    async def read(self, service: str, name: str, **labels: str) -> float:
        """The sum of one metric's samples with these labels."""
        found = await asyncio.to_thread(samples, self._services[service])
        return sum(each.value for each in found if each.name == name and labels.items() <= each.labels.items())

    async def all(self, name: str, value: float) -> bool:
        """Whether it has that value in every service."""
        return all([await self.read(service.name, name) == value for service in SERVICES])


async def test_a_change_is_timed_from_its_commit_to_the_partners_stream(world: World, services: dict[str, int]) -> None:
    """The notifier counts who was told and how long it took, each service how long until it had acted."""
    meters = Meters(services)
    told = await meters.read("notifier", "lotse_deliveries_total", result="told")
    timed = await meters.read("notifier", "lotse_commit_to_stream_seconds_count")
    async with world.listening("awo-rheinland") as awo:
        offer = await world.offer(AWO)
        case_ref = await world.register()
        await world.consent(case_ref, AWO)
        referral = await world.refer(case_ref, offer)
        await awo.until("referral.requested", referral_id=referral)
    # The offer to three partners, the request to one.
    await eventually(lambda: _is(meters, "lotse_deliveries_total", told + 4, result="told"))
    await eventually(lambda: _is(meters, "lotse_commit_to_stream_seconds_count", timed + 4))
    for service in ("referral", "notifier", "reporting"):
        count = await meters.read(service, "lotse_commit_to_applied_seconds_count")
        assert count > 0
        # A bound for a busy machine; a clock or a unit that is wrong would be far beyond it.
        assert await meters.read(service, "lotse_commit_to_applied_seconds_sum") / count < 60


async def _is(meters: Meters, name: str, value: float, **labels: str) -> bool:
    return await meters.read("notifier", name, **labels) == value


async def test_a_stack_at_rest_waits_for_nothing(services: dict[str, int]) -> None:
    """Everything is up, nothing is behind, nothing is parked, and no health check or metric is a NaN."""
    meters = Meters(services)
    for name, value in (
        ("lotse_database_up", 1),
        ("lotse_kafka_up", 1),
        ("lotse_outbox_depth", 0),
        ("lotse_outbox_age_seconds", 0),
        ("lotse_consumer_lag", 0),
        ("lotse_consumer_stalled_seconds", 0),
        ("lotse_parked_keys", 0),
        ("lotse_parked_age_seconds", 0),
        ("lotse_dead_letters_without_key", 0),
        ("lotse_admission_closed", 0),
        ("lotse_task_stopped", 0),
    ):
        await eventually(lambda name=name, value=value: meters.all(name, value), 30)
    assert await meters.read("reporting", "process_resident_memory_bytes") > 0

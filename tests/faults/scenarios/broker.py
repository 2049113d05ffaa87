"""The one broker that is away."""

import asyncio

from tests.faults.run import Run, Strike


def broker_killed(seconds: float) -> Strike:
    """kill -9 of the broker, started again after so many seconds."""

    async def strike(run: Run) -> None:
        await run.in_thread(run.site.kill_kafka)
        await asyncio.sleep(run.sizes.seconds(seconds))
        await run.in_thread(run.site.start_kafka)

    return strike


async def broker_killed_and_all_services_too(run: Run) -> None:
    """While the broker is away all services are killed: whatever they held in memory is gone."""
    await run.in_thread(run.site.kill_kafka)
    await asyncio.sleep(run.sizes.seconds(8))
    await run.in_thread(run.site.kill_services)
    await run.in_thread(run.site.start_kafka)
    await run.in_thread(run.site.start_services)

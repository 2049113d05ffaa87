"""A cluster of three brokers that loses one, then two of them, and moves its leaders."""

import asyncio

from tests.faults.cluster import Cluster
from tests.faults.run import Run


async def each_killed_in_turn(run: Run) -> None:
    """kill -9 of one broker after the other; with two left, everything goes on."""
    cluster = _cluster(run)
    for name in cluster.names:
        await run.in_thread(cluster.kill, name)
        await asyncio.sleep(run.sizes.seconds(8))
        await run.in_thread(cluster.start, name)


async def two_killed_at_once(run: Run) -> None:
    """One broker may acknowledge nothing alone: the APIs go on, and everything arrives afterwards."""
    cluster = _cluster(run)
    await run.in_thread(cluster.kill, *cluster.names[1:])
    await asyncio.sleep(run.sizes.seconds(20))
    await run.in_thread(cluster.start, *cluster.names[1:])


async def leaders_moved(run: Run) -> None:
    """After a broker was away, leadership is given back to it while everybody writes and reads."""
    cluster = _cluster(run)
    await run.in_thread(cluster.kill, cluster.names[0])
    await asyncio.sleep(run.sizes.seconds(5))
    await run.in_thread(cluster.start, cluster.names[0])
    moved = await run.in_thread(cluster.prefer_first_leaders)
    assert moved, "no partition has changed its leader"


def _cluster(run: Run) -> Cluster:
    assert run.site.cluster is not None
    return run.site.cluster

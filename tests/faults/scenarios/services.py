"""Processes of Lotse that die, at any moment and at the worst one."""

import asyncio
from functools import partial

from tests.faults.run import Run, Strike
from tests.faults.site import NAMES, Site

DOWN_SECONDS = 3.0


def killed(*names: str) -> Strike:
    """kill -9 of these services at once; started again a little later."""

    async def strike(run: Run) -> None:
        await run.kill(*names)
        await asyncio.sleep(run.sizes.seconds(DOWN_SECONDS))
        await run.start(*names)

    return strike


async def each_killed_in_turn(run: Run) -> None:
    """kill -9 of one after the other."""
    for name in NAMES:
        await killed(name)(run)
        await asyncio.sleep(run.sizes.seconds(1))


async def a_second_process_comes_and_dies(run: Run) -> None:
    """Two processes of each service share the work for a while; the second is killed."""
    for name in NAMES:
        other = await run.in_thread(run.site.start_second, name)
        await asyncio.sleep(run.sizes.seconds(6))
        await run.kill(other)


def _has_died(site: Site, name: str) -> bool:
    return not site.is_running(name)


def dying(how: str, names: tuple[str, ...], times: int = 0) -> Strike:
    """Services that die by themselves at one place in the code, each a few times; then they run as they should."""

    async def strike(run: Run) -> None:
        for name in names:
            await run.kill(name)
            for _ in range(times or (2 if run.sizes.scale >= 1 else 1)):
                await run.in_thread(run.site.start_wrapped, how, name)
                await run.until(partial(_has_died, run.site, name), f"{name} {how}")
            await run.start(name)

    return strike


relays_die_between_ack_and_delete = dying("dies_between_ack_and_delete", ("intake", "referral", "notifier"))
consumers_die_between_commit_and_poll = dying("dies_between_commit_and_poll", NAMES)


def replaced(how: str, names: tuple[str, ...]) -> Strike:
    """Services that run in one of the broken ways for a while."""

    async def strike(run: Run) -> None:
        await run.kill(*names)
        await run.in_thread(run.site.start_wrapped, how, *names)
        await run.in_thread(run.site.wait_until_ready, *names)
        await asyncio.sleep(run.sizes.seconds(10))
        await run.kill(*names)
        await run.start(*names)

    return strike


sends_are_refused = replaced("is_refused_now_and_then", ("intake", "referral", "notifier"))

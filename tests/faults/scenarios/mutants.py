"""Lotse broken on purpose: what the checker must not let pass."""

import asyncio
from dataclasses import dataclass

from tests.faults.checker import Fault, Finding
from tests.faults.run import Run, Strike
from tests.faults.scenarios.services import dying
from tests.faults.site import OpenSite, open_site

WRITING = ("intake", "referral", "notifier")

# The rows have left the outbox, and then the process dies. One service that does so is enough to be found out.
deletes_before_the_ack = dying("deletes_before_the_ack", ("referral",), times=1)


async def goes_on_after_a_failed_send(run: Run) -> None:
    """Every fifth batch is refused, and what comes after it is sent all the same."""
    await _replace(run, "goes_on_after_a_failed_send", WRITING)
    await asyncio.sleep(5)
    await run.kill(*WRITING)
    await run.start(*WRITING)


async def ignores_versions(run: Run) -> None:
    """Reporting counts what comes, and a relay that died sends some of it twice."""
    await _replace(run, "ignores_versions", ("reporting",))
    await dying("dies_between_ack_and_delete", ("referral", "intake"), times=2)(run)


async def _replace(run: Run, how: str, names: tuple[str, ...]) -> None:
    await run.kill(*names)
    await run.in_thread(run.site.start_wrapped, how, *names)
    await run.in_thread(run.site.wait_until_ready, *names)


@dataclass(frozen=True)
class Mutant:
    """One broken rule; `shown_as`: the findings that prove it found out. Its site is not used again afterwards."""

    name: str
    strike: Strike
    shown_as: frozenset[Fault]
    site: OpenSite = open_site

    def is_shown_by(self, finding: Finding) -> bool:
        """Whether a finding is what this breach leads to, and not some trouble on the way."""
        return finding.fault in self.shown_as


LOSS = frozenset({Fault.LOST, Fault.GAP, Fault.ORDER})
MUTANTS = (
    Mutant("relay deletes before the acknowledgement", deletes_before_the_ack, LOSS),
    Mutant("relay goes on after a failed send", goes_on_after_a_failed_send, LOSS),
    Mutant("consumer ignores versions", ignores_versions, frozenset({Fault.NUMBERS, Fault.DUPLICATE})),
)

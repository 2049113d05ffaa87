"""A short profile of `make faults`: the real servers and services, killed and poisoned under load."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.faults.run import BROKEN, SHORT, Result, play
from tests.faults.scenarios.mutants import MUTANTS
from tests.faults.scenarios.registry import BY_NAME
from tests.faults.site import Site, open_site


@pytest.fixture(scope="module")
def site(stop_in_order: None) -> Iterator[Site]:
    """Servers of this file's own: they are killed."""
    with open_site(durable=False) as opened:
        yield opened


def played(site: Site, name: str) -> Result:
    """One scenario in the short profile."""
    return asyncio.run(play(site, name, BY_NAME[name].strike, SHORT))


@pytest.mark.parametrize(
    "name", ["all services killed at once", "broker killed for 10 s", "poison in the middle of cases"]
)
def test_nothing_acknowledged_is_lost_and_nothing_overtakes(site: Site, name: str) -> None:
    """All that was answered with 2xx arrives, in order per case, under gapless numbers, at whom it is for."""
    result = played(site, name)
    assert [str(finding) for finding in result.findings] == []
    assert result.cases >= SHORT.cases
    assert result.received > 0


def test_a_relay_that_deletes_too_early_is_found_out(site: Site) -> None:
    """The net catches fish: with a broken relay the same checker misses something. Last, for it spoils the site."""
    mutant = MUTANTS[0]
    result = asyncio.run(play(site, mutant.name, mutant.strike, BROKEN))
    assert any(mutant.is_shown_by(finding) for finding in result.findings)

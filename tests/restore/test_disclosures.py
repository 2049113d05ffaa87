"""A restore is written into the disclosure chains, and what the bus still knows of them comes back."""

import pytest

from deploy.cli.audit import audit_chains
from tests.flows.world import AWO
from tests.intake.chains import silent
from tests.restore.test_histories import fetch, referred
from tests.restore.town import Town

# Services are stopped here while their Kafka clients still start, which leaves connections for the collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


async def chain(town: Town) -> list[dict[str, object]]:
    """AWO's chain as AWO reads it."""
    answer = await town.ask("GET", "intake", "/v1/disclosures", AWO)
    return list(answer.json()["disclosures"])


async def test_a_restored_chain_says_so_and_takes_back_what_the_bus_knows(town: Town) -> None:
    """One fetch is in the backup, two are not: they come back under their ids, but not who fetched and on what."""
    _, _, referral_id = await referred(town)
    await town.quiet()
    assert await fetch(town, referral_id) == 200
    await town.quiet()
    copy = await town.backup("intake")
    assert [await fetch(town, referral_id) for _ in range(2)] == [200, 200]
    await town.quiet()
    before = await chain(town)
    await town.restore("intake", copy)
    await town.recovered("intake")
    await town.quiet()
    assert await fetch(town, referral_id) == 200
    after = await chain(town)
    assert after[0] == before[0]
    assert [row["kind"] for row in after] == ["disclosed", "restored", "adopted", "adopted", "disclosed"]
    assert [row["disclosure_id"] for row in after[2:4]] == [row["disclosure_id"] for row in before[1:]]
    assert [row["disclosed_at"] for row in after[2:4]] == [row["disclosed_at"] for row in before[1:]]
    assert {row["fetched_by"] for row in after[2:4]} == {"unknown since a restore"}
    findings: list[str] = []
    done = await audit_chains(town.parts["intake"].url, None, silent, findings.append)
    assert findings == []
    assert len([note for note in done.notes if "restored on" in note]) == 4

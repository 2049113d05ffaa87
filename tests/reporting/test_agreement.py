"""An agreement that cannot be read or counted stops the start with one sentence; what is late follows its dates."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from schemas.agreement_file import AgreementFile, load_agreement
from schemas.partner_file import load_partners
from services.chassis.config import StartError
from services.reporting.app import SERVICE
from services.reporting.model import NOBODY, Facts, Happened, Result, Year, results, uncountable
from tests.conftest import CreateDatabase
from tests.harness import ROOT, running
from tests.notifier.events import CITY

HEAD = 'slug = "koblenz"\nname = "Vereinbarung"\nconcluded_on = 2014-01-08\n'
PARTNERS = load_partners(ROOT / "deploy" / "partners")


def agreement(folder: Path, counts: str, more: str = "") -> AgreementFile:
    """An agreement of one clause that is counted in that way."""
    return load_agreement(write(folder, counts, more))


def write(folder: Path, counts: str, more: str = "") -> Path:
    """The file of such an agreement."""
    path = folder / "agreement.toml"
    clause = f'[[clause]]\nid = "K1"\nfrom = "a"\nduty = "b"\ncounts_as_done = "c"\n{more}\ncounts = {{ {counts} }}\n'
    path.write_text(HEAD + clause)
    return path


async def starts_with(folder: Path, url: str, path: Path | None) -> str:
    """Start reporting with an agreement file; return the sentence it refuses with."""
    with pytest.raises(StartError) as refused:
        async with running(SERVICE, folder, url, agreement_file=path):
            pass
    return str(refused.value)


async def test_wrong_agreement_stops_the_start_naming_file_and_field(
    tmp_path: Path, create_database: CreateDatabase
) -> None:
    """Missing setting, missing file, wrong field, uncountable type: one sentence each."""
    url = await create_database("reporting")
    assert "LOTSE_AGREEMENT_FILE" in await starts_with(tmp_path, url, None)
    assert "nowhere.toml" in await starts_with(tmp_path, url, tmp_path / "nowhere.toml")
    wrong = write(tmp_path, 'kind = "sum-information", by = "mayor"')
    sentence = await starts_with(tmp_path, url, wrong)
    assert str(wrong) in sentence
    assert "by" in sentence
    uncounted = write(tmp_path, 'kind = "events", types = ["lotse.person.erased.v1"]')
    sentence = await starts_with(tmp_path, url, uncounted)
    assert sentence.startswith(f"{uncounted}: clause K1, counts, types has lotse.person.erased.v1;")


@pytest.mark.parametrize(
    "counts",
    [
        'kind = "events", types = ["lotse.consent.withdrawn.v1"]',
        'kind = "events", types = ["lotse.partner.informed.v1"]',
        'kind = "events", types = ["lotse.offer.published.v1"], sent_to = "city"',
        'kind = "events", types = ["lotse.offer.assurance_due.v1"], sent_to = "city"',
        'kind = "events", types = ["lotse.information.counted.v1"], sent_to = "migration-service"',
        'kind = "events-told", types = ["lotse.referral.received.v1"]',
        'kind = "events-told", types = ["lotse.offer.published.v1"], level = "operational"',
        'kind = "events-told", types = ["lotse.contact.announced.v1"], level = "operational"',
    ],
)
def test_what_cannot_be_counted_exactly_is_named(tmp_path: Path, counts: str) -> None:
    """An agreement never silently counts zero."""
    assert uncountable(agreement(tmp_path, counts)) is not None


def test_koblenz_agreement_can_be_counted() -> None:
    """The committed file is within what this code counts."""
    assert uncountable(load_agreement(ROOT / "deploy" / "agreement" / "koblenz.toml")) is None


def late(folder: Path, facts: Facts, *, is_over: bool, due: str = 'due = "yearly"') -> Result:
    """What a clause with a yearly date amounts to."""
    counted = agreement(folder, 'kind = "events", types = ["lotse.offer.published.v1"]', due)
    year = Year(2025, datetime(2025, 12, 31, 23, tzinfo=UTC), is_over)
    (result,) = results(counted, PARTNERS, facts, year)
    return result


def test_yearly_duty_is_late_only_when_its_year_passed_without_it(tmp_path: Path) -> None:
    """While the year lasts nothing is late, and without a date nothing ever is."""
    done = Facts(happened=[Happened("lotse.offer.published.v1", CITY, NOBODY, 2)])
    assert late(tmp_path, Facts(), is_over=True).late == 1
    assert late(tmp_path, Facts(), is_over=False).late == 0
    assert late(tmp_path, done, is_over=True).late == 0
    assert late(tmp_path, done, is_over=True).done == 2
    assert late(tmp_path, Facts(), is_over=True, due="").late is None

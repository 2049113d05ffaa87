"""The documents of data protection say what is there: each table in one data set, each file as it would be written."""

import sys
from collections import Counter
from pathlib import Path

import asyncpg
import pytest

from deploy.privacy.__main__ import FOLDER, main
from deploy.privacy.data_sets import BASES, DATA_SETS
from deploy.privacy.pages import pages
from schemas.agreement_file import Retention, load_agreement
from schemas.codes import LegalRegime
from schemas.partner_file import load_partners
from tests.conftest import CreateDatabase
from tests.harness import ROOT

DATABASES = ("intake", "referral", "notifier", "reporting", "keys")


async def tables(url: str) -> set[str]:
    """`schema.table` of every table of a database."""
    conn = await asyncpg.connect(url)
    try:
        rows = await conn.fetch(
            "select schemaname, tablename from pg_tables where schemaname not in ('pg_catalog', 'information_schema')"
        )
        return {".".join(row) for row in rows}
    finally:
        await conn.close()


def declared(database: str) -> list[str]:
    """What the data sets say is in a database; what is in every service's is not in the keys'."""
    common = [] if database == "keys" else [each.tables.get("*", "") for each in DATA_SETS]
    return " ".join([*common, *(each.tables.get(database, "") for each in DATA_SETS)]).split()


@pytest.mark.parametrize("database", DATABASES)
async def test_each_table_belongs_to_exactly_one_data_set(create_database: CreateDatabase, database: str) -> None:
    """A table that a migration adds needs a purpose, a basis and a period before it can be released."""
    named = Counter(declared(database))
    assert [table for table, times in named.items() if times > 1] == []
    assert set(named) == await tables(await create_database(database))


def test_every_data_set_has_a_basis_under_every_law() -> None:
    """Whoever's law a unit works under."""
    for each in DATA_SETS:
        assert BASES[each.basis].keys() == {regime.value for regime in LegalRegime}


def test_the_periods_are_the_agreements() -> None:
    """Another number there is another number in the documents."""
    partners = load_partners(ROOT / "deploy" / "partners")
    agreement = load_agreement(ROOT / "deploy" / "agreement" / "koblenz.toml")
    longer = agreement.model_copy(update={"retention": Retention(months_after_closing=11, years_of_proof=7)})
    written = pages(partners, longer)["loeschkonzept.md"]
    assert "11 Monate nach Ende" in written
    assert "bis 31. Dezember des 7. Jahres" in written


def test_a_document_that_drifted_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By `--check`, which changes nothing; without it the document is written anew."""
    for file in FOLDER.glob("*.md"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "loeschkonzept.md").write_text("alt", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["privacy", "--check"])
    assert main(tmp_path) == 1
    assert "differs: docs/privacy/loeschkonzept.md" in capsys.readouterr().out
    assert (tmp_path / "loeschkonzept.md").read_text(encoding="utf-8") == "alt"
    monkeypatch.setattr(sys, "argv", ["privacy"])
    assert main(tmp_path) == 0
    monkeypatch.setattr(sys, "argv", ["privacy", "--check"])
    assert main(tmp_path) == 0


def test_the_committed_documents_are_as_they_would_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """They cannot drift from what Lotse does."""
    monkeypatch.setattr(sys, "argv", ["privacy", "--check"])
    assert main() == 0

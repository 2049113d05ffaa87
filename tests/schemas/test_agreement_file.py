"""The agreement's file: the fifteen clauses of Koblenz, and one sentence for each fault."""

from pathlib import Path

import pytest

from schemas.agreement_file import AgreementFileError, Events, EventsTold, load_agreement
from tests.harness import ROOT

KOBLENZ = ROOT / "deploy" / "agreement" / "koblenz.toml"

GOOD = """
slug = "koblenz"
name = "Integrationsvereinbarung"
concluded_on = 2014-01-08

[[clause]]
id = "K1"
from = "Stadt"
to = "Migrantinnen und Migranten"
duty = "informieren"
counts_as_done = "gezählte Informationen"
counts = { kind = "sum-information", by = "city" }

[[clause]]
id = "K6"
from = "alle"
duty = "Ansprechpartner mitteilen"
counts_as_done = "Mitteilung"
counts = { kind = "events-told", types = ["lotse.contact.published.v1"], level = "coordinating" }
due = "yearly"
"""

FAULTS = [
    ('slug = "koblenz"', 'slug = koblenz"', r"is not valid TOML: .*\(at line 2, "),
    ('slug = "koblenz"', 'slug = "Koblenz am Rhein"', "slug is 'Koblenz am Rhein'; it should be lower-case"),
    ("concluded_on = 2014-01-08", 'concluded_on = "long ago"', "concluded_on is 'long ago'; it should be a date"),
    ("concluded_on = 2014-01-08\n", "", "concluded_on is missing; it should be a date, for instance 2014-01-08"),
    ('slug = "koblenz"', 'slug = "koblenz"\nmayor = "x"', "mayor is not a known key; known here are slug, name"),
    ('id = "K1"', 'id = "1"', "clause 1, id is '1'; it should be \"K\" and a number"),
    ('id = "K6"', 'id = "K1"', "the clause K1 is there twice; each needs an id of its own"),
    ('from = "Stadt"\n', "", "clause 1, from is missing; it should be a text .*: who owes the duty"),
    ('duty = "informieren"', 'duty = ""', "clause 1, duty is ''; it should be a text of 1 to 500 characters"),
    ('counts_as_done = "gezählte Informationen"\n', "", "clause 1, counts_as_done is missing"),
    ('due = "yearly"', 'due = "soon"', "clause 2, due is 'soon'; it should be \"yearly\", or left out"),
    ('kind = "sum-information", by', "by", "clause 1, counts is {'by': 'city'}; it should be a table of the kind"),
    ('"sum-information"', '"guess"', "clause 1, counts is .*; it should be a table of the kind sum-information"),
    ('by = "city"', 'by = "mayor"', "clause 1, counts, sum-information, by is 'mayor'; it should be one of city"),
    (', by = "city"', "", "clause 1, counts, sum-information, by is missing; it should be one of city, jobcenter"),
    ('by = "city"', 'by = "city", colour = 1', "colour is not a known key; known here are kind, by$"),
    ("contact.published.v1", "contact.shouted.v1", 'wrong: there is no event of the type "lotse.contact.shouted.v1"'),
    ('["lotse.contact.published.v1"]', "[]", r"types is \[\]; it should be a list of event types"),
    (
        '[[clause]]\nid = "K1"',
        '[freshness]\nassured_for_months = 0\n\n[[clause]]\nid = "K1"',
        "freshness, assured_for_months is 0; it should be a number of months from 1 to 24",
    ),
    ('level = "coordinating"', 'level = "high"', "level is 'high'; it should be one of coordinating, operational"),
]


@pytest.mark.parametrize(("old", "new", "sentence"), FAULTS, ids=[sentence for *_, sentence in FAULTS])
def test_wrong_file_is_refused_with_file_field_and_what_would_be_right(
    tmp_path: Path, old: str, new: str, sentence: str
) -> None:
    """Whoever wrote the file can mend it without reading code."""
    assert old in GOOD
    path = tmp_path / "koblenz.toml"
    path.write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(AgreementFileError, match=sentence) as caught:
        load_agreement(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_agreement_without_clauses_is_refused(tmp_path: Path) -> None:
    """An agreement owes something."""
    path = tmp_path / "koblenz.toml"
    path.write_text(GOOD.partition("[[clause]]")[0], encoding="utf-8")
    with pytest.raises(AgreementFileError, match=r"clause is missing; it should be one table \[\[clause\]\] or more"):
        load_agreement(path)


def test_koblenz_has_its_fifteen_clauses_in_order() -> None:
    """K1 to K15, each once."""
    assert [clause.id for clause in load_agreement(KOBLENZ).clauses] == [f"K{n}" for n in range(1, 16)]


def test_mediation_counts_what_the_city_sent_to_a_migration_service() -> None:
    """K2 is owed by the City, to the migration services."""
    mediation = next(clause.counts for clause in load_agreement(KOBLENZ).clauses if clause.id == "K2")
    assert isinstance(mediation, Events)
    assert (mediation.sent_by, mediation.sent_to) == ("city", "migration-service")


def test_a_recipient_of_an_unknown_part_is_refused(tmp_path: Path) -> None:
    """The sentence names the parts there are."""
    path = tmp_path / "koblenz.toml"
    events = 'kind = "events", types = ["lotse.referral.received.v1"], sent_to = "mayor"'
    path.write_text(GOOD.replace('kind = "sum-information", by = "city"', events), encoding="utf-8")
    with pytest.raises(AgreementFileError, match="events, sent_to is 'mayor'; it should be one of city, jobcenter"):
        load_agreement(path)


def test_only_the_yearly_meeting_has_a_date() -> None:
    """The source sets no other date, and Lotse invents none."""
    assert {clause.id: clause.due for clause in load_agreement(KOBLENZ).clauses if clause.due} == {"K12": "yearly"}


def test_clauses_that_cannot_be_counted_say_so() -> None:
    """No clause is left without a way to count it or a reason."""
    kinds = {clause.id: clause.counts.kind for clause in load_agreement(KOBLENZ).clauses}
    assert kinds["K3"] == "not-measured"
    assert {clause_id for clause_id, kind in kinds.items() if kind == "not-yet"} == {
        "K11", "K12", "K13", "K14", "K15",
    }  # fmt: skip


def test_the_two_levels_of_contacts_are_counted_apart() -> None:
    """K6 and K7 differ in the level only."""
    clauses = {clause.id: clause.counts for clause in load_agreement(KOBLENZ).clauses}
    coordinating, operational = clauses["K6"], clauses["K7"]
    assert isinstance(coordinating, EventsTold)
    assert isinstance(operational, EventsTold)
    assert (coordinating.level, operational.level) == ("coordinating", "operational")
    assert coordinating.types == operational.types

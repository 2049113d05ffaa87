"""Partner files: each fault is one sentence that names file and field and says what would be right."""

from pathlib import Path

import pytest

from schemas import UnitId
from schemas.codes import LegalRegime, PartnerRole
from schemas.partner_file import PartnerFileError, UnknownPartner, load_partner, load_partners
from tests.harness import ROOT

GOOD = """
slug = "caritas"
legal_name = "Caritasverband e. V."
controller = "Caritasverband e. V."
contact = "Hohenzollernstraße 1, Koblenz"
complaint_authority = "Katholisches Datenschutzzentrum"
kafka_user = "partner-caritas"

[secrets]
pairwise_key = "pairwise-caritas"
kafka_password = "kafka-partner-caritas"

[[unit]]
slug = "mbe"
name = "Migrationsberatung"
regime = "KDG"
roles = ["migration-service"]
service_types = ["MBE"]

[[unit]]
slug = "jmd"
name = "Jugendmigrationsdienst"
regime = "KDG"
roles = ["migration-service"]
service_types = ["JMD"]
"""


def write(directory: Path, name: str, old: str = "", new: str = "") -> Path:
    """Write the good file under a name, with one thing replaced."""
    assert old in GOOD
    path = directory / f"{name}.toml"
    path.write_text(GOOD.replace(old, new, 1) if old else GOOD, encoding="utf-8")
    return path


FAULTS = [
    ('slug = "caritas"', 'slug = "caritas', r"is not valid TOML: .*\(at line 2, "),
    ('slug = "caritas"', 'slug = "Caritas e.V."', "slug is 'Caritas e.V.'; it should be lower-case letters"),
    ('slug = "caritas"', 'slug = "awo"', 'is wrong: kafka_user should be "partner-awo"'),
    ('slug = "caritas"\n', "", "slug is missing; it should be lower-case letters"),
    ('legal_name = "Caritasverband e. V."', "legal_name = 7", "legal_name is 7; it should be a name"),
    ('legal_name = "Caritasverband e. V."', 'legal_name = " "', "legal_name is ' '; it should be a name"),
    ('controller = "Caritasverband e. V."\n', "", "controller is missing; it should be a name .*who answers"),
    (
        'contact = "Hohenzollernstraße 1, Koblenz"\n',
        "",
        "contact is missing; it should be a name .*where a person reaches",
    ),
    ("complaint_authority", "complaints", "complaint_authority is missing"),
    ('kafka_user = "partner-caritas"', 'kafka_user = "caritas"', 'kafka_user should be "partner-caritas"'),
    (
        'kafka_user = "partner-caritas"',
        'kafka_user = "partner-caritas"\nphone = "1"',
        "phone is not a known key; known",
    ),
    ("[secrets]", "[secret]", r"secrets is missing; it should be a table \[secrets\]"),
    (
        'pairwise_key = "pairwise-caritas"',
        'pairwise_key = "../x"',
        "secrets, pairwise_key is wrong and is not repeated here; it should be",
    ),
    (
        'pairwise_key = "pairwise-caritas"',
        'pairwise_key = "vault-operator-key"',
        'secrets, pairwise_key is wrong and is not repeated here; it should be .*"pairwise-"',
    ),
    (
        'pairwise_key = "pairwise-caritas"',
        'pairwise_key = "idempotency"',
        'secrets, pairwise_key is wrong and is not repeated here; it should be .*"pairwise-"',
    ),
    (
        'pairwise_key = "pairwise-caritas"',
        'pairwise_key = "pairwise-../idempotency"',
        "secrets, pairwise_key is wrong and is not repeated here; it should be",
    ),
    (
        'pairwise_key = "pairwise-caritas"',
        'pairwise_key = "pairwise-"',
        "pairwise_key is wrong and is not repeated here; it should be",
    ),
    (
        'kafka_password = "kafka-partner-caritas"',
        'kafka_password = "lotse-intake"',
        'secrets, kafka_password is wrong and is not repeated here; it should be .*"kafka-partner-"',
    ),
    (
        'kafka_password = "kafka-partner-caritas"',
        'kafka_password = "kafka-partner"',
        'secrets, kafka_password is wrong and is not repeated here; it should be .*"kafka-partner-"',
    ),
    ('pairwise_key = "pairwise-caritas"', 'key = "x"', "secrets, pairwise_key is missing"),
    ('regime = "KDG"\n', "", "unit 1, regime is missing; it should be one of DSGVO, KDG, SGB-X"),
    ('regime = "KDG"', 'regime = "GDPR"', "unit 1, regime is 'GDPR'; it should be one of DSGVO, KDG, SGB-X"),
    ('roles = ["migration-service"]', "roles = []", r"unit 1, roles is \[\]; it should be a list of one or more"),
    ('roles = ["migration-service"]', 'roles = ["mayor"]', "unit 1, roles 1 is 'mayor'; it should be a list of one"),
    ('service_types = ["MBE"]\n', "", 'unit 1 is wrong: the migration service "mbe" must name its service_types'),
    ('service_types = ["MBE"]', 'service_types = ["abc"]', "unit 1, service_types 1 is 'abc'; it should be a list"),
    ('slug = "jmd"', 'slug = "mbe"', 'the unit "mbe" is there twice; each needs a slug of its own'),
    ('name = "Jugendmigrationsdienst"', 'nam = "JMD"', "unit 2, name is missing"),
    (
        'slug = "jmd"',
        'slug = "jmd"\ncolour = "red"',
        "unit 2, colour is not a known key; known here are slug, name, regime",
    ),
]


@pytest.mark.parametrize(("old", "new", "sentence"), FAULTS, ids=[sentence for *_, sentence in FAULTS])
def test_wrong_file_is_refused_with_file_field_and_what_would_be_right(
    tmp_path: Path, old: str, new: str, sentence: str
) -> None:
    """Whoever wrote the file can mend it without reading code."""
    path = write(tmp_path, "caritas", old, new)
    with pytest.raises(PartnerFileError, match=sentence) as caught:
        load_partner(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_file_without_units_is_refused(tmp_path: Path) -> None:
    """A partner acts through its units."""
    path = tmp_path / "caritas.toml"
    path.write_text(GOOD.partition("[[unit]]")[0])
    with pytest.raises(PartnerFileError, match=r"unit is missing; it should be one table \[\[unit\]\] or more"):
        load_partner(path)
    path.write_text("unit = []\n" + GOOD.partition("[[unit]]")[0])
    with pytest.raises(PartnerFileError, match=r"unit is \[\]; it should be one table \[\[unit\]\] or more"):
        load_partner(path)


def test_file_of_another_name_than_its_slug_is_refused(tmp_path: Path) -> None:
    """A file is found by its partner's name."""
    with pytest.raises(PartnerFileError, match=r'slug is "caritas"; it should be "awo" as in the file'):
        load_partner(write(tmp_path, "awo"))


def test_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """An absent file and one in another encoding are told apart."""
    with pytest.raises(PartnerFileError, match=r"absent\.toml cannot be read: No such file"):
        load_partner(tmp_path / "absent.toml")
    (tmp_path / "caritas.toml").write_bytes(GOOD.encode().replace(b"Migrationsberatung", "Für".encode("latin-1")))
    with pytest.raises(PartnerFileError, match=r"caritas\.toml is not UTF-8 text"):
        load_partner(tmp_path / "caritas.toml")


def test_long_wrong_values_are_shortened(tmp_path: Path) -> None:
    """The sentence stays a sentence."""
    path = write(tmp_path, "caritas", 'slug = "caritas"', f'slug = "{"X" * 500}"')
    with pytest.raises(PartnerFileError) as caught:
        load_partner(path)
    assert len(str(caught.value).removeprefix(str(path))) < 200


def second(directory: Path, slug: str, **secrets: str) -> None:
    """Write a second partner whose file is right by itself."""
    text = GOOD.replace("caritas", slug)
    for old, new in secrets.items():
        text = text.replace(f"{old} = ", f"{old} = {new!r} # ")
    (directory / f"{slug}.toml").write_text(text, encoding="utf-8")


def test_two_partners_cannot_share_a_secret(tmp_path: Path) -> None:
    """With one key they could join their references."""
    write(tmp_path, "caritas")
    second(tmp_path, "diakonie", pairwise_key="pairwise-caritas")
    with pytest.raises(PartnerFileError, match=r'diakonie\.toml: secrets, pairwise_key is "pairwise-caritas", which'):
        load_partners(tmp_path)


def test_slug_that_begins_with_another_is_refused(tmp_path: Path) -> None:
    """Consumer groups are granted by prefix."""
    write(tmp_path, "caritas")
    second(tmp_path, "caritas-koblenz")
    with pytest.raises(PartnerFileError, match=r'caritas-koblenz\.toml: slug is "caritas-koblenz", which begins'):
        load_partners(tmp_path)


def test_directory_without_partners_is_refused(tmp_path: Path) -> None:
    """Nobody to inform is a mistake in the setting, not an agreement."""
    with pytest.raises(PartnerFileError, match="has no partner file"):
        load_partners(tmp_path)


def test_koblenz_has_its_four_partners_with_their_units_and_regimes() -> None:
    """The files that come with Lotse are the agreement's."""
    partners = load_partners(ROOT / "deploy" / "partners")
    assert partners.slugs == ("awo-rheinland", "caritas-koblenz", "jobcenter-koblenz", "stadt-koblenz")
    assert {unit_id: unit.regime for unit_id, unit in partners.units.items()} == {
        "stadt-koblenz/integration": LegalRegime.DSGVO,
        "jobcenter-koblenz/jobcenter": LegalRegime.SGB_X,
        "caritas-koblenz/mbe": LegalRegime.KDG,
        "caritas-koblenz/jmd": LegalRegime.KDG,
        "awo-rheinland/mbe": LegalRegime.DSGVO,
    }
    assert partners.with_role(PartnerRole.CITY) == ("stadt-koblenz",)
    assert partners.with_role(PartnerRole.MIGRATION_SERVICE) == ("awo-rheinland", "caritas-koblenz")


def test_partners_are_found_by_slug_and_units_by_id() -> None:
    """A name that is in no file is said, with those that are."""
    partners = load_partners(ROOT / "deploy" / "partners")
    assert [file.slug for file in partners] == list(partners.slugs)
    assert len(partners) == 4
    assert partners.partner("awo-rheinland").kafka_user == "partner-awo-rheinland"
    unit_id = next(iter(partners.partner("caritas-koblenz").by_id))
    assert partners.unit(unit_id).slug == "mbe"
    with pytest.raises(UnknownPartner, match='no partner has the slug "drk"; there are awo-rheinland'):
        partners.partner("drk")
    with pytest.raises(UnknownPartner, match='no partner has the unit "caritas-koblenz/jmd2"'):
        partners.unit(UnitId("caritas-koblenz/jmd2"))

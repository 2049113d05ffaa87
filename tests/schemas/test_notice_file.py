"""Notices as files: what is shown to whom, what is released and stays, and what nobody can be shown."""

import hashlib
import shutil
from pathlib import Path

import pytest

from schemas import UnitId
from schemas.codes import LanguageTag, Scope
from schemas.ids import partner_of
from schemas.notice_file import LAWS, SCOPES, NoNotice, Notices, load_notices
from schemas.notice_text import NoticeFileError
from schemas.partner_file import UnknownPartner, load_partners
from tests.harness import ROOT

PARTNERS = load_partners(ROOT / "deploy" / "partners")
VERSION, GERMAN, EASY = "2026-01", LanguageTag("de"), LanguageTag("de-simple")
CITY, AWO = UnitId("stadt-koblenz/integration"), UnitId("awo-rheinland/mbe")
CARITAS, JOBCENTER = UnitId("caritas-koblenz/mbe"), UnitId("jobcenter-koblenz/jobcenter")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The notices that come with Lotse, to be changed."""
    copied = tmp_path / "notices"
    shutil.copytree(ROOT / "deploy" / "notices", copied)
    return copied


def load(folder: Path) -> Notices:
    """The notices of that folder for the partners of Koblenz."""
    return load_notices(folder, PARTNERS)


def translate(folder: Path, tag: str, translation: str, version: str = VERSION) -> Path:
    """Put a language into a version: the German texts, which say of themselves that somebody translated them."""
    by = 'translated_by = "vereidigte Übersetzerin"\n' if translation == "human" else ""
    language = folder / version / tag
    shutil.copytree(folder / version / "de", language)
    for path in language.iterdir():
        text = path.read_text(encoding="utf-8")
        head = f'translation = "{translation}"\n{by}'
        path.write_text(text.replace('translation = "original"\n', head, 1), encoding="utf-8")
    return language


def release(folder: Path, *tags: str, version: str = VERSION) -> None:
    """Release these languages whole."""
    files = [path for tag in tags for path in sorted((folder / version / tag).glob("*.md"))]
    lines = [f'"{path.parent.name}/{path.name}" = "{hashlib.sha256(path.read_bytes()).hexdigest()}"' for path in files]
    (folder / version / "released.toml").write_text("[sha256]\n" + "\n".join(lines) + "\n")


def next_version(folder: Path, name: str) -> Path:
    """A further version with the same texts, not released."""
    shutil.copytree(folder / VERSION, folder / name)
    (folder / name / "released.toml").unlink()
    return folder / name


def test_a_notice_names_both_sides_and_the_law_of_each() -> None:
    """The Jobcenter's social data law for one side, the church's for the other, with both places to complain."""
    notice = load(ROOT / "deploy" / "notices").text(None, GERMAN, JOBCENTER, CARITAS, Scope.COOPERATION)
    for unit in (JOBCENTER, CARITAS):
        partner = PARTNERS.partner(partner_of(unit))
        for said in (PARTNERS.unit(unit).name, partner.controller, partner.contact, partner.complaint_authority):
            assert said in notice.text
    own, other = notice.text.split("## Ihre Rechte bei der anderen Stelle")
    assert "§ 67b Absatz 2 SGB X" in own
    assert "§ 8 KDG" not in own
    assert "§ 8 KDG" in other
    assert "SGB X" not in other


def test_the_hash_is_that_of_exactly_the_text_that_is_shown() -> None:
    """Title included; another pair is shown another text."""
    notices = load(ROOT / "deploy" / "notices")
    notice = notices.text(None, GERMAN, CITY, AWO, Scope.TRANSFER)
    assert notice.sha256 == hashlib.sha256(notice.text.encode("utf-8")).hexdigest()
    assert notice.text.startswith(f"# {notice.title}\n\n")
    assert (notice.version, notice.language) == (VERSION, "de")
    assert notices.text(VERSION, GERMAN, CITY, AWO, Scope.TRANSFER) == notice
    assert notices.text(None, GERMAN, CITY, CARITAS, Scope.TRANSFER).sha256 != notice.sha256
    assert notices.text(None, EASY, CITY, AWO, Scope.TRANSFER).sha256 != notice.sha256


def test_no_place_stays_unfilled() -> None:
    """For every pair, scope and language."""
    notices = load(ROOT / "deploy" / "notices")
    for one in PARTNERS.units:
        for other in PARTNERS.units:
            for scope in SCOPES:
                for language in (GERMAN, EASY):
                    text = notices.text(None, language, one, other, Scope(scope)).text
                    assert "{" not in text
                    assert "\n\n\n" not in text


def test_what_stands_in_a_partner_file_is_never_taken_for_a_place(tmp_path: Path) -> None:
    """A name with braces is shown as it is."""
    shutil.copytree(ROOT / "deploy" / "partners", tmp_path / "partners")
    path = tmp_path / "partners" / "awo-rheinland.toml"
    name = "{to.rights} {x}"
    path.write_text(path.read_text().replace("Dreikaiserweg 4, 56068 Koblenz", name), encoding="utf-8")
    notices = load_notices(ROOT / "deploy" / "notices", load_partners(tmp_path / "partners"))
    assert f"Adresse: {name}\n" in notices.text(None, GERMAN, CITY, AWO, Scope.TRANSFER).text


def test_a_released_text_that_was_changed_is_refused(folder: Path) -> None:
    """One letter is enough, and the way out is a new version."""
    path = folder / VERSION / "de" / "transfer.md"
    path.write_text(path.read_text(encoding="utf-8") + " ", encoding="utf-8")
    with pytest.raises(NoticeFileError, match=r"transfer\.md was changed after its release; .* make a new version"):
        load(folder)


def test_a_released_text_that_is_gone_is_refused(folder: Path) -> None:
    """People were shown it."""
    (folder / VERSION / "de-simple" / "kdg.md").unlink()
    with pytest.raises(NoticeFileError, match=r"released\.toml lists de-simple/kdg\.md, which is missing"):
        load(folder)


def test_what_a_machine_translated_is_never_shown(folder: Path) -> None:
    """It can be read as a draft, and a list of released texts that names it is refused."""
    translate(folder, "uk", "machine")
    notices = load(folder)
    assert "uk" not in notices.languages(Scope.TRANSFER)
    assert notices.draft(VERSION, LanguageTag("uk"), CITY, AWO, Scope.TRANSFER).language == "uk"
    assert [name for name in notices.versions[0].to_release() if name[0] == "uk"] == []
    release(folder, "de", "uk")
    with pytest.raises(NoticeFileError, match=r"lists uk/.*\.md, which a machine translated"):
        load(folder)


def test_a_translation_is_shown_from_its_release_on(folder: Path) -> None:
    """The German text of the same version stays as it is."""
    translate(folder, "ar", "human")
    before = load(folder)
    assert before.languages(Scope.TRANSFER) == (GERMAN, EASY)
    with pytest.raises(NoNotice, match="languages: de, de-simple"):
        before.text(None, LanguageTag("ar"), CITY, AWO, Scope.TRANSFER)
    assert len(before.versions[0].to_release()) == len(SCOPES) + len(LAWS)
    release(folder, "de", "de-simple", "ar")
    after = load(folder)
    assert set(after.languages(Scope.TRANSFER)) == {GERMAN, EASY, "ar"}
    assert after.text(None, LanguageTag("ar"), CITY, AWO, Scope.TRANSFER).version == VERSION
    german = (None, GERMAN, CITY, AWO, Scope.TRANSFER)
    assert after.text(*german) == before.text(*german)


def test_a_language_is_shown_only_when_it_has_the_law_of_every_unit(folder: Path) -> None:
    """Otherwise a person would be shown a notice for one pair and none for the next."""
    translate(folder, "ar", "human")
    (folder / VERSION / "ar" / "sgb-x.md").unlink()
    (folder / VERSION / "ar" / "cooperation.md").unlink()
    release(folder, "de", "ar")
    assert "ar" not in load(folder).languages(Scope.TRANSFER)
    assert load(folder).versions[0].lacks(LanguageTag("ar")) == ["cooperation", "sgb-x"]


def test_the_newest_released_version_is_shown_and_the_older_ones_can_still_be_read(folder: Path) -> None:
    """A version that nobody released is not shown, however new."""
    path = next_version(folder, "2026-02") / "de" / "transfer.md"
    path.write_text(path.read_text(encoding="utf-8").replace("Bitte fragen Sie", "Fragen Sie bitte"), encoding="utf-8")
    old = load(folder).text(None, GERMAN, CITY, AWO, Scope.TRANSFER)
    assert old.version == VERSION
    release(folder, "de", version="2026-02")
    notices = load(folder)
    new = notices.text(None, GERMAN, CITY, AWO, Scope.TRANSFER)
    assert new.version == "2026-02"
    assert new.sha256 != old.sha256
    assert notices.text(VERSION, GERMAN, CITY, AWO, Scope.TRANSFER) == old
    assert notices.languages(Scope.TRANSFER) == (GERMAN,)
    assert notices.languages(Scope.TRANSFER, VERSION) == (GERMAN, EASY)


def test_who_or_what_is_unknown_is_named(folder: Path) -> None:
    """A unit, a version, a language."""
    notices = load(folder)
    with pytest.raises(UnknownPartner):
        notices.text(None, GERMAN, CITY, UnitId("awo-rheinland/jmd"), Scope.TRANSFER)
    with pytest.raises(NoNotice, match="languages: none"):
        notices.text("2025-01", GERMAN, CITY, AWO, Scope.TRANSFER)
    with pytest.raises(NoNotice):
        notices.draft(VERSION, LanguageTag("tr"), CITY, AWO, Scope.TRANSFER)


def test_every_pair_of_units_has_its_german_text(folder: Path) -> None:
    """What comes with Lotse is complete; a law that is missing is named with the pair that needs it."""
    load(folder).check_german()
    release(folder, "de-simple")
    with pytest.raises(NoticeFileError, match=r"2026-01 has no released German transfer\.md and dsgvo\.md and kdg"):
        load(folder).check_german()
    release(folder, "de", "de-simple")
    path = folder / VERSION / "released.toml"
    listed = path.read_text().splitlines()
    path.write_text("\n".join(line for line in listed if not line.startswith('"de/kdg.md"')))
    with pytest.raises(
        NoticeFileError, match=r"has no released German kdg\.md, needed for transfer from .* to caritas-koblenz/"
    ):
        load(folder).check_german()


def test_without_any_release_nothing_is_shown(folder: Path) -> None:
    """A folder of drafts is no notice."""
    (folder / VERSION / "released.toml").unlink()
    notices = load(folder)
    assert notices.newest is None
    assert notices.languages(Scope.TRANSFER) == ()
    with pytest.raises(NoticeFileError, match="has no released German"):
        notices.check_german()


def test_hidden_folders_and_notes_beside_the_texts_do_not_disturb(folder: Path) -> None:
    """Editors and file managers leave things behind."""
    (folder / ".git").mkdir()
    (folder / VERSION / "de" / "transfer.md~").write_text("old")
    assert load(folder).newest == VERSION


def test_lines_of_another_system_are_read_alike(folder: Path) -> None:
    """What a person is shown does not depend on the ends of lines in a file."""
    shown = load(folder).text(None, GERMAN, CITY, AWO, Scope.TRANSFER)
    next_version(folder, "2026-02")
    for path in (folder / "2026-02" / "de").iterdir():
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    release(folder, "de", version="2026-02")
    assert load(folder).text(None, GERMAN, CITY, AWO, Scope.TRANSFER).text == shown.text

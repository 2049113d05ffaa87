"""What the German texts that come with Lotse say: everything a person has to be told, and nothing that is not so."""

import re
from pathlib import Path

import pytest

from schemas.codes import LanguageTag, Outcome, Scope
from schemas.ids import UnitId
from schemas.notice_file import SCOPES, load_notices
from schemas.partner_file import load_partners
from services.intake.model.persons import NEVER_CONSENTED_KEPT
from tests.harness import ROOT

NOTICES = load_notices(ROOT / "deploy" / "notices", load_partners(ROOT / "deploy" / "partners"))
TEXTS = sorted((ROOT / "deploy" / "notices").rglob("*.md"))
EASY_TEXTS = [path for path in TEXTS if path.parent.name == "de-simple"]
CITY, AWO = UnitId("stadt-koblenz/integration"), UnitId("awo-rheinland/mbe")

each_scope = pytest.mark.parametrize("scope", SCOPES)
each_language = pytest.mark.parametrize("language", ["de", "de-simple"])


def shown(language: str, scope: str) -> str:
    """What somebody is shown on the way to AWO, or back from there."""
    pair = (AWO, CITY) if scope.startswith("feedback") else (CITY, AWO)
    return NOTICES.text(None, LanguageTag(language), *pair, Scope(scope)).text


def section(text: str, heading: str) -> str:
    """The part of a text below a heading."""
    return re.split(r"^## ", text.partition(f"## {heading}")[2], maxsplit=1, flags=re.MULTILINE)[0]


# What Art. 7, 13 and 14 DSGVO, § 8 KDG and § 67b SGB X ask for, as a word that only that sentence has.
SAID = {
    "purpose": (r"Für andere Zwecke darf", r"Nur (da)?für .*darf"),
    "which data": (r"auf dem Formular angekreuzt", r"Auf dem Formular sind Kreuze|auf dem Formular auch Kreuze"),
    "validity": (r"höchstens 12 Monate\. Danach endet es von selbst", r"Ihr Ja gilt höchstens 12 Monate"),
    "retention": (r"6 Monate nach .*spätestens nach 12 Monaten", r"6 Monate (nach dem Ende|danach)"),
    "proof": (r"bis zum Ende des dritten Jahres", r"am Ende von dem Jahr 2030"),
    "free": (r"Sie entscheiden frei", r"Sie entscheiden selbst"),
    "no detriment": (r"keine Nachteile", r"\*\*keine\*\* Nachteile"),
    "flyer all the same": (
        r"das Faltblatt und alle Hinweise auf Angebote",
        r"trotzdem das Falt-Blatt mit allen Angeboten",
    ),
    "residence": (r"Aufenthalt, Ihre Leistungen und Ihre Kurse hat das keine", r"Ihr Aufenthalt in Deutschland ändert"),
    "benefits": (r"Ihre Leistungen", r"Sie bekommen \*\*nicht\*\* weniger Geld"),
    "courses": (r"Ihre Kurse", r"Ihre Kurse ändern sich \*\*nicht\*\*"),
    "withdrawal": (r"jederzeit zurücknehmen", r"Das dürfen Sie immer"),
    "as easily": (r"so leicht wie das Ja selbst", r"ganz leicht"),
    "at either unit": (r"Sagen Sie es uns oder der anderen Stelle", r"Oder sagen Sie es der anderen Stelle"),
    "on the own page": (r"persönlichen Seite im Internet", r"Im Internet gibt es eine Seite für Sie"),
    "for the future": (r"Was vorher mit Ihrem Ja geschehen ist, bleibt", r"Vorher hatten wir Ihr Ja"),
    "what stays": (r"Der Widerruf löscht nicht, was", r"Ihr Widerruf löscht das \*\*nicht\*\*"),
    "minors": (r"Ab 15 Jahren entscheiden Sie selbst", r"Sind Sie 15 Jahre alt oder älter"),
    "each alone": (r"jede Person nur für sich", r"jeder Mensch nur für sich"),
    "no authority": (r"nicht an die Ausländerbehörde|nichts davon an die", r"\*\*nicht\*\* an die Ausländer-Behörde"),
    "access": (r"Artikel 15 DSGVO", r"Artikel 15 DSGVO"),
    "data protection officer": (r"die Datenschutzbeauftragten", r"Fach-Leute für den Daten-Schutz"),
    "complaint": (r"Artikel 77 DSGVO", r"Artikel 77 DSGVO"),
}


@each_scope
@pytest.mark.parametrize(("german", "easy"), SAID.values(), ids=SAID)
def test_every_notice_says_all_that_has_to_be_said(scope: str, german: str, easy: str) -> None:
    """In German and in easy German alike."""
    assert re.search(german, shown("de", scope))
    assert re.search(easy, shown("de-simple", scope))


@each_language
def test_the_transfer_notice_tells_what_the_sender_learns_of_it(language: str) -> None:
    """Received, rejected with a reason, no answer, ended: the sender is told these without a feedback consent."""
    heading = {"de": "Was erfahren wir danach?", "de-simple": "Was sagt uns die andere Stelle?"}[language]
    said = section(shown(language, "transfer"), heading).replace("**", "")
    for word in ("angekommen", "Grund", r"antwortet( nicht)?", "zu Ende", r"Mehr (erfahren wir|sagt)"):
        assert re.search(word, said)


@each_language
@each_scope
def test_what_a_counsellor_tells_needs_a_release_from_confidentiality(language: str, scope: str) -> None:
    """All but the transfer, in which no counsellor tells anything, speak of § 203 StGB."""
    assert bool(re.search(r"(§|Paragraf) 203 ", shown(language, scope))) == (scope != "transfer")


@each_language
def test_the_outcome_notice_lists_every_outcome_there_is(language: str) -> None:
    """A further code is a further sentence, in a new version."""
    heading = {"de": "Welche Auskunft ist das?", "de-simple": "Was sagen wir?"}[language]
    listed = re.findall(r"^- ", section(shown(language, "feedback-outcome"), heading), re.MULTILINE)
    assert len(listed) == len(Outcome.writable())


@each_language
def test_what_is_kept_without_a_consent_goes_when_the_notice_says(language: str) -> None:
    """The one period that is fixed in the code."""
    assert f"nach {NEVER_CONSENTED_KEPT.days} Tagen" in shown(language, "transfer")


@each_language
def test_cooperation_goes_one_way_and_refusing_it_is_no_lack_of_cooperation(language: str) -> None:
    """With a Jobcenter on one side that has to be said."""
    text = shown(language, "cooperation")
    assert re.search(r"nur in eine Richtung|nur zu 1 Sache Ja", text)
    assert re.search(r"nicht als fehlende Mitwirkung|Sie machen \*\*nicht\*\* mit", text)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_text_is_plain_german(path: Path) -> None:
    """No dash for a pause, no word that nobody uses of a person, only headings, lists and bold print."""
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"[\u2013\u2014]| - ", text)
    assert not re.search(r"illegal|undokumentiert|Klient|Migrationshintergrund|Betroffene", text)
    assert not re.search(r"^(?!## |- |title|translation|\+\+\+)[#>*`|]", text.replace("**", ""), re.MULTILINE)


def sentences(path: Path) -> list[str]:
    """The sentences of a text, without head, names and the places in the law."""
    body = path.read_text(encoding="utf-8").split("+++\n", 2)[2]
    lines = [re.sub(r"\([^)]*\)", "", line.lstrip("-# ")) for line in body.splitlines() if "{" not in line]
    return [each for line in lines for each in re.split(r"(?<=[.?!:]) ", line.replace("**", "")) if each]


@pytest.mark.parametrize("path", EASY_TEXTS, ids=lambda path: path.name)
def test_easy_german_keeps_to_its_rules(path: Path) -> None:
    """Short sentences, one thing each; digits; no subjunctive, no genitive, no passive."""
    for sentence in sentences(path):
        assert len(sentence.split()) <= 12, sentence
        assert sentence.count(",") <= 1, sentence
        for wrong in (
            r"\b(könnte|würde|wäre|hätte|möchte|sollte|müsste|dürfte)",
            r"\b(zwei|drei|vier|sechs|zwölf|fünfzehn)\b",
            r"\b(des|eines|meines|Ihres|unseres)\b",
            r"\b(wird|werden) \w+ (gelöscht|gespeichert|weitergegeben)",
            r"\b(z\. B\.|d\. h\.|bzw\.|usw\.)",
        ):
            assert not re.search(wrong, sentence), sentence


@pytest.mark.parametrize("path", EASY_TEXTS, ids=lambda path: path.name)
def test_easy_german_has_a_line_for_each_sentence(path: Path) -> None:
    """Outside of lists, a paragraph is one sentence."""
    body = path.read_text(encoding="utf-8").split("+++\n", 2)[2]
    for line in body.splitlines():
        if line and not line.startswith("- "):
            assert len(re.findall(r"[.?!](?= [A-ZÄÖÜ])", line)) == 0, line

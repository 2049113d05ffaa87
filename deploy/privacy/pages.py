"""The three documents as Markdown, in German: who is responsible, the record of processing, the deletion concept."""

from collections.abc import Iterator, Mapping, Sequence

from deploy.privacy.data_sets import BASES, DATA_SETS, DataSet
from schemas.agreement_file import AgreementFile
from schemas.partner_file import PartnerFile, Partners

WRITTEN = "<!-- von `python -m deploy.privacy` geschrieben aus Partnerdateien, Vereinbarung und Datenbeständen -->"
MEASURES = (
    "Angaben der Person einzeln verschlüsselt (AES-256-GCM), Schlüssel in einer eigenen Datenbank, Löschen durch "
    "Vernichten des Schlüssels",
    "jede Weitergabe nur bei gültiger Einwilligung im Augenblick des Abrufs; Widerruf wirkt sofort",
    "eigene Kennzeichen je Partner: zwei Partner können ihre Daten nicht verknüpfen",
    "eine Berechtigungstabelle, Zugriffe protokolliert; der Betrieb sieht keine Person",
    "keine Angaben in Ereignissen, Protokollen, Messwerten und Fehlermeldungen (durch Tests belegt)",
)

Row = Sequence[str]


def pages(partners: Partners, agreement: AgreementFile) -> Mapping[str, str]:
    """The documents by their file names."""
    return {
        "verantwortliche.md": "\n".join(_controllers(partners)) + "\n",
        "verarbeitungsverzeichnis.md": "\n".join(_record(partners, agreement)) + "\n",
        "loeschkonzept.md": "\n".join(_deletion(agreement)) + "\n",
    }


def _controllers(partners: Partners) -> Iterator[str]:
    yield from _head("Verantwortliche", "Wer wofür verantwortlich ist, nach welchem Recht, und wer die Aufsicht führt.")
    yield from _table(
        ("Partner", "Verantwortlicher", "Stellen und Recht", "Anschrift", "Aufsicht"),
        [
            (
                each.legal_name,
                each.controller,
                "; ".join(f"{unit.name} ({unit.regime})" for unit in each.units),
                each.contact,
                each.complaint_authority,
            )
            for each in partners
        ],
    )
    yield "Auftragsverarbeiter für alle ist der Betreiber des Rechenzentrums; der Vertrag (Art. 28 DSGVO, § 29 KDG) "
    yield "nennt ihn. Wo Partner gemeinsam über Zwecke und Mittel entscheiden, gilt Art. 26 DSGVO, § 28 KDG."
    yield ""
    yield "## Je Datenbestand"
    yield ""
    yield from _table(
        ("Datenbestand", "Verantwortlich", "Rechtsgrundlage", *_regimes(partners)),
        [(each.name, each.who, each.basis, *_bases(each, partners)) for each in DATA_SETS],
    )


def _record(partners: Partners, agreement: AgreementFile) -> Iterator[str]:
    yield from _head(
        "Verzeichnis der Verarbeitungstätigkeiten",
        f"Nach Art. 30 DSGVO und § 31 KDG, ein Abschnitt je Verantwortlichem. Tätigkeit: {agreement.name}, mit Lotse.",
    )
    for each in partners:
        yield from _record_of(each, agreement)


def _record_of(partner: PartnerFile, agreement: AgreementFile) -> Iterator[str]:
    yield f"## {partner.legal_name}"
    yield ""
    yield f"- **Verantwortlicher:** {partner.controller}"
    yield f"- **Anschrift, auch der oder des Datenschutzbeauftragten:** {partner.contact}"
    yield f"- **Aufsicht:** {partner.complaint_authority}"
    yield f"- **Stellen:** {'; '.join(f'{unit.name} ({unit.regime})' for unit in partner.units)}"
    yield "- **Übermittlung in Drittländer:** keine"
    yield f"- **Technische und organisatorische Maßnahmen:** {'; '.join(MEASURES)}"
    yield ""
    regimes = dict.fromkeys(unit.regime.value for unit in partner.units)
    yield from _table(
        ("Datenbestand", "Zweck", "Betroffene", "Daten", "Rechtsgrundlage", "Empfänger", "Löschung"),
        [
            (
                each.name,
                each.purpose,
                each.persons,
                each.content,
                "; ".join(dict.fromkeys(BASES[each.basis][regime] for regime in regimes)),
                each.recipients,
                each.kept(agreement.retention),
            )
            for each in DATA_SETS
        ],
    )


def _deletion(agreement: AgreementFile) -> Iterator[str]:
    yield from _head(
        "Löschkonzept",
        "Was wie lange aufbewahrt wird, wo es steht und welcher Lauf es löscht. Die Fristen stehen in der Datei der "
        "Vereinbarung (`[retention]`).",
    )
    yield from _table(
        ("Datenbestand", "Frist", "Lauf", "Tabellen"),
        [(each.name, each.kept(agreement.retention), each.job, _tables(each)) for each in DATA_SETS],
    )
    yield "Eine Löschsperre geht jedem Lauf und jedem Löschwunsch vor. Läufe protokollieren, wie viel sie gelöscht"
    yield "haben, nie was. Sicherungen: die der Schlüssel höchstens 7 Tage, die übrigen höchstens 35 Tage; was eine"
    yield "Person sagte, ist mit der letzten Sicherung ihres Schlüssels endgültig fort. Nach dem Einspielen einer"
    yield "Sicherung werden Widerrufe und Löschungen nachgeholt, bevor etwas herausgegeben wird."


def _head(title: str, text: str) -> Iterator[str]:
    yield f"# {title}"
    yield ""
    yield WRITTEN
    yield ""
    yield text
    yield ""


def _table(head: Row, rows: Sequence[Row]) -> Iterator[str]:
    for row in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(row)} |"
    yield ""


def _regimes(partners: Partners) -> list[str]:
    return list(dict.fromkeys(unit.regime.value for each in partners for unit in each.units))


def _bases(data_set: DataSet, partners: Partners) -> list[str]:
    return [BASES[data_set.basis][regime] for regime in _regimes(partners)]


def _tables(data_set: DataSet) -> str:
    names = {"*": "alle Dienste", "keys": "Schlüssel"}
    return "; ".join(f"{names.get(where, where)}: {', '.join(each.split())}" for where, each in data_set.tables.items())

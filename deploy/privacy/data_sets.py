"""Which data Lotse keeps, in which tables, why and for how long: one declaration, in German, for the documents.

A test compares it with the migrated databases: each table belongs to exactly one data set.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.agreement_file import Retention

CONSENT = "Einwilligung der Person"
PROOF = "Nachweispflicht des Verantwortlichen"
OPERATION = "sicherer Betrieb"
NO_PERSON = "kein Personenbezug"
STAFF = "Einwilligung der genannten Beschäftigten"

BASES: Mapping[str, Mapping[str, str]] = {
    CONSENT: {
        "DSGVO": "Art. 6 Abs. 1 Buchst. a, Art. 9 Abs. 2 Buchst. a DSGVO",
        "KDG": "§ 6 Abs. 1 Buchst. b, § 11 Abs. 2 Buchst. a KDG",
        "SGB-X": "§ 67b Abs. 2 SGB X, Art. 6 Abs. 1 Buchst. a DSGVO",
    },
    PROOF: {
        "DSGVO": "Art. 5 Abs. 2, Art. 7 Abs. 1 DSGVO",
        "KDG": "§ 7 Abs. 2, § 8 Abs. 5 KDG",
        "SGB-X": "§ 67b Abs. 2 SGB X, Art. 7 Abs. 1 DSGVO",
    },
    OPERATION: {"DSGVO": "Art. 32 DSGVO", "KDG": "§ 26 KDG", "SGB-X": "Art. 32 DSGVO, § 35 SGB I"},
    STAFF: {
        "DSGVO": "Art. 6 Abs. 1 Buchst. a DSGVO",
        "KDG": "§ 6 Abs. 1 Buchst. b KDG",
        "SGB-X": "Art. 6 Abs. 1 Buchst. a DSGVO",
    },
    NO_PERSON: {"DSGVO": "entfällt", "KDG": "entfällt", "SGB-X": "entfällt"},
}


@dataclass(frozen=True)
class DataSet:
    """What is kept together.

    tables: by database (the service's name, or "keys"), separated by spaces. basis: a key of BASES. who: the
    controller's part. period, job: how long it is kept, and what takes it away, with the agreement's {months} and
    {years}.
    """

    name: str
    tables: Mapping[str, str]
    persons: str
    content: str
    purpose: str
    basis: str
    who: str
    recipients: str
    period: str
    job: str

    def kept(self, agreed: Retention) -> str:
        """The period with the agreement's numbers."""
        return self.period.format(months=agreed.months_after_closing, years=agreed.years_of_proof)


SENDER = "die Stelle, die die Person aufgenommen hat"
BOTH = "die übergebende Stelle; nach dem Abruf die empfangende für ihre eigene Akte"
EACH = "jeder Partner für sein Handeln"
NOBODY = "niemand außerhalb des Betriebs"

DATA_SETS = (
    DataSet(
        "Angaben der Person",
        {"intake": "intake.sealed intake.person intake.person_index intake.key_to_destroy", "keys": "vault.data_key"},
        "ratsuchende Personen",
        "Name, ein Kontaktweg, Sprache und Dolmetschwunsch, Alter oder Geburtsdatum; nur mit eigener Einwilligung, was "
        "sie brauchen, um kommen zu können (Gesundheitsdaten). Verschlüsselt mit einem Schlüssel je Person; zum "
        "Wiederfinden Prüfsummen von Name und Geburtsjahr, mit denen nur die eigene Stelle suchen kann",
        "Weiterleitung an die passende Beratungsstelle",
        CONSENT,
        SENDER,
        "die Stelle, für die die Person eingewilligt hat, durch Abruf",
        "ohne Einwilligung 72 Stunden; sonst {months} Monate nach Ende der letzten Weiterleitung und der letzten "
        "Einwilligung, oder bis die Person es verlangt; der leere Stammsatz danach 35 Tage oder so lange wie der "
        "Nachweis",
        "erase-never-consented, erase-after-closing, destroy-keys, forget-erased-persons",
    ),
    DataSet(
        "Einwilligungen",
        {
            "intake": "intake.consent intake.consent_event intake.task intake.notice",
            "referral": "referral.consent",
            "notifier": "notifier.consent",
        },
        "ratsuchende Personen, ihre Sorgeberechtigten und Betreuungen (nur die Eigenschaft, kein Name)",
        "wer wem was erlaubt hat, wann, mit welchem Text, auf welche Weise, und wie es endete; unter einer Nummer",
        "Nachweis der Einwilligung",
        PROOF,
        BOTH,
        "die beiden genannten Stellen: das Ende",
        "bis 31. Dezember des {years}. Jahres nach dem Ende; nicht beantwortete Fragen 30 Tage",
        "forget-consent-proof, forget-stale-requests, forget-erased-cases",
    ),
    DataSet(
        "Protokoll der Abrufe",
        {
            "intake": "intake.disclosure intake.disclosure_draft intake.disclosure_head intake.signed_head "
            "intake.signing_key"
        },
        "ratsuchende Personen (unter dem Kennzeichen des Empfängers), abrufende Stellen",
        "wer wann welche Arten von Angaben abgerufen hat, auf welche Einwilligung hin; als Kette von Prüfsummen",
        "Nachweis der Übermittlungen",
        PROOF,
        BOTH,
        "der Empfänger: seine eigene Kette; die Person",
        "auf Dauer: eine Kette ohne Anfang ließe sich nicht prüfen. Nach der Löschung führt kein Weg mehr zur Person",
        "keiner",
    ),
    DataSet(
        "Weiterleitungen",
        {
            "intake": "intake.referral",
            "referral": "referral.referral referral.draft referral.household referral.erased_case",
            "notifier": "notifier.erased_case",
        },
        "ratsuchende Personen (unter einer Nummer)",
        "von welcher an welche Stelle, Stand, Gründe und Ergebnis als Kürzel, Tage; welche weitergeleiteten Personen "
        "ein Haushalt sind, als Nummer",
        "Weiterleitung und, mit eigener Einwilligung, Rückmeldung",
        CONSENT,
        BOTH,
        "die beiden Stellen; die übergebende nur, was die Person erlaubt",
        "bis zur Löschung der Person, danach 35 Tage; dass es den Fall gab und gelöscht wurde, bleibt als Nummer. Ein "
        "Entwurf, bis er gesendet wird, längstens 30 Tage und nie länger als die Person",
        "forget-erased-cases, forget-erased-persons, forget-drafts",
    ),
    DataSet(
        "Zusammenarbeit in Einzelfällen",
        {
            "intake": "intake.cooperation",
            "referral": "referral.cooperation referral.participant referral.agreed_step",
        },
        "ratsuchende Personen (unter einer Nummer); beteiligte Stellen mit ihrer Funktion, ohne Namen",
        "welche Stellen zusammenarbeiten, Stand, Tag eines Treffens, vereinbarte Schritte und Gründe als Kürzel; "
        "nichts vom Inhalt der Beratung",
        "Zusammenarbeit der Stellen in einer Sache der Person",
        CONSENT,
        EACH,
        "die beteiligten Stellen; jede nur, was die Person einer anderen erlaubt ihr zu sagen",
        "182 Tage nach dem Ende der Zusammenarbeit; bei der Aufnahme nur, solange sie dauert",
        "forget-cooperations, forget-erased-cases",
    ),
    DataSet(
        "Mitteilungen an Partner",
        {
            "intake": "intake.told",
            "notifier": "notifier.told notifier.found notifier.stream",
            "reporting": "view.told",
        },
        "ratsuchende Personen (unter einer Nummer)",
        "welcher Partner wann welche Art von Mitteilung bekam",
        "verlässliche Zustellung; Auskunft an die Person",
        PROOF,
        EACH,
        NOBODY,
        "bis zur Löschung der Person; das Zustellbuch danach 100 Tage; im Bericht nur Nummern von Ereignissen",
        "forget-erased-cases",
    ),
    DataSet(
        "Rückfragen nach einem Ende",
        {"intake": "intake.recall", "notifier": "notifier.recall"},
        "ratsuchende Personen (unter einer Nummer)",
        "welcher Partner gefragt wurde, was aus den Daten wurde, und was er antwortete",
        "Mitteilung von Löschung und Widerruf an Empfänger (Art. 19 DSGVO)",
        PROOF,
        EACH,
        "die Stelle, die die Person aufgenommen hat",
        "wie die Einwilligung; im Zustellbuch 100 Tage nach der Löschung, wenn beantwortet",
        "forget-consent-proof, forget-erased-persons, forget-erased-cases",
    ),
    DataSet(
        "Quittungen und Seite der Person",
        {"intake": "intake.receipt intake.receipt_reference page.attempt"},
        "ratsuchende Personen; wer Codes ausprobiert (Adresse nur als Prüfsumme)",
        "wann eine Quittung ausgegeben wurde; Code und PIN nur als Prüfsumme",
        "Einsicht und Widerruf durch die Person selbst",
        CONSENT,
        SENDER,
        NOBODY,
        "bis zur Löschung der Person; Fehlversuche 48 Stunden",
        "die Löschung selbst",
    ),
    DataSet(
        "Löschsperren",
        {"intake": "intake.legal_hold"},
        "ratsuchende Personen (unter einer Nummer)",
        "Grund als Kürzel, wer sie wann gesetzt und aufgehoben hat",
        "Schutz vor Löschung, wo die Person oder das Recht die Daten noch braucht (Art. 17 Abs. 3, Art. 18 DSGVO)",
        PROOF,
        SENDER,
        NOBODY,
        "wie der Stammsatz",
        "forget-erased-persons",
    ),
    DataSet(
        "Zugriffsprotokolle",
        {"*": "chassis.access chassis.operator_act", "intake": "intake.rotation"},
        "Beschäftigte der Partner und des Betriebs (Kennung aus dem Token)",
        "wer wann welchen Vorgang angesehen hat; was der Betrieb von Hand tat und warum",
        "Nachvollziehbarkeit",
        OPERATION,
        "jeder Partner für seine Beschäftigten, der Betreiber für den Betrieb",
        "die Person auf Auskunft",
        "Zugriffe 90 Tage; Eingriffe des Betriebs auf Dauer",
        "forget-access-log",
    ),
    DataSet(
        "Verzeichnis der Angebote, Ansprechstellen und Fortbildungen",
        {
            "referral": "referral.entry referral.training_registration referral.training_attendance",
            "reporting": "view.directory_event",
        },
        "Beschäftigte, die ihrer Nennung als Ansprechperson zugestimmt haben; sonst keine: Ansprechstellen sind "
        "Funktionen, Teilnehmende werden nur gezählt",
        "Angebote, Ansprechstellen, Informationsmaterial, Hinweise auf Veränderungen der Stellen, Fortbildungsbedarfe "
        "und Fortbildungen, und was sich änderte; wie viele Beschäftigte welche Stelle zu einer Fortbildung anmeldet "
        "und wie viele welches Partners da waren; wer eine Ansprechstelle innehat und wann die Person ihrer Nennung "
        "zustimmte",
        "gegenseitige Unterrichtung der Partner",
        STAFF,
        EACH,
        "alle Partner",
        "bis sie ersetzt werden; ein Name, bis er zurückgenommen wird oder die Ansprechstelle wegfällt",
        "keiner",
    ),
    DataSet(
        "Zählungen",
        {
            "intake": "intake.information intake.refusal intake.refusal_language intake.search_count",
            "reporting": "view.information view.event_count",
        },
        "keine",
        "wie viele Menschen informiert wurden oder ablehnten, wie viele Ereignisse es gab, je Stelle und Zeitraum; wie "
        "oft eine Stelle in dieser Minute gesucht hat",
        "Bericht über die Vereinbarung",
        NO_PERSON,
        EACH,
        "alle Partner",
        "auf Dauer",
        "keiner",
    ),
    DataSet(
        "Betriebsdaten",
        {
            "*": "chassis.identity chassis.clock chassis.key chassis.applied chassis.next_offset chassis.dead_letter "
            "chassis.outbox chassis.idempotency chassis.job chassis.sent_offset migrations.applied",
            "keys": "migrations.applied",
        },
        "ratsuchende Personen (nur als Nummer, auf dem Weg)",
        "was noch zu senden ist, was nicht gelesen werden konnte, Versionen, Kennungen von Anfragen",
        "verlässlicher Betrieb",
        OPERATION,
        "der Betreiber im Auftrag",
        NOBODY,
        "bis es seinen Zweck erfüllt hat; Kennungen von Anfragen 7 Tage; der Bus 400 Tage, Ströme der Partner 90 Tage",
        "laufend",
    ),
)

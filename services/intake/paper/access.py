"""The answer to an access request as a page to read and print, in German."""

from base64 import b64encode
from collections.abc import Mapping
from datetime import date, datetime
from hashlib import sha256
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from schemas import UnitId
from schemas.partner_file import Partners
from services.intake.paper.wording import GERMAN, partner_name, unit_name, wording

SAID: Mapping[str, str] = {
    "name": "Name",
    "kind": "Kontaktweg",
    "value": "erreichbar unter",
    "language": "Sprache (Kürzel)",
    "interpreter": "Dolmetschen gewünscht",
    "birth_date": "Geburtsdatum",
    "age_band": "Alter",
    "needs": "was Sie brauchen, um kommen zu können",
}
WORDS: Mapping[str, str] = {
    "requested": "gefragt",
    "given": "erteilt",
    "renewed": "verlängert",
    "expired": "abgelaufen",
    "withdrawn": "widerrufen",
    "revoked": "von einer Stelle beendet",
    "invalidated": "für ungültig erklärt",
    "deleted": "gelöscht",
    "restricted": "nur noch für das gesetzlich Nötige aufbewahrt",
    "kept-on-own-basis": "auf eigener Rechtsgrundlage behalten",
    "nothing-held": "nichts mehr da gewesen",
    "legal-claim": "für einen Rechtsanspruch",
    "supervisory-request": "weil eine Aufsichtsbehörde oder ein Gericht es verlangt",
    "person-wishes": "weil Sie es wünschen",
    "renew": "Sie nach einer Verlängerung fragen",
    "ask-again-at-15": "Sie selbst fragen, weil Sie 15 geworden sind",
    "destroy-sheet": "das unterschriebene Blatt vernichten",
    "phone": "Telefon",
    "email": "E-Mail",
    "post": "Post",
    "messenger": "Messenger",
    "sms": "SMS",
    "paper": "auf Papier",
    "signature-pad": "auf einem Unterschriftenfeld",
    "electronic-click": "mit einem Klick",
    "oral-documented": "mündlich, aufgeschrieben",
    "self": "von Ihnen selbst",
    "guardian": "von Ihren Sorgeberechtigten",
    "legal-carer": "von Ihrer rechtlichen Betreuung",
    "under-12": "unter 12",
    "12-14": "12 bis 14",
    "15-17": "15 bis 17",
    "18-26": "18 bis 26",
    "27-plus": "27 oder älter",
    "professional": "Fachkraft",
    "telephone": "am Telefon",
    "staff": "Beschäftigte der Stelle",
    "adult-relative": "erwachsene Angehörige",
    "wheelchair": "Rollstuhl",
    "step-free": "Zugang ohne Stufen",
    "sign-language": "Gebärdensprache",
    "hearing": "Hilfe beim Hören",
    "vision": "Hilfe beim Sehen",
    "plain-language": "Leichte Sprache",
    "companion": "Begleitung",
}
"""Codes as somebody reads them who does not know them; one that is missing is shown as it is."""

STYLE = (resources.files("services.intake.paper") / "templates" / "access.css").read_text(encoding="utf-8")
_HASH = b64encode(sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_HASH}'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_TEMPLATES = Environment(
    loader=PackageLoader("services.intake.paper"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


def access_page(answer: Mapping[str, Any], partners: Partners) -> tuple[str, Mapping[str, str]]:
    """The page and its headers. answer: the JSON of the answer."""
    words = wording(GERMAN)

    def moment(said: str | None) -> str:
        return words.time(datetime.fromisoformat(said)) if said else "unbekannt"

    def day(said: str) -> str:
        return date.fromisoformat(said[:10]).strftime(words.day)

    def plain(value: Any) -> str:
        if isinstance(value, bool):
            return "ja" if value else "nein"
        return words.separator.join(map(plain, value)) if isinstance(value, list) else WORDS.get(value, str(value))

    def unit(said: str) -> str:
        return unit_name(partners, UnitId(said))

    def partner(slug: str) -> str:
        return partner_name(partners, slug)

    html = _TEMPLATES.get_template("access.html").render(
        a=answer,
        style=STYLE,
        scope=words.scope,
        category=words.category,
        told=words.told,
        said=SAID,
        moment=moment,
        day=day,
        plain=plain,
        unit=unit,
        partner=partner,
    )
    return html, HEADERS

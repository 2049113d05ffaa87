"""Receipts as PDF: one page of A4 as a rule, to be printed at the counter.

Whoever cannot read a file without structure tags has the person's page, which says the same.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from schemas.partner_file import Partners
from services.chassis.sheet import HEADING, Row, Sheet
from services.intake.model.consents import Consent
from services.intake.paper.wording import Wording, consent_rows, ended_rows, unit_name
from services.intake.store.receipts import Fetch


class Printed(NamedTuple):
    """A receipt to print. code, address: None where the person wanted no page, or nobody serves one."""

    consents: Sequence[Consent]
    unit: str
    made_at: datetime
    code: str | None
    address: str | None


def _sheet(words: Wording, title: str) -> Sheet:
    return Sheet(title, tag=words.tag, direction=words.direction)


def receipt_pdf(printed: Printed, words: Wording, partners: Partners) -> bytes:
    """The receipt a person takes home: what is allowed, the code if there is one, how to withdraw."""
    texts = words.receipt
    sheet = _sheet(words, texts["title"])
    sheet.write_text(texts["made"].format(at=words.time(printed.made_at), unit=printed.unit))
    sheet.write_text(texts["in_force"], size=HEADING, style="B")
    for consent in printed.consents:
        sheet.write_rows(consent_rows(consent, words, partners))
    if not printed.consents:
        sheet.write_text(texts["nothing"])
    sheet.write_text(texts["withdraw"], size=HEADING, style="B")
    sheet.write_text(texts["withdraw_how"])
    sheet.write_text(texts["your_page"], size=HEADING, style="B")
    _write_page(sheet, printed, words)
    return bytes(sheet.output())


def _write_page(sheet: Sheet, printed: Printed, words: Wording) -> None:
    texts = words.receipt
    if printed.code is None:
        sheet.write_text(texts["no_page"])
        return
    sheet.write_text(texts["how"])
    if printed.address:
        sheet.write_text(texts["address"], style="B", after=0)
        sheet.write_code(printed.address)
    sheet.write_text(texts["code"], style="B", after=0)
    sheet.write_code(printed.code)
    sheet.write_text(texts["keep"])


def termination_pdf(
    consent: Consent, fetches: Sequence[Fetch], words: Wording, partners: Partners, now: datetime
) -> bytes:
    """What a person gets when a consent has ended: when, how, and who had fetched what on it."""
    texts = words.termination
    sheet = _sheet(words, texts["title"])
    sheet.write_text(texts["made"].format(at=words.time(now)))
    sheet.write_rows(ended_rows(consent, words, partners, now))
    sheet.write_text(words.label["who_was_told"], size=HEADING, style="B")
    for fetch in fetches:
        categories = words.separator.join(words.category[each] for each in fetch.data_categories)
        who = Row(words.label["to"], unit_name(partners, fetch.unit), is_name=True)
        sheet.write_rows([Row(words.page["when"], words.time(fetch.at)), who, Row(words.page["what"], categories)])
    if not fetches:
        sheet.write_text(words.label["nobody"])
    sheet.write_text(texts["after"])
    return bytes(sheet.output())

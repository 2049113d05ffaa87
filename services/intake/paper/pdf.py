"""Receipts as PDF: one page of A4 as a rule, to be printed at the counter.

The text is shaped (joined letters, right to left) and can be searched and read aloud in order, but the file has no
structure tags: it is no PDF/UA. Whoever needs that has the person's page, which says the same.
"""

from collections.abc import Sequence
from datetime import datetime
from importlib import resources
from typing import NamedTuple

from fpdf import FPDF
from fpdf.enums import XPos, YPos

from schemas.partner_file import Partners
from services.intake.model.consents import Consent
from services.intake.paper.wording import Row, Wording, consent_rows, ended_rows, unit_name
from services.intake.store.receipts import Fetch

FONT = "DejaVu Sans"
LINE, SIZE, HEADING, TITLE = 6.0, 10.5, 13, 17
LABEL_WIDTH = 42.0


class Printed(NamedTuple):
    """A receipt to print. code, address: None where the person wanted no page, or nobody serves one."""

    consents: Sequence[Consent]
    unit: str
    made_at: datetime
    code: str | None
    address: str | None


class _Sheet(FPDF):
    def __init__(self, words: Wording, title: str) -> None:
        super().__init__()
        self._words = words
        fonts = resources.files("services.intake.paper") / "fonts"
        for style, name in (("", "DejaVuSans.ttf"), ("B", "DejaVuSans-Bold.ttf")):
            with resources.as_file(fonts / name) as path:
                self.add_font(FONT, style, path)
        self.set_lang(words.tag)
        self.set_title(title)
        self.set_margin(20)
        self.set_auto_page_break(auto=True, margin=20)
        self.add_page()
        self.write_text(title, size=TITLE, style="B")

    def write_text(self, text: str, *, size: float = SIZE, style: str = "", after: float = 2) -> None:
        """A paragraph in the direction of the language."""
        self.set_font(FONT, style, size)
        self._shape(self._words.direction)
        self.multi_cell(0, LINE * size / SIZE, text, align=self._start, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.ln(after)

    def write_rows(self, rows: Sequence[Row]) -> None:
        """Labels at the side where reading begins, texts beside them; a consent is not torn apart."""
        if self.will_page_break(2 * LINE * len(rows)):
            self.add_page()
        for row in rows:
            self._row(row)
        self.ln(3)

    def write_code(self, text: str) -> None:
        """Something to copy letter by letter, left to right in every language."""
        self.set_font(FONT, "B", HEADING)
        self._shape("ltr")
        self.multi_cell(0, 9, text, align="C", border=1, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.ln(3)

    def _row(self, row: Row) -> None:
        top, wide = self.get_y(), self.epw - LABEL_WIDTH
        label_at, text_at = self.l_margin, self.l_margin + LABEL_WIDTH
        if self._words.direction == "rtl":
            label_at, text_at = self.l_margin + wide, self.l_margin
        self.set_xy(label_at, top)
        self.set_font(FONT, "B", SIZE)
        self._shape(self._words.direction)
        self.multi_cell(LABEL_WIDTH, LINE, row.label, align=self._start, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        bottom = self.get_y()
        self.set_xy(text_at, top)
        self.set_font(FONT, "", SIZE)
        self._shape("ltr" if row.is_name else self._words.direction)
        self.multi_cell(wide, LINE, row.text, align=self._start, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.set_y(max(bottom, self.get_y()))

    def _shape(self, direction: str) -> None:
        self.set_text_shaping(use_shaping_engine=True, direction=direction)

    @property
    def _start(self) -> str:
        return "R" if self._words.direction == "rtl" else "L"


def receipt_pdf(printed: Printed, words: Wording, partners: Partners) -> bytes:
    """The receipt a person takes home: what is allowed, the code if there is one, how to withdraw."""
    texts = words.receipt
    sheet = _Sheet(words, texts["title"])
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


def _write_page(sheet: _Sheet, printed: Printed, words: Wording) -> None:
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
    sheet = _Sheet(words, texts["title"])
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

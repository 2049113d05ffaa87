"""A sheet of A4 to print at a counter, in the direction of its language, and how it is answered over HTTP.

The text is shaped (joined letters, right to left) and can be searched and read aloud in order, but the file has no
structure tags: it is no PDF/UA.
"""

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Literal, NamedTuple

import segno
from fastapi import Request
from fastapi.responses import Response
from fpdf import FPDF
from fpdf.enums import XPos, YPos

PDF = "application/pdf"
FONT = "DejaVu Sans"
LINE, SIZE, HEADING, TITLE = 6.0, 10.5, 13, 17
LABEL_WIDTH = 42.0
QR_WIDTH = 32.0
QUIET_ZONE = 4
"""The empty margin that readers need, in modules (ISO/IEC 18004)."""

Direction = Literal["ltr", "rtl"]


class Row(NamedTuple):
    """One line: what it is about, and what is the case. is_name: left to right in every language."""

    label: str
    text: str
    is_name: bool = False


class Sheet(FPDF):
    """One or more pages. tag: the language for readers of the file; direction: of its script."""

    def __init__(self, title: str, *, tag: str, direction: Direction) -> None:
        super().__init__()
        self._direction = direction
        fonts = resources.files("services.chassis") / "fonts"
        for style, name in (("", "DejaVuSans.ttf"), ("B", "DejaVuSans-Bold.ttf")):
            with resources.as_file(fonts / name) as path:
                self.add_font(FONT, style, path)
        self.set_lang(tag)
        self.set_title(title)
        self.set_margin(20)
        self.set_auto_page_break(auto=True, margin=20)
        self.add_page()
        self.write_text(title, size=TITLE, style="B")

    def write_text(self, text: str, *, size: float = SIZE, style: str = "", after: float = 2) -> None:
        """A paragraph in the direction of the language."""
        self.set_font(FONT, style, size)
        self._shape(self._direction)
        self.multi_cell(0, LINE * size / SIZE, text, align=self._start, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.ln(after)

    def write_name(self, text: str, *, size: float = HEADING) -> None:
        """A name that stays as it is in every language, at the side where reading begins."""
        self.set_font(FONT, "B", size)
        self._shape("ltr")
        self.multi_cell(0, LINE * size / SIZE, text, align=self._start, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.ln(1)

    def write_rows(self, rows: Sequence[Row]) -> None:
        """Labels at the side where reading begins, texts beside them; the rows are not torn apart."""
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

    def write_qr(self, url: str) -> None:
        """An address to photograph, at the side where reading ends, and the address itself below it."""
        if self.will_page_break(QR_WIDTH + LINE):
            self.add_page()
        matrix = segno.make(url, error="m", micro=False).matrix
        module = QR_WIDTH / (len(matrix) + 2 * QUIET_ZONE)
        left = self.l_margin if self._direction == "rtl" else self.l_margin + self.epw - QR_WIDTH
        top = self.get_y()
        for line, modules in enumerate(matrix, start=QUIET_ZONE):
            for place, is_dark in enumerate(modules, start=QUIET_ZONE):
                if is_dark:
                    self.rect(left + place * module, top + line * module, module, module, style="F")
        self.set_y(top + QR_WIDTH)
        self.set_font(FONT, "", SIZE - 2)
        self._shape("ltr")
        align = "L" if self._direction == "rtl" else "R"
        self.multi_cell(0, LINE, url, align=align, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.ln(2)

    def _row(self, row: Row) -> None:
        top, wide = self.get_y(), self.epw - LABEL_WIDTH
        label_at, text_at = self.l_margin, self.l_margin + LABEL_WIDTH
        if self._direction == "rtl":
            label_at, text_at = self.l_margin + wide, self.l_margin
        self.set_xy(label_at, top)
        self.set_font(FONT, "B", SIZE)
        self._shape(self._direction)
        self.multi_cell(LABEL_WIDTH, LINE, row.label, align=self._start, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        bottom = self.get_y()
        self.set_xy(text_at, top)
        self.set_font(FONT, "", SIZE)
        self._shape("ltr" if row.is_name else self._direction)
        self.multi_cell(wide, LINE, row.text, align=self._start, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.set_y(max(bottom, self.get_y()))

    def _shape(self, direction: Direction) -> None:
        self.set_text_shaping(use_shaping_engine=True, direction=direction)

    @property
    def _start(self) -> str:
        return "R" if self._direction == "rtl" else "L"


class Pdf(Response):
    """A file to print."""

    media_type = PDF


def wants_pdf(request: Request) -> bool:
    """Whether the caller accepts a file rather than JSON."""
    return PDF in request.headers.get("accept", "")


def pdf(made: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Pdf:
    """Answer with a file that nobody keeps on the way."""
    return Pdf(made, status, {"Cache-Control": "no-store", **(headers or {})})

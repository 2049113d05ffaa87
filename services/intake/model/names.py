"""Which spellings are one name: what is typed at the counter finds what was typed at the registration."""

import re
import unicodedata
from collections.abc import Sequence
from itertools import combinations

# A name of more parts is known by its longest ones: pairs of all would be many.
MOST_PARTS = 8

APOSTROPHES = dict.fromkeys(map(ord, "'’‘`´ʼʻʹʿʾ"))
# Letters that Unicode does not take apart.
ALIKE = str.maketrans({"ı": "i", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "þ": "th", "æ": "ae", "œ": "oe"})
# Umlauts written out: Mueller is Müller, and by the marks left out he is Muller too.
WRITTEN_OUT = re.compile("([aou])e+")


def name_parts(name: str) -> list[str]:
    """The parts of a name, sorted, each once: without case, marks, umlauts, apostrophes and hyphens.

    "Yılmaz, Ayşe" and "AYSE YILMAZ" have the same; so have "Müller", "Mueller" and "Muller". Empty when there is no
    letter in it. Of more than eight parts the longest eight.
    """
    plain = unicodedata.normalize("NFKD", name.translate(APOSTROPHES)).casefold()
    letters = "".join(_letter(each) for each in unicodedata.normalize("NFKD", plain).translate(ALIKE))
    parts = sorted({WRITTEN_OUT.sub(r"\1", part) for part in letters.split()})
    return sorted(sorted(parts, key=len, reverse=True)[:MOST_PARTS])


def _letter(each: str) -> str:
    """The letter itself; nothing for a mark on the letter before; a space for whatever parts two names."""
    category = unicodedata.category(each)
    if category.startswith("M"):
        return ""
    return each if category.startswith("L") else " "


def name_pairs(name: str) -> Sequence[tuple[str, str]]:
    """What a name is found by: each two of its parts; of a name with one part that part alone.

    Somebody registered as Ayşe Fatma Yılmaz is found by any two of her names, and by all; nobody by one of several.
    """
    parts = name_parts(name)
    return list(combinations(parts, 2)) or [(part, "") for part in parts]

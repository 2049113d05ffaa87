"""The texts of a slip, one file a language, all with the same entries."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Literal, TypeAlias, get_args

from babel import Locale
from pydantic import BaseModel, ConfigDict

from schemas.codes import LanguageTag

SlipLanguage: TypeAlias = Literal["de", "de-simple", "en", "ar"]
EASY_GERMAN: SlipLanguage = "de-simple"


class Wording(BaseModel):
    """All texts in one language. direction: of the script. What the partners publish stays as they wrote it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    language: str
    direction: Literal["ltr", "rtl"]
    separator: str
    title: str
    made: str
    what: str
    for_whom: str
    languages: str
    interpreting: str
    hours: str
    address: str
    phone: str
    email: str
    contact: str
    note: str
    in_german: str
    nothing_told: str

    @property
    def tag(self) -> str:
        """The language for PDF readers, which know no easy German."""
        return self.language.partition("-")[0]

    def name_of(self, spoken: LanguageTag) -> str:
        """What a language is called in this one; its tag where that is not known."""
        names: Mapping[str, str] = Locale(self.tag).languages
        return names.get(spoken.partition("-")[0], spoken)


@cache
def wording(language: SlipLanguage) -> Wording:
    """The texts in a language."""
    text = (resources.files("services.referral.paper") / "texts" / f"{language}.toml").read_text(encoding="utf-8")
    return Wording.model_validate(tomllib.loads(text))


def slip_language(person: str) -> SlipLanguage:
    """In which language somebody gets a slip: the person's own if there are texts in it, else easy German."""
    known: Mapping[str, SlipLanguage] = {language: language for language in get_args(SlipLanguage)}
    return known.get(person) or known.get(person.partition("-")[0]) or EASY_GERMAN

"""The texts of receipts and of the person's page, one file a language, all with the same entries."""

import tomllib
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Literal

from pydantic import BaseModel, ConfigDict

from schemas import UnitId
from schemas.calendar import LOCAL_TIME
from schemas.codes import ConsentState, DataCategory, Scope, WithdrawalChannel
from schemas.partner_file import Partners
from services.chassis.sheet import Row
from services.intake.model.consents import Consent
from services.intake.model.persons import in_order

LANGUAGES = ("de", "de-simple", "en", "ar")
GERMAN = "de"


class Wording(BaseModel):
    """All texts in one language. day, moment: how strftime writes a date, and a date with its time.
    told: what somebody learns by an event, by its type.

    direction: of the script. The tables name what the codes mean to somebody who does not know them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    language: str
    name: str
    direction: Literal["ltr", "rtl"]
    separator: str
    day: str
    moment: str
    scope: Mapping[Scope, str]
    category: Mapping[DataCategory, str]
    state: Mapping[ConsentState, str]
    channel: Mapping[WithdrawalChannel, str]
    told: Mapping[str, str]
    label: Mapping[str, str]
    receipt: Mapping[str, str]
    termination: Mapping[str, str]
    page: Mapping[str, str]

    @property
    def tag(self) -> str:
        """The language for browsers and PDF readers, which know no easy German."""
        return self.language.partition("-")[0]

    def date(self, at: datetime) -> str:
        """The day, in Koblenz."""
        return at.astimezone(LOCAL_TIME).strftime(self.day)

    def time(self, at: datetime) -> str:
        """The day and the time, in Koblenz."""
        return at.astimezone(LOCAL_TIME).strftime(self.moment)

    def categories(self, consent: Consent) -> str:
        """Which data a consent covers."""
        names = [self.category[each] for each in in_order(consent.wanted.data_categories)]
        return self.separator.join(names) or self.label["no_categories"]


@cache
def wording(language: str) -> Wording:
    """The texts in a language of LANGUAGES. Raises KeyError for another."""
    if language not in LANGUAGES:
        raise KeyError(language)
    text = (resources.files("services.intake.paper") / "texts" / f"{language}.toml").read_text(encoding="utf-8")
    return Wording.model_validate(tomllib.loads(text))


def unit_name(partners: Partners, unit: UnitId) -> str:
    """An office as people know it; one that has left the agreement by what it was called there."""
    known = partners.units.get(unit)
    return known.name if known else unit


def partner_name(partners: Partners, slug: str) -> str:
    """An organisation by its legal name; one that has left the agreement by what it was called there."""
    return partners.partner(slug).legal_name if slug in partners.slugs else slug


def consent_rows(consent: Consent, words: Wording, partners: Partners) -> list[Row]:
    """A consent in force, line by line."""
    wanted, label = consent.wanted, words.label
    return [
        Row(label["may"], words.scope[wanted.scope]),
        Row(label["from"], unit_name(partners, wanted.from_unit), is_name=True),
        Row(label["to"], unit_name(partners, wanted.to_unit), is_name=True),
        Row(label["categories"], words.categories(consent)),
        Row(label["until"], words.date(wanted.valid_until)),
    ]


def ended_rows(consent: Consent, words: Wording, partners: Partners, now: datetime) -> list[Row]:
    """A consent that has ended: when and how."""
    state, ended_at = consent.state_at(now), consent.ended_at_as_of(now) or now
    channel = consent.end.channel if consent.end else None
    how = words.state[state] + (f" ({words.channel[channel]})" if channel and channel in words.channel else "")
    about = consent_rows(consent, words, partners)[:-1]
    return [*about, Row(words.label["ended"], words.time(ended_at)), Row(words.label["how"], how)]

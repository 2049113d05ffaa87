"""The notices as files: what a person is shown before a consent, by version, language and scope.

`<version>/<language>/<scope>.md` is the notice; `<version>/<language>/<law>.md` is the part about a unit's data
protection law, put into it once for each side. `<version>/released.toml` lists by hash what was released: that never
changes again.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError

from schemas.codes import LanguageTag, LegalRegime, Scope
from schemas.ids import UnitId, partner_of
from schemas.notice_text import Line, NoticeFileError, NoticeText, Places, Translation, read_notice_text
from schemas.partner_file import Partners
from schemas.toml_file import FileModel, one_line, read_toml

GERMAN = LanguageTag("de")
LANGUAGES, RELEASED = "languages.toml", "released.toml"

Digest = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
TextName = tuple[LanguageTag, str]
"""A text's language and the beginning of its file's name: a scope or a law."""

_OWN = ("unit", "partner", "controller", "contact", "complaint_authority")
_OF_LAW = Places(
    known=tuple(f"own.{each}" for each in _OWN), required=("own.controller", "own.contact", "own.complaint_authority")
)
_OF_SCOPE = Places(
    known=tuple(f"{side}.{each}" for side in ("from", "to") for each in (*_OWN, "rights")),
    required=("from.unit", "from.controller", "from.rights", "to.unit", "to.controller", "to.rights"),
    blocks=("from.rights", "to.rights"),
)
SCOPES = tuple(Scope.writable())
LAWS = tuple(regime.lower() for regime in LegalRegime.writable())
_TAG = TypeAdapter[LanguageTag](LanguageTag)
_PLACES = dict.fromkeys(SCOPES, _OF_SCOPE) | dict.fromkeys(LAWS, _OF_LAW)


class NoNotice(LookupError):
    """There is no released text of that version, language and scope."""


class Released(FileModel):
    """The texts of a version that were released, each with its hash."""

    sha256: dict[str, Digest] = Field(description="a table [sha256] of files, each with its SHA-256 in 64 hex digits")


class Languages(FileModel):
    """The languages a city wants its notices in, each with its German name."""

    language: dict[LanguageTag, Line] = Field(
        description='a table [language] of BCP 47 tags with their German names, for instance uk = "Ukrainisch"'
    )


@dataclass(frozen=True)
class Notice:
    """A notice as a person is shown it. `text`: Markdown; `sha256`: of exactly this text in UTF-8."""

    version: str
    language: LanguageTag
    title: str
    text: str
    sha256: str


@dataclass(frozen=True)
class Version:
    """All texts of one version, and which of them were released."""

    name: str
    texts: Mapping[TextName, NoticeText]
    released: frozenset[TextName]

    @cached_property
    def tags(self) -> tuple[LanguageTag, ...]:
        """The languages there are texts in, released or not."""
        return tuple(dict.fromkeys(language for language, _ in self.texts))

    def lacks(self, language: LanguageTag) -> list[str]:
        """The texts of a language that no person has written so far."""
        return [each for each in _PLACES if not self._is_written((language, each))]

    def to_release(self) -> list[TextName]:
        """The texts that were not released and may be: all but those that a machine translated."""
        return [name for name in self.texts if name not in self.released and self._is_written(name)]

    def _is_written(self, name: TextName) -> bool:
        text = self.texts.get(name)
        return text is not None and text.head.translation is not Translation.MACHINE


@dataclass(frozen=True)
class Notices:
    """The notices of a city: for each pair of units of two partners the text that fits both laws."""

    directory: Path
    partners: Partners
    wanted: Mapping[LanguageTag, str]
    versions: tuple[Version, ...]

    @cached_property
    def newest(self) -> str | None:
        """The latest version of which anything was released."""
        return next((each.name for each in reversed(self.versions) if each.released), None)

    def languages(self, scope: Scope, version: str | None = None) -> tuple[LanguageTag, ...]:
        """The languages in which every pair of units can be shown a released text; None: of the newest version."""
        found = self._version(version or self.newest)
        return tuple(tag for tag in found.tags if self._is_served(found, tag, scope)) if found else ()

    def text(
        self, version: str | None, language: LanguageTag, from_unit: UnitId, to_unit: UnitId, scope: Scope
    ) -> Notice:
        """The released notice for this pair; version None is the newest. Raises NoNotice or UnknownPartner."""
        if language not in self.languages(scope, version):
            there_are = ", ".join(self.languages(scope, version)) or "none"
            raise NoNotice(f"no released text for {scope} in this version and language; languages: {there_are}")
        return self.draft(version or self.newest, language, from_unit, to_unit, scope)

    def draft(
        self, version: str | None, language: LanguageTag, from_unit: UnitId, to_unit: UnitId, scope: Scope
    ) -> Notice:
        """The notice for this pair whether or not it was released, for reading. Raises NoNotice or UnknownPartner."""
        found = self._version(version)
        sides = {"from": from_unit, "to": to_unit}
        laws = {side: self._law(unit) for side, unit in sides.items()}
        if found is None or any((language, each) not in found.texts for each in (scope, *laws.values())):
            raise NoNotice(f"there is no text for {scope} in this version and language")
        values: dict[str, str] = {}
        for side, unit in sides.items():
            own = self._values(unit)
            law = found.texts[language, laws[side]]
            rights = f"### {law.head.title}\n\n{law.filled({f'own.{key}': value for key, value in own.items()})}"
            values |= {f"{side}.{key}": value for key, value in (own | {"rights": rights}).items()}
        return _notice(found.name, language, found.texts[language, scope], values)

    def check_german(self) -> None:
        """Raise NoticeFileError unless every pair of units of two partners has its released German texts."""
        found = self._version(self.newest)
        released = found.released if found else frozenset()
        for from_unit, to_unit in self._pairs():
            for scope in SCOPES:
                needed = dict.fromkeys((scope, self._law(from_unit), self._law(to_unit)))
                if missing := [f"{each}.md" for each in needed if (GERMAN, each) not in released]:
                    where = f"{self.directory / found.name}" if found else f"{self.directory}"
                    raise NoticeFileError(
                        f"{where} has no released German {' and '.join(missing)}, needed for {scope} from {from_unit} "
                        f"to {to_unit}; it should be in de/, and released by `lotse notices release`"
                    )

    def _pairs(self) -> Iterator[tuple[UnitId, UnitId]]:
        pairs = permutations(self.partners.units, 2)
        return ((one, other) for one, other in pairs if partner_of(one) != partner_of(other))

    def _version(self, name: str | None) -> Version | None:
        return next((each for each in self.versions if each.name == name), None)

    def _is_served(self, version: Version, language: LanguageTag, scope: Scope) -> bool:
        laws = {self._law(unit) for unit in self.partners.units}
        return version.released.issuperset((language, each) for each in (scope, *laws))

    def _law(self, unit: UnitId) -> str:
        return self.partners.unit(unit).regime.lower()

    def _values(self, unit: UnitId) -> dict[str, str]:
        """What the partner files say of one side."""
        partner = self.partners.partner(partner_of(unit))
        return {
            "unit": self.partners.unit(unit).name,
            "partner": partner.legal_name,
            "controller": partner.controller,
            "contact": partner.contact,
            "complaint_authority": partner.complaint_authority,
        }


def _notice(version: str, language: LanguageTag, text: NoticeText, values: Mapping[str, str]) -> Notice:
    shown = f"# {text.head.title}\n\n{text.filled(values)}\n"
    return Notice(version, language, text.head.title, shown, hashlib.sha256(shown.encode()).hexdigest())


def load_notices(directory: Path, partners: Partners) -> Notices:
    """Read every text of every version, released or not. Raises NoticeFileError."""
    if not directory.is_dir():
        raise NoticeFileError(f"{directory} is not a directory; it should hold the notices, a folder for each version")
    wanted = read_toml(directory / LANGUAGES, Languages, NoticeFileError).language
    versions = tuple(_load_version(each) for each in _folders(directory))
    return Notices(directory, partners, wanted, versions)


def _load_version(folder: Path) -> Version:
    if not re.fullmatch(r"\d{4}-\d{2}", folder.name, re.ASCII):
        raise NoticeFileError(f"{folder} is no version; it should be a year and two digits, such as 2026-01")
    texts = {name: text for each in _folders(folder) for name, text in _load_language(each)}
    path = folder / RELEASED
    listed = read_toml(path, Released, NoticeFileError).sha256 if path.exists() else {}
    by_file = {f"{language}/{beginning}.md": (language, beginning) for language, beginning in texts}
    for file, digest in listed.items():
        _check_released(path, file, digest, texts.get(by_file.get(file, (GERMAN, ""))))
    return Version(folder.name, texts, frozenset(by_file[file] for file in listed))


def _load_language(folder: Path) -> Iterator[tuple[TextName, NoticeText]]:
    try:
        language = _TAG.validate_python(folder.name)
    except ValidationError:
        raise NoticeFileError(f"{folder} is no language; it should be a BCP 47 tag such as de or de-simple") from None
    for path in sorted(folder.glob("*.md")):
        if path.stem not in _PLACES:
            raise NoticeFileError(f"{path} is not known; known here are {', '.join(f'{each}.md' for each in _PLACES)}")
        yield (language, path.stem), read_notice_text(path, _PLACES[path.stem])


def _check_released(path: Path, file: str, digest: str, text: NoticeText | None) -> None:
    """Refuse a version that is not as it was when people were shown it."""
    if text is None:
        raise NoticeFileError(
            f"{path} lists {one_line(file)}, which is missing; a released text should stay, bring it back"
        )
    if text.sha256 != digest:
        raise NoticeFileError(
            f"{text.path} was changed after its release; bring it back as it was, and make a new version for the change"
        )
    if text.head.translation is Translation.MACHINE:
        raise NoticeFileError(f"{path} lists {file}, which a machine translated; only what people wrote is released")


def _folders(directory: Path) -> list[Path]:
    """The folders in a folder, in the order of their names, without hidden ones."""
    return sorted(each for each in directory.iterdir() if each.is_dir() and not each.name.startswith("."))

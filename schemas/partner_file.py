"""The partners as files: who each is, under which law its units work, which secrets are its own."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from schemas.codes import LegalRegime, PartnerRole, ServiceType
from schemas.ids import SLUG, PartnerSlug, UnitId
from schemas.toml_file import FileError, FileModel, read_toml

Slug = Annotated[str, StringConstraints(pattern=f"^{SLUG}$", max_length=60)]
PairwiseKeyName = Annotated[str, StringConstraints(pattern=f"^pairwise-{SLUG}$", max_length=80)]
PasswordName = Annotated[str, StringConstraints(pattern=f"^kafka-partner-{SLUG}$", max_length=80)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]

_SLUG_RULE = "lower-case letters, digits and single hyphens"
_PAIRWISE_RULE = f'the name of a secret: "pairwise-" and {_SLUG_RULE}'
_PASSWORD_RULE = f'the name of a secret: "kafka-partner-" and {_SLUG_RULE}'
_NAME_RULE = "a name of 1 to 200 characters"


class PartnerFileError(FileError):
    """A partner file is wrong, or two of them contradict each other."""


class UnknownPartner(LookupError):
    """No partner file speaks of that partner or unit."""


class Unit(FileModel):
    """A part of a partner that acts by itself: the data protection law depends on it."""

    slug: Slug = Field(description=f'{_SLUG_RULE}, for instance "mbe"')
    name: Name = Field(description=_NAME_RULE)
    regime: LegalRegime = Field(description=f"one of {', '.join(LegalRegime.writable())}")
    roles: tuple[PartnerRole, ...] = Field(
        min_length=1, description=f"a list of one or more of {', '.join(PartnerRole.writable())}"
    )
    service_types: tuple[ServiceType, ...] = Field(
        default=(), description=f"a list of {', '.join(ServiceType.writable())}"
    )

    @model_validator(mode="after")
    def _service_says_its_type(self) -> Self:
        if PartnerRole.MIGRATION_SERVICE in self.roles and not self.service_types:
            raise ValueError(f'the migration service "{self.slug}" must name its service_types')
        return self


class Secrets(FileModel):
    """The names of a partner's secrets; the values are kept elsewhere.

    How they begin keeps them apart from the services' own: a partner must not be given one of those.
    """

    pairwise_key: PairwiseKeyName = Field(repr=False, description=_PAIRWISE_RULE)
    kafka_password: PasswordName = Field(repr=False, description=_PASSWORD_RULE)


class PartnerFile(FileModel):
    """One partner of the agreement."""

    slug: Slug = Field(description=f"{_SLUG_RULE}, as in the file's name")
    legal_name: Name = Field(description=_NAME_RULE)
    controller: Name = Field(description=f"{_NAME_RULE}: who answers for the data (Art. 4 no. 7 DSGVO, § 4 no. 9 KDG)")
    contact: Name = Field(
        description=f"{_NAME_RULE}: where a person reaches the controller and its data protection officer"
    )
    complaint_authority: Name = Field(description=f"{_NAME_RULE}: where a person may complain")
    kafka_user: Slug = Field(description='"partner-" and the slug')
    secrets: Secrets = Field(description="a table [secrets]")
    units: tuple[Unit, ...] = Field(alias="unit", min_length=1, description="one table [[unit]] or more")

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        if self.kafka_user != f"partner-{self.slug}":
            raise ValueError(f'kafka_user should be "partner-{self.slug}", its groups begin with it')
        slugs = [unit.slug for unit in self.units]
        if doubled := {slug for slug in slugs if slugs.count(slug) > 1}:
            raise ValueError(f'the unit "{min(doubled)}" is there twice; each needs a slug of its own')
        return self

    @cached_property
    def by_id(self) -> dict[UnitId, Unit]:
        """The units by their full id, for instance `caritas-koblenz/mbe`."""
        return {UnitId(f"{self.slug}/{unit.slug}"): unit for unit in self.units}

    def has_role(self, role: PartnerRole) -> bool:
        """Tell whether one of its units plays that part in the agreement."""
        return any(role in unit.roles for unit in self.units)


@dataclass(frozen=True)
class Partners:
    """All partners of the agreement, in the order of their slugs."""

    files: tuple[PartnerFile, ...]

    def __iter__(self) -> Iterator[PartnerFile]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)

    @cached_property
    def slugs(self) -> tuple[PartnerSlug, ...]:
        """The partners' slugs, in order."""
        return tuple(self._by_slug)

    @cached_property
    def units(self) -> dict[UnitId, Unit]:
        """Every unit of every partner by its full id."""
        return {unit_id: unit for file in self.files for unit_id, unit in file.by_id.items()}

    def partner(self, slug: str) -> PartnerFile:
        """Return one partner. Raises UnknownPartner."""
        if (file := self._by_slug.get(PartnerSlug(slug))) is None:
            raise UnknownPartner(f'no partner has the slug "{slug}"; there are {", ".join(self.slugs)}')
        return file

    def unit(self, unit_id: UnitId) -> Unit:
        """Return one unit. Raises UnknownPartner."""
        if (unit := self.units.get(unit_id)) is None:
            raise UnknownPartner(f'no partner has the unit "{unit_id}"; there are {", ".join(self.units)}')
        return unit

    def with_role(self, role: PartnerRole) -> tuple[PartnerSlug, ...]:
        """Return the partners that play a part in the agreement, in order."""
        return tuple(PartnerSlug(file.slug) for file in self.files if file.has_role(role))

    @cached_property
    def _by_slug(self) -> dict[PartnerSlug, PartnerFile]:
        return {PartnerSlug(file.slug): file for file in self.files}


def load_partner(path: Path) -> PartnerFile:
    """Read one partner file. Raises PartnerFileError."""
    file = read_toml(path, PartnerFile, PartnerFileError)
    if file.slug != path.stem:
        raise PartnerFileError(f'{path}: slug is "{file.slug}"; it should be "{path.stem}" as in the file\'s name')
    return file


def load_partners(directory: Path) -> Partners:
    """Read every `<slug>.toml` of a directory. Raises PartnerFileError."""
    paths = sorted(directory.glob("*.toml"))
    if not paths:
        raise PartnerFileError(f"{directory} has no partner file; there should be a <slug>.toml for each partner")
    files = {path: load_partner(path) for path in paths}
    _check_own_secrets(files)
    _check_groups(files)
    return Partners(tuple(files.values()))


def _check_own_secrets(files: dict[Path, PartnerFile]) -> None:
    """Refuse a secret that two partners share: with one pairwise key they could join their references."""
    owners: dict[str, Path] = {}
    for path, file in files.items():
        for field, name in file.secrets.model_dump().items():
            if name in owners:
                raise PartnerFileError(
                    f'{path}: secrets, {field} is "{name}", which {owners[name].name} uses already; '
                    "each secret should have a name of its own"
                )
            owners[name] = path


def _check_groups(files: dict[Path, PartnerFile]) -> None:
    """Refuse a slug that begins with another one: its consumer groups would be open to that partner."""
    for path, file in files.items():
        for other in files.values():
            if re.match(f"{re.escape(other.slug)}.", file.slug):
                raise PartnerFileError(
                    f'{path}: slug is "{file.slug}", which begins with another partner\'s, "{other.slug}"; '
                    "it should differ, or one could use the other's consumer groups"
                )

"""The decision table of routing as a file: which rule, from when until when, proposes what to whom and why.

The texts are German, as clerks read them. Checked when it is read: every code is known, and on every day exactly one
service rule fits every person.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import cached_property
from itertools import combinations, product
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from schemas.codes import Code, Concern, ServiceType
from schemas.routing import (
    BenefitRegime,
    ConsentAnswer,
    CourseRight,
    Danger,
    Priority,
    ProposalKind,
    Question,
    RankedBy,
    Requirement,
    Stated,
    StatusGroup,
)
from schemas.toml_file import FileError, FileModel, read_toml

OLDEST, LONGEST_MONTHS = 130, 1560
BEGINNING, END = date.min, date.max

_TEXT_RULE = "a text of 1 to 500 characters"
_RANGE_RULE = '"12-26", "27-" for 27 and more, or "not-stated"'
_DAY_RULE = "a date, for instance 2026-07-01"
_CODE_RULE = 'words in lower case with hyphens, for instance "age-12-26"'
_RANGE = re.compile(r"([0-9]{1,4})-([0-9]{1,4})?")

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
Word = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
RuleId = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{0,15}[a-z]?$")]
Target: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$", max_length=60)]


class RoutingFileError(FileError):
    """The routing table is wrong."""


Holds: TypeAlias = Callable[[Question, str, Any], bool]


def _numbers(most: int) -> BeforeValidator:
    """Ranges of whole numbers as all the values they hold; None stands for not stated."""

    def expand(ranges: Any) -> Any:
        if not isinstance(ranges, list) or not ranges or not all(isinstance(each, str) for each in ranges):
            raise ValueError(f"it should be a list of {_RANGE_RULE}")
        return frozenset(value for each in ranges for value in _values(each, most))

    return BeforeValidator(expand)


def _values(text: str, most: int) -> Iterator[int | None]:
    if text == "not-stated":
        yield None
        return
    if not (found := _RANGE.fullmatch(text)):
        raise ValueError(f"{text!r:.40} is no range; it should be {_RANGE_RULE}")
    first, last = int(found[1]), int(found[2] or most)
    if not first <= last <= most:
        raise ValueError(f"{text!r} should go upwards and end at {most} at the latest")
    yield from range(first, last + 1)


Ages = Annotated[frozenset[int | None], _numbers(OLDEST)]
Months = Annotated[frozenset[int | None], _numbers(LONGEST_MONTHS)]
Month = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$")]


def _codes(codes: type[Code]) -> str:
    return f"a list of {', '.join(codes.writable())}"


class When(FileModel):
    """Conditions that all have to hold; a list holds when one of its words fits."""

    consent: frozenset[ConsentAnswer] | None = Field(None, min_length=1, description=_codes(ConsentAnswer))
    danger: frozenset[Danger] | None = Field(None, min_length=1, description=_codes(Danger))
    age: Ages | None = Field(None, description=f"a list of {_RANGE_RULE}")
    unaccompanied: frozenset[Stated] | None = Field(None, min_length=1, description=_codes(Stated))
    status: frozenset[StatusGroup] | None = Field(None, min_length=1, description=_codes(StatusGroup))
    declined_by: frozenset[ServiceType] | None = Field(None, min_length=1, description=_codes(ServiceType))
    """A service of that kind has said that it is not responsible."""
    not_declined_by: frozenset[ServiceType] | None = Field(None, min_length=1, description=_codes(ServiceType))
    wish: frozenset[ServiceType] | None = Field(None, min_length=1, description=_codes(ServiceType))
    own_children: frozenset[Stated] | None = Field(None, min_length=1, description=_codes(Stated))
    household_spans_27: frozenset[Stated] | None = Field(None, min_length=1, description=_codes(Stated))
    months_since_arrival: Months | None = Field(None, description=f"a list of {_RANGE_RULE}")
    first_title_since: Month | None = Field(None, description='a month, for instance "2025-04"')
    regime: frozenset[BenefitRegime] | None = Field(None, min_length=1, description=_codes(BenefitRegime))
    able_to_work: frozenset[Stated] | None = Field(None, min_length=1, description=_codes(Stated))
    concerns: frozenset[Concern] | None = Field(None, min_length=1, description=_codes(Concern))
    without_concerns: frozenset[Concern] | None = Field(None, min_length=1, description=_codes(Concern))
    course: frozenset[CourseRight] | None = Field(None, min_length=1, description=_codes(CourseRight))

    @cached_property
    def given(self) -> dict[str, Any]:
        """The conditions that there are, by name."""
        return {name: value for name in type(self).model_fields if (value := getattr(self, name)) is not None}

    def fits(self, question: Question) -> bool:
        """Whether all the conditions hold for a person."""
        return all(holds(question, name, allowed) for holds, name, allowed in self._checks)

    @cached_property
    def _checks(self) -> tuple[tuple[Holds, str, Any], ...]:
        return tuple((_HOLDS.get(name, _is_among), name, allowed) for name, allowed in self.given.items())


def _is_among(question: Question, name: str, allowed: frozenset[Any]) -> bool:
    return getattr(question, name) in allowed


def _has_one_of(question: Question, name: str, allowed: frozenset[Any]) -> bool:
    return not allowed.isdisjoint(getattr(question, name))


def _has_none_of(question: Question, name: str, refused: frozenset[Any]) -> bool:
    return refused.isdisjoint(getattr(question, name.partition("_")[2]))


def _is_since(question: Question, _name: str, month: str) -> bool:
    return question.first_title is not None and question.first_title >= month


_HOLDS: Mapping[str, Holds] = {
    "danger": _has_one_of,
    "concerns": _has_one_of,
    "declined_by": _has_one_of,
    "without_concerns": _has_none_of,
    "not_declined_by": _has_none_of,
    "first_title_since": _is_since,
}
"""The conditions that are not simply the word in a list."""

DECIDING = ("age", "unaccompanied", "status", "declined_by", "not_declined_by")
"""What a service rule may decide by: what is checked for gaps and overlaps is the product of these."""


class Rule(FileModel):
    """One line of the table.

    step: `danger` stops everything else; of `service` exactly one fits each person; `also` are those that fit besides;
    `note` adds to the referrals to `to`; `consent` turns referrals into what `then` says.
    """

    id: RuleId = Field(description='a short name such as "R4" or "R13a"')
    step: Literal["danger", "service", "also", "note", "consent"] = Field(
        description="one of danger, service, also, note, consent"
    )
    when: tuple[When, ...] = Field(min_length=1, description="a list of tables of conditions, one of which has to hold")
    then: ProposalKind | None = Field(None, description=f"one of {', '.join(ProposalKind.writable())}")
    to: tuple[Target, ...] = Field((), max_length=10, description="a list of codes of [[place]]")
    reason: Word = Field(description=_CODE_RULE)
    text: Text = Field(description=f"{_TEXT_RULE}, in German, for the clerk")
    requires: tuple[Requirement, ...] = Field((), description=_codes(Requirement))
    priority: Priority | None = Field(None, description=f"one of {', '.join(Priority.writable())}")
    replaces: tuple[RuleId, ...] = Field((), description="a list of ids of rules whose proposals it takes away")
    from_: date | None = Field(None, alias="from", description=_DAY_RULE)
    until: date | None = Field(None, description=f"{_DAY_RULE}: the last day")
    off: Text | None = Field(None, description=f"{_TEXT_RULE}: why the rule is not in use")
    source: Text = Field(description=f"{_TEXT_RULE}: the law or practice it rests on")

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.first > self.last:
            raise ValueError("until is before from")
        if self.step in ("danger", "service", "also") and self.then is None:
            raise ValueError(f"a rule of the step {self.step} says in `then` what is proposed")
        if self.then in (ProposalKind.AT_ONCE, ProposalKind.REFER, ProposalKind.SIGNPOST) and not self.to:
            raise ValueError(f"`then` is {self.then}, so `to` should say where to")
        if self.then is ProposalKind.ASK_AGAIN:
            raise ValueError("`ask-again` follows from the consent and is no rule's to say")
        if (self.step == "danger") != (self.then is ProposalKind.AT_ONCE):
            raise ValueError("`at-once` is what the rules of the step danger propose, and only they")
        if self.step == "consent" and self.then is not ProposalKind.INFORM:
            raise ValueError("a rule of the step consent says `inform` in `then`")
        if self.step == "note" and self.then is not None:
            raise ValueError("a rule of the step note adds to referrals and has no `then`")
        self._decides_by_what_is_checked()
        return self

    def _decides_by_what_is_checked(self) -> None:
        if self.step == "service":
            others = [name for when in self.when for name in when.given if name not in DECIDING]
            if others:
                raise ValueError(f"a service rule decides by {', '.join(DECIDING)}, not by {others[0]}")

    def fits(self, question: Question) -> bool:
        """Whether one of its sets of conditions holds for a person."""
        return any(when.fits(question) for when in self.when)

    @property
    def first(self) -> date:
        """The first day on which it may be used."""
        return self.from_ or BEGINNING

    @property
    def last(self) -> date:
        """The last day on which it may be used."""
        return self.until or END

    def is_used_on(self, day: date) -> bool:
        """Whether the rule counts on that day in Koblenz."""
        return self.off is None and self.first <= day <= self.last


class Place(FileModel):
    """Somewhere a rule sends people to: a kind of service, or an office or help line outside the agreement."""

    code: Target = Field(description='a service type or a word such as "jugendamt"')
    name: Text = Field(description=f"{_TEXT_RULE}, in German")
    phone: Text | None = Field(None, description=_TEXT_RULE)
    note: Text | None = Field(None, description=f"{_TEXT_RULE}, in German")


class Providers(FileModel):
    """How one of several units that fit is chosen."""

    id: RuleId = Field(description='a short name such as "R9"')
    order: tuple[RankedBy, ...] = Field(min_length=1, description=_codes(RankedBy))
    text: Text = Field(description=_TEXT_RULE)
    source: Text = Field(description=_TEXT_RULE)

    @model_validator(mode="after")
    def _turns_come_last(self) -> Self:
        if RankedBy.ALTERNATING in self.order[:-1]:
            raise ValueError(f"`{RankedBy.ALTERNATING}` leaves no tie, so it should stand last in `order`")
        return self


class Remark(FileModel):
    """What is said of units where something is known of them: that one was silent, or that one has no place now."""

    id: RuleId = Field(description='a short name such as "R15"')
    reason: Word = Field(description=_CODE_RULE)
    text: Text = Field(description=_TEXT_RULE)
    source: Text = Field(description=_TEXT_RULE)


class RoutingFile(FileModel):
    """The whole table, in the order in which its proposals are ranked."""

    edition: Text = Field(description=f"{_TEXT_RULE}: which state of the table this is")
    rules: tuple[Rule, ...] = Field(
        alias="rule", min_length=1, max_length=200, description="one table [[rule]] or more"
    )
    places: tuple[Place, ...] = Field(alias="place", min_length=1, description="one table [[place]] or more")
    providers: Providers = Field(description="a table [providers]")
    silence: Remark = Field(description="a table [silence]")
    """After a unit has not answered in time: another only where the consent names it."""
    full: Remark = Field(description="a table [full]")
    """Of a unit that says it has no place now."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        codes = [place.code for place in self.places]
        if doubled := {code for code in codes if codes.count(code) > 1}:
            raise ValueError(f'the place "{min(doubled)}" is there twice; each needs a code of its own')
        for rule in self.rules:
            _check_targets(rule, set(codes), {each.id for each in self.rules})
        _check_ids(self.rules)
        _check_emergency(self.rules)
        _check_services(self.rules)
        return self

    def used_on(self, day: date) -> tuple[Rule, ...]:
        """The rules that count on that day."""
        return tuple(rule for rule in self.rules if rule.is_used_on(day))

    def place(self, code: str) -> Place:
        """Where a code leads."""
        return next(place for place in self.places if place.code == code)


def _check_targets(rule: Rule, codes: set[str], ids: set[str]) -> None:
    for code in rule.to:
        if code not in codes:
            raise ValueError(f'the rule {rule.id} leads to "{code}", for which there is no [[place]]')
        if (rule.then is ProposalKind.REFER or rule.step == "note") and code not in ServiceType.writable():
            raise ValueError(f'the rule {rule.id} refers to "{code}", which is no service type')
    for replaced in rule.replaces:
        if replaced not in ids:
            raise ValueError(f"the rule {rule.id} replaces {replaced}, which is not there")


def _check_ids(rules: Sequence[Rule]) -> None:
    for one, other in combinations(rules, 2):
        if one.id == other.id and max(one.first, other.first) <= min(one.last, other.last):
            raise ValueError(f"the rule {one.id} is there twice for the same days; their times should not overlap")


def _check_emergency(rules: Sequence[Rule]) -> None:
    """Every danger is answered on every day."""
    for day in _days_of_change(rules):
        answered = {
            danger
            for rule in rules
            if rule.step == "danger" and rule.is_used_on(day)
            for when in rule.when
            if set(when.given) <= {"danger"}
            for danger in when.danger or Danger
        }
        if missing := [danger for danger in Danger if danger not in answered]:
            raise ValueError(f"no rule of the step danger answers {missing[0]}{_since(day)}")


def _check_services(rules: Sequence[Rule]) -> None:
    """On every day exactly one service rule fits every person."""
    services = [rule for rule in rules if rule.step == "service"]
    for day in _days_of_change(services):
        used = [rule for rule in services if rule.is_used_on(day)]
        for person in _persons(used):
            fitting = [rule.id for rule in used if rule.fits(person)]
            if len(fitting) != 1:
                raise ValueError(_wrong_number(fitting, person, day))


def _wrong_number(fitting: Sequence[str], person: Question, day: date) -> str:
    declined = "/".join(sorted(person.declined_by)) or "nobody"
    age = "not-stated" if person.age is None else person.age
    said = f"age {age}, unaccompanied {person.unaccompanied}, status {person.status}, declined by {declined}"
    if not fitting:
        return f"a gap: no service rule fits {said}{_since(day)}"
    return f"an overlap: {' and '.join(fitting)} fit {said}{_since(day)}; exactly one service rule should"


def _since(day: date) -> str:
    return "" if day == BEGINNING else f" from {day}"


def _days_of_change(rules: Sequence[Rule]) -> list[date]:
    """The days on which another set of rules begins to count."""
    ends = {rule.until + timedelta(days=1) for rule in rules if rule.until and rule.until < END}
    return sorted({BEGINNING, *(rule.first for rule in rules), *ends})


def _persons(rules: Sequence[Rule]) -> Iterator[Question]:
    """One person for each combination of what these rules can tell apart."""
    whens = [when for rule in rules for when in rule.when]
    ages = [when.age for when in whens if when.age is not None]
    edges = [age for age in range(OLDEST + 1) if age == 0 or any((age in each) != (age - 1 in each) for each in ages)]
    declining = sorted({each for when in whens for each in (*(when.declined_by or ()), *(when.not_declined_by or ()))})
    declined = [frozenset(chosen) for size in range(len(declining) + 1) for chosen in combinations(declining, size)]
    for age, alone, status, by in product([*edges, None], Stated, StatusGroup, declined):
        yield Question(age=age, unaccompanied=alone, status=status, declined_by=by)


def load_routing(path: Path) -> RoutingFile:
    """Read the table. Raises RoutingFileError."""
    return read_toml(path, RoutingFile, RoutingFileError)

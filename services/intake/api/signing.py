"""How a person says yes, in request bodies: the notice shown, the form, who said it, who interpreted."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, StringConstraints

from schemas import ConsentId, Interpreted, UnitId, new_id
from schemas.codes import ConsentForm, DataCategory, GivenBy, InterpreterKind, LanguageTag, Scope
from schemas.consent import NoticeVersion, Sha256
from schemas.notice_file import NoNotice, Notices
from schemas.notice_file import Notice as Text
from services.chassis.api import Body
from services.chassis.problems import Problem, Refusal
from services.intake.api.fields import WrittenTime
from services.intake.commands.consents import refusal_of
from services.intake.model.asking import Asked, Fault
from services.intake.model.consents import Notice, Signature, WantedConsent

# A number of a file, not a name: letters without a digit are not taken.
FileRef = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9./_-]*[0-9][A-Za-z0-9./_-]*$", max_length=40)]


NOTICE_MISSING = Refusal(
    422,
    "notice-missing",
    "There is no released text of this version and language for these units and this scope. GET /v1/notices has what "
    "there is; where the language is missing, show the German text and say who interpreted it.",
    field="notice",
)


class NoticeShown(Body):
    """The notice the person was shown, by version, in the language it was shown in."""

    version: NoticeVersion
    language: LanguageTag


class Interpreter(Body):
    """Who interpreted the notice aloud, and into which language; a child never does."""

    kind: InterpreterKind
    language: LanguageTag


class Signing(Body):
    """How the person, or somebody for the person, says yes.

    file_ref: the number under which your unit keeps the signed sheet in its own file, never a name.
    """

    notice: NoticeShown
    form: ConsentForm
    given_by: GivenBy = GivenBy.SELF
    interpreter: Interpreter | None = None
    file_ref: FileRef | None = None


class NewConsent(Body):
    """One direction, one purpose. `valid_until`: the consent holds before this time, twelve months at most.

    notice_sha256: of the text that was shown; when you say it, it must be the hash of the released text.
    """

    from_unit: UnitId
    to_unit: UnitId
    scope: Scope
    data_categories: frozenset[DataCategory] = frozenset()
    valid_until: WrittenTime
    notice_sha256: Sha256 | None = None

    def wanted(self) -> WantedConsent:
        """The same as a rule takes it."""
        return WantedConsent(self.from_unit, self.to_unit, self.scope, self.data_categories, self.valid_until)


class NewConsents(Signing):
    """What a person allows with one signature."""

    consents: Annotated[list[NewConsent], Field(min_length=1, max_length=10)]


class ConsentsAskedFor(Body):
    """What a person was asked for and has not answered."""

    consents: Annotated[list[NewConsent], Field(min_length=1, max_length=10)]
    notice: NoticeShown
    interpreter: Interpreter | None = None


class Renewal(Signing):
    """The person says yes again until a later time, twelve months from now at most."""

    valid_until: WrittenTime
    notice_sha256: Sha256 | None = None


def shown_for(notices: Notices, shown: NoticeShown, wanted: WantedConsent, sha256: str | None, field: str) -> Text:
    """The text that was shown for a consent. A problem 422 where there is no such text, or it is another.

    field: the path of the field of the hash.
    """
    try:
        text = notices.text(shown.version, shown.language, wanted.from_unit, wanted.to_unit, wanted.scope)
    except NoNotice:
        raise Problem(NOTICE_MISSING) from None
    if sha256 is not None and sha256 != text.sha256:
        detail = "The text that was shown is not the released one; show the text of GET /v1/notices."
        raise Problem(Refusal(422, "notice-differs", detail, field=field))
    return text


def signature_of(body: Signing | ConsentsAskedFor, text: Text) -> Signature:
    """The signature under one consent."""
    notice = Notice(text.version, text.language, text.sha256)
    interpreter = body.interpreter
    interpreted = Interpreted(kind=interpreter.kind, language=interpreter.language) if interpreter else None
    if isinstance(body, ConsentsAskedFor):
        return Signature(notice, None, interpreted=interpreted)
    return Signature(notice, body.form, body.given_by, interpreted=interpreted, file_ref=body.file_ref)


@dataclass(frozen=True)
class Request:
    """What a body asks for: each consent as a rule takes it, and the texts that were shown for them."""

    asked: list[Asked]
    texts: list[Text]

    @property
    def ids(self) -> list[ConsentId]:
        """The ids that the consents get, in order."""
        return [each.consent_id for each in self.asked]


def request_in(body: NewConsents | ConsentsAskedFor, notices: Notices) -> Request:
    """What a body asks for. A problem 422 where a text was not released or is another."""
    asked, texts = [], []
    for index, each in enumerate(body.consents):
        wanted, field = each.wanted(), f"consents.{index}.notice_sha256"
        for unit, fault in ((wanted.from_unit, Fault.NOT_YOUR_UNIT), (wanted.to_unit, Fault.UNKNOWN_UNIT)):
            if unit not in notices.partners.units:  # there is no text for a unit that nobody knows
                raise Problem(refusal_of(index, fault))
        text = shown_for(notices, body.notice, wanted, each.notice_sha256, field)
        asked.append(Asked(ConsentId(new_id()), wanted, signature_of(body, text)))
        texts.append(text)
    return Request(asked, texts)

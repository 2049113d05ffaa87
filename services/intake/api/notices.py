"""What a person is shown before a consent."""

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel

from schemas import UnitId, partner_of
from schemas.codes import LanguageTag, Scope
from schemas.notice_file import Notices
from services.chassis.api import Answer, context_of, respond
from services.chassis.context import Context
from services.chassis.permissions import allowed
from services.chassis.problems import Problem, Refusal, documented, refuse
from services.intake.api.callers import notices_of

router = APIRouter(tags=["notices"])


class NoticeView(BaseModel):
    """The notice for a pair of units. `text`: Markdown; `sha256`: of exactly this text in UTF-8."""

    version: str
    language: str
    title: str
    text: str
    sha256: str


@router.get(
    "/v1/notices", **allowed("read-notices"), response_model=NoticeView, responses=documented(401, 403, 404, 422)
)
async def show(request: Request, from_unit: UnitId, to_unit: UnitId, scope: Scope, language: LanguageTag) -> Response:
    """Show the newest notice for a consent by which one unit tells another, both units' laws included."""
    context = context_of(request)
    notices = notices_of(context)
    refuse(_wrong_pair(context, from_unit, to_unit))
    if language not in notices.languages(scope):
        raise Problem(_missing(notices, scope))
    notice = notices.text(None, language, from_unit, to_unit, scope)
    shown = NoticeView(
        version=notice.version, language=notice.language, title=notice.title, text=notice.text, sha256=notice.sha256
    )
    return respond(Answer(shown))


def _wrong_pair(context: Context, from_unit: UnitId, to_unit: UnitId) -> Refusal | None:
    for field, unit in (("from_unit", from_unit), ("to_unit", to_unit)):
        if unit not in context.partners.units:
            return Refusal(422, "unit-unknown", "No partner of the agreement has this unit.", field)
    if partner_of(from_unit) == partner_of(to_unit):
        return Refusal(422, "same-partner", "Name a unit of another partner.", "to_unit")
    return None


def _missing(notices: Notices, scope: Scope) -> Refusal:
    there_are = ", ".join(notices.languages(scope))
    detail = f"There is no released text in this language; there are {there_are}. The German one may be interpreted."
    return Refusal(404, "notice-language-missing", detail, "language")

"""Recording the consents that a cooperation rests on, by each of its units for itself."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response

from services.chassis.api import Answer, Changing, perform
from services.chassis.db import Connection
from services.chassis.keys import Key
from services.chassis.permissions import allowed, unit_of
from services.chassis.problems import Refusal, documented
from services.intake.api.callers import cooperation_to_act_on, notices_of, setting_of
from services.intake.api.consent_views import ConsentRecords
from services.intake.api.consents import again_of, kept
from services.intake.api.signing import NewConsents, request_in
from services.intake.commands.cooperations import cooperation_with_key, record_cooperation_consents
from services.intake.commands.persons import case_key

router = APIRouter(tags=["consents"])

ACTION = "record-cooperation-consent"


@router.post(
    "/v1/cooperations/{cooperation_id}/consents",
    **allowed(ACTION),
    status_code=201,
    response_model=ConsentRecords,
    responses=documented(400, 401, 403, 404, 409, 413, 422, 503),
)
async def record_for_cooperation(cooperation_id: UUID, body: NewConsents, change: Changing) -> Response:
    """Record that your unit, which is asked to a cooperation or takes part in it, may tell others of its units."""
    context, caller = change.context, change.caller
    unit = unit_of(caller, context)
    request = request_in(body, notices_of(context))
    known, data_key = await cooperation_to_act_on(context, cooperation_id, caller, ACTION)

    async def keys(_conn: Connection) -> Sequence[Key]:
        return [case_key(known.case_id)]

    async def act(conn: Connection, now: datetime) -> Answer | Refusal:
        found = await cooperation_with_key(conn, cooperation_id, caller, ACTION)
        if isinstance(found, Refusal):
            return found
        setting = await setting_of(conn, context, data_key, known.case_id, now)
        if isinstance(setting, Refusal):
            return setting
        refusal = await record_cooperation_consents(conn, found[0], unit, request.asked, setting)
        return refusal or await kept(conn, context, unit, request, now)

    return await perform(change, ids=request.ids, keys=keys, act=act, again=again_of(change, unit), status=201)

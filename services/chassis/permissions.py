"""The one place that enforces who may do what (`schemas.permissions`): roles at the door, units at the resource."""

from collections.abc import Collection, Iterable
from typing import Any

from fastapi import APIRouter, Depends, Request

from schemas import UnitId, partner_of
from schemas.permissions import ACTIONS, Action, Relation, Role
from services.chassis.api import principal
from services.chassis.auth import Principal
from services.chassis.context import Context
from services.chassis.problems import Problem, Refusal

NAMED_IN_OPENAPI = "x-lotse-action"

UNIT_MISSING = Refusal(403, "unit-missing", "Your token must name a unit of your partner; ask your issuer for it.")


def allowed(action_id: str) -> dict[str, Any]:
    """What a route hands on to FastAPI: only the roles of this action get in, and the document names it.

    Raises KeyError for an action that is not in the table.
    """
    action = ACTIONS[action_id]

    async def check(request: Request) -> None:
        if not _held(await principal(request), action):
            raise Problem(_role_missing(action))

    return {"dependencies": [Depends(check)], "openapi_extra": {NAMED_IN_OPENAPI: action.id}}


def check_all_named(routers: Iterable[APIRouter]) -> None:
    """Raise TypeError for a route without `allowed`: whoever has a token, or none, could call it."""
    for router in routers:
        for route in router.routes:
            if NAMED_IN_OPENAPI not in (getattr(route, "openapi_extra", None) or {}):
                raise TypeError(f"the route {getattr(route, 'path', route)} names no action of the permission table")


def may(caller: Principal, action_id: str, *units: str) -> bool:
    """Whether the caller may do this to what is a matter of these units; the nearest of them counts.

    What a caller may not do must look to it as if it were not there.
    """
    asked = _relation(caller, units)
    action = ACTIONS[action_id]
    return any(action.reach[role].includes(asked) for role in _held(caller, action))


def unit_of(caller: Principal, context: Context) -> UnitId:
    """The caller's unit, where something is done in its name; a problem 403 when the agreement knows no such unit."""
    unit = UnitId(caller.unit)
    if unit not in context.partners.units:
        raise Problem(UNIT_MISSING)
    return unit


def _held(caller: Principal, action: Action) -> list[Role]:
    """The caller's roles that may do this. A partner's token that calls itself operator is none."""
    return [role for role in action.reach if role in caller.roles and (role is Role.OPERATOR) == (not caller.partner)]


def _relation(caller: Principal, units: Collection[str]) -> Relation:
    if caller.unit and caller.unit in units:
        return Relation.OWN_UNIT
    is_same = any(partner_of(UnitId(unit)) == caller.partner for unit in units)
    return Relation.SAME_PARTNER if is_same else Relation.OTHER_PARTNER


def _role_missing(action: Action) -> Refusal:
    roles = " or ".join(sorted(action.reach))
    detail = f"This needs the role {roles}."
    if Role.OPERATOR in action.reach:
        detail = f"This is for the operators of the data centre. It needs the role {roles} in a token of no partner."
    return Refusal(403, "role-missing", detail)

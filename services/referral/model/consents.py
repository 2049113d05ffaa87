"""What this service needs to know of consents: who may tell whom about which case."""

from typing import NamedTuple

from schemas import CaseId, UnitId


class Direction(NamedTuple):
    """One case, and the way from a unit that tells to the unit that is told."""

    case_id: CaseId
    from_unit: UnitId
    to_unit: UnitId

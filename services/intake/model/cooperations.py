"""Cooperations as the bus told of them."""

from dataclasses import dataclass

from schemas import CaseId, CooperationId, UnitId


@dataclass(frozen=True)
class Cooperation:
    """A cooperation that goes on, and the units that take part in it or are asked to."""

    cooperation_id: CooperationId
    case_id: CaseId
    units: tuple[UnitId, ...]

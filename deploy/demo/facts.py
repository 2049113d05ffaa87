"""What a play finds out on its way."""

from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime
from typing import Any

NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class Facts:
    """What came out so far and is needed later; what is a text is the id of something, or a partner's reference of it.

    `counted_before`: what compliance said when the story began, by clause.
    """

    awo_offer: str = ""
    caritas_offer: str = ""
    city_case: str = ""
    awo_case: str = ""
    consent: str = ""
    referral: str = ""

    youth_offer: str = ""
    youth_case_at_city: str = ""
    youth_case_at_awo: str = ""
    youth_case_at_caritas: str = ""
    unanswered: str = ""
    rejected: str = ""
    onward: str = ""
    shared_case_at_awo: str = ""
    shared_case_at_jobcenter: str = ""
    cooperation: str = ""
    joint_step: str = ""
    need: str = ""
    training: str = ""

    change_day: date = date.min
    due_at: datetime = NEVER

    counted_before: dict[str, int] = field(default_factory=dict)
    compliance: dict[str, Any] = field(default_factory=dict)

    @property
    def ids(self) -> set[str]:
        """By these the partners' streams name what the story is about."""
        return {value for each in fields(self) if isinstance(value := getattr(self, each.name), str)} - {""}

"""What partners were told, as it stands in the notifier's outbox."""

import json
from typing import Any, NamedTuple

from tests.harness import Running


class Heard(NamedTuple):
    """One record of a partner's stream."""

    type: str
    number: int
    key: str
    headers: dict[str, str]
    data: dict[str, Any]


async def stream(notifier: Running, partner: str) -> list[Heard]:
    """The records of a partner's stream, in order."""
    return [
        Heard(
            row["headers"]["ce_type"],
            int(row["headers"]["ce_sequence"]),
            row["key"],
            row["headers"],
            json.loads(row["value"]),
        )
        for row in await notifier.outbox_rows()
        if row["topic"] == f"lotse.partner.{partner}.v1"
    ]


async def heard(notifier: Running, partner: str) -> list[str]:
    """The types a partner was told, in order and in short: `referral.requested`."""
    return [each.type.removeprefix("lotse.").removesuffix(".v1") for each in await stream(notifier, partner)]

"""The load's own ledger: each change as it was acknowledged, written down the moment its 2xx arrived."""

import json
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

# What a consent allows, in the words of the API.
TRANSFER, STATUS, OUTCOME = "transfer", "feedback-status", "feedback-outcome"


def partner_of(unit: str) -> str:
    """The partner a unit belongs to, the part before the slash."""
    return unit.partition("/")[0]


@dataclass(frozen=True)
class Change:
    """One acknowledged change.

    number: its place in the order of acknowledgement. about: the id of the case, offer or unit it belongs to.
    what: "consent.given", "referral.accepted", ...; by: the unit that asked for it. data: what it was about.
    """

    number: int
    at: float
    what: str
    about: str
    by: str
    data: Mapping[str, Any] = field(default_factory=dict)


class Ledger:
    """All acknowledged changes of one run, in the order of their answers."""

    def __init__(self, file: Path | None = None) -> None:
        self.changes: list[Change] = []
        self._of: dict[str, list[Change]] = defaultdict(list)
        self._file: TextIO | None = file.open("w", encoding="utf-8") if file else None

    def note(self, what: str, about: str, by: str, **data: Any) -> Change:
        """Write down a change that was answered with 2xx just now."""
        change = Change(len(self.changes) + 1, time.monotonic(), what, about, by, data)
        self.changes.append(change)
        self._of[about].append(change)
        if self._file:
            self._file.write(json.dumps(asdict(change)) + "\n")
            self._file.flush()
        return change

    def of(self, about: str) -> Sequence[Change]:
        """What was acknowledged about one case, offer or unit, in order."""
        return self._of.get(about, ())

    @property
    def subjects(self) -> Sequence[str]:
        """Every case, offer and unit that something was acknowledged about."""
        return list(self._of)

    def close(self) -> None:
        """Nothing more will be written down."""
        if self._file:
            self._file.close()

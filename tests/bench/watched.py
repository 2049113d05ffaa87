"""A part: a service that writes down how long each event took until it was applied. `watched SERVICE FILE`."""

import json
import sys
import time
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

from services.chassis import inbox
from services.chassis.app import run


class Exact:
    """Stands in for the histogram, whose buckets are too coarse for a percentile."""

    def __init__(self) -> None:
        self.values: list[tuple[float, float]] = []

    def observe(self, seconds: Iterable[float]) -> None:
        """Keep the values, with the moment."""
        now = time.time()
        self.values += [(now, each) for each in seconds]


if __name__ == "__main__":
    name, file = sys.argv[1:]
    exact = Exact()
    setattr(inbox, "TO_APPLIED", exact)  # noqa: B010 - it belongs to another module
    try:
        run(import_module(f"services.{name}.app").SERVICE)
    finally:
        Path(file).write_text(json.dumps(exact.values), encoding="utf-8")

"""`make bench`: runs the parts asked for on a stack of its own and writes what was found to docs/bench.md."""

import argparse
import os
import signal
import sys
import time

from tests.bench import gate, pipeline, routing, search, throughput, worklists
from tests.bench.document import as_text, write
from tests.bench.figures import SIZES
from tests.bench.ground import Ground, PartFailed, open_ground

PARTS = {
    "http": throughput.http,
    "gate": gate.gate,
    "routing": routing.routing,
    "search": search.search,
    "worklists": worklists.worklists,
    "relay": throughput.relay,
    "consumers": throughput.consumers,
    "latency": pipeline.latency,
    "curve": throughput.curve,
    "pipeline": pipeline.pipeline,
    "soak": pipeline.soak,
}
ONLY_WHEN_ASKED = ("soak",)


def say(text: str) -> None:
    """Progress, as it happens."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _interrupt(_number: int, _frame: object) -> None:
    """Asked to end, a run tears its servers down as after Ctrl-C."""
    raise KeyboardInterrupt


def main() -> int:
    """Run what was asked for; 0 whatever the targets say: a miss is a finding, only a part that broke is a failure."""
    signal.signal(signal.SIGTERM, _interrupt)
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="large")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=[])
    parser.add_argument("--write", action="store_true", help="write docs/bench.md")
    asked = parser.parse_args()
    chosen = asked.parts or [name for name in PARTS if name not in ONLY_WHEN_ASKED]
    before = os.getloadavg()
    with open_ground() as ground:
        done = [_one(ground, name, asked.size, before if asked.write else None) for name in chosen]
    return 0 if all(done) else 1


def _one(ground: Ground, name: str, size: str, before: tuple[float, float, float] | None) -> bool:
    """Run a part; one that fails leaves its block in the page as it was, and the others go on."""
    began = time.monotonic()
    try:
        section = PARTS[name](ground, SIZES[size])
    except (PartFailed, TimeoutError) as failed:
        say(f"== {name} FAILED: {failed}")
        return False
    say(f"{as_text(section)}\n   ({time.monotonic() - began:.0f} s)\n")
    if before is not None:
        write(name, section, size, before)
    return True


if __name__ == "__main__":
    sys.exit(main())

"""A stack for one performance: started afresh, at a place of its own, and deleted afterwards.

Its clocks may be put ahead and its agreement is not the partners': so nothing of it may last, and nothing that lasts
may be touched by it.
"""

import fcntl
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from deploy.cli.errors import CliError
from deploy.cli.running import bring_down, bring_up, purge, require_free
from deploy.cli.screen import progress
from deploy.local.layout import CHECKOUT, Layout
from deploy.local.state import State

# Whoever names servers or an agreement of their own wants these to be used, and nothing of them changed.
NAMED = ("LOTSE_DATABASE_URL", "LOTSE_KAFKA", "LOTSE_AGREEMENT_FILE")
AGREEMENT = CHECKOUT / "deploy" / "agreement" / "koblenz.toml"
# Long ago: so that what is under way counts from when it began.
DEADLINES, DECIDED_ON = "\n[deadlines]\n", "\ndecided_on ="
DECIDED = "decided_on = 2014-01-08\n"


def may_throw_away(environ: Mapping[str, str]) -> bool:
    """Whether everything the stack would need is its own."""
    return not any(environ.get(name) for name in NAMED)


def place_beside(layout: Layout) -> Layout:
    """Where such a stack lies: within the folder of the lasting one, with the same jars."""
    return Layout(layout.root / "demo", layout.cache)


def delete(layout: Layout) -> None:
    """Stop what still runs of such a stack and leave nothing of it."""
    bring_down(layout)
    purge(layout)
    shutil.rmtree(layout.root, ignore_errors=True)


@contextmanager
def thrown_away(layout: Layout, environ: Mapping[str, str]) -> Iterator[State]:
    """A fresh stack on which the deadlines are decided. What it was stays to be looked at if its use fails.

    Raises CliError when another one is in use at this place.
    """
    with _alone(layout):
        delete(layout)  # left by one that failed or was killed
        layout.create()
        try:
            with progress() as say:
                state = bring_up(layout, {**environ, "LOTSE_AGREEMENT_FILE": str(_decided_agreement(layout))}, say)
            yield state
        finally:
            with progress() as say:
                say("stopping services, Kafka and PostgreSQL")
                taken = bring_down(layout)
        require_free(taken)
        delete(layout)


@contextmanager
def _alone(layout: Layout) -> Iterator[None]:
    layout.root.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with layout.root.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CliError("Another `lotse demo` is running.", "Wait for its end, or play on `lotse up`.") from None
        yield


def _decided_agreement(layout: Layout) -> Path:
    """The agreement of Koblenz as if the coordination circle had decided what it proposes."""
    text = AGREEMENT.read_text(encoding="utf-8")
    file = layout.root / "agreement.toml"
    file.write_text(text if DECIDED_ON in text else text.replace(DEADLINES, DEADLINES + DECIDED), encoding="utf-8")
    return file

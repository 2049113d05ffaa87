"""A stack of a test's own, run by the `lotse` command as an operator would."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.cli.running import bring_down
from deploy.cli.throwaway import place_beside
from deploy.local.layout import CHECKOUT, Layout, default_layout, layout_at


@contextmanager
def own_layout() -> Iterator[Layout]:
    """A place for it, brought down whatever happens."""
    with TemporaryDirectory(prefix="lotse-up-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # as root, PostgreSQL's own account must get in
        here = layout_at(Path(folder))
        try:
            yield here
        finally:
            bring_down(place_beside(here))
            bring_down(here)


def lotse(layout: Layout, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command as its own process."""
    return subprocess.run(
        [sys.executable, "-m", "deploy.cli.main", *arguments],
        env={**os.environ, "LOTSE_STATE_DIR": str(layout.root), "LOTSE_CACHE_DIR": str(default_layout().cache)},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )

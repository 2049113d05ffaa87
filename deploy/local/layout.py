"""Where the local stack keeps its things."""

import os
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Layout:
    """The folders of one stack: everything it writes lies below `root`, jars apart, which stacks may share."""

    root: Path
    cache: Path

    @property
    def kafka(self) -> Path:
        return self.root / "kafka"

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def log(self) -> Path:
        return self.root / "log"

    def create(self) -> None:
        """Make the folders. Only `postgres` is open to others: as root the server runs under another account."""
        self.root.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.cache.mkdir(parents=True, exist_ok=True)
        self.postgres.mkdir(mode=0o755, exist_ok=True)
        for private in (self.kafka, self.secrets, self.run, self.log):
            private.mkdir(mode=0o700, exist_ok=True)


def default_layout() -> Layout:
    """The checkout's own stack: `.lotse/`, unless LOTSE_STATE_DIR says otherwise."""
    return layout_at(Path(os.environ.get("LOTSE_STATE_DIR") or CHECKOUT / ".lotse"))


def layout_at(root: Path) -> Layout:
    """A stack below `root`, with the jars of LOTSE_CACHE_DIR or of the checkout."""
    cache = Path(os.environ.get("LOTSE_CACHE_DIR") or CHECKOUT / ".lotse" / "jars")
    return Layout(root.resolve(), cache.resolve())

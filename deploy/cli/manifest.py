"""What a backup consists of, written beside it, and the check that it is whole."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from deploy.cli.errors import CliError

NAME = "manifest.json"


@dataclass(frozen=True)
class Dump:
    """One dumped database: its file within the backup, with length and SHA-256."""

    file: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """A backup: when it was begun (UTC), the dumps by database, and the topics with partitions and settings."""

    begun_at: str
    dumps: Mapping[str, Dump]
    topics: Mapping[str, Mapping[str, str]]

    @property
    def begun(self) -> datetime:
        return datetime.fromisoformat(self.begun_at)


def described(file: Path) -> Dump:
    """Length and checksum of a dump."""
    return Dump(file.name, file.stat().st_size, _sha256(file))


def write(folder: Path, dumps: Mapping[str, Dump], topics: Mapping[str, Mapping[str, str]], begun: datetime) -> None:
    """Write it as the last file: a folder without it is no backup."""
    manifest = Manifest(begun.astimezone(UTC).isoformat(timespec="seconds"), dumps, topics)
    draft = folder / f".{NAME}"
    draft.write_text(json.dumps(asdict(manifest), indent=2, sort_keys=True) + "\n")
    draft.replace(folder / NAME)


def read(folder: Path) -> Manifest:
    """The manifest of a backup whose files are all there and unchanged. Raises CliError naming what is wrong."""
    file = folder / NAME
    try:
        fields = json.loads(file.read_text())
        manifest = Manifest(
            fields["begun_at"],
            {name: Dump(**each) for name, each in fields["dumps"].items()},
            fields["topics"],
        )
        _ = manifest.begun
    except FileNotFoundError:
        raise CliError(f"{folder} holds no {NAME}: it is no backup, or one that was broken off.") from None
    except (ValueError, KeyError, TypeError, AttributeError) as wrong:
        raise CliError(f"{file} cannot be read as a backup's manifest ({type(wrong).__name__}).") from wrong
    for name, each in manifest.dumps.items():
        _check(folder / each.file, name, each)
    return manifest


def _check(file: Path, database: str, dump: Dump) -> None:
    if not file.is_file():
        raise CliError(f"The backup lacks {file.name}, the dump of {database}.", "Take another backup.")
    if (file.stat().st_size, _sha256(file)) != (dump.bytes, dump.sha256):
        raise CliError(f"{file} is not as it was written: its checksum differs.", "Take another backup.")


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()

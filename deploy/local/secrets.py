"""Secrets of a local stack: made when they are missing, one file each, readable by their owner only."""

import os
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path


def new_password() -> str:
    """192 random bits in letters that need no quoting in a URL or a JAAS line."""
    return secrets.token_urlsafe(24).replace("-", "a").replace("_", "b")


def new_key() -> str:
    """32 random bytes in hex."""
    return secrets.token_hex(32)


@dataclass(frozen=True)
class Secrets:
    """The secret files below one folder, grouped by who needs them."""

    folder: Path

    @property
    def for_services(self) -> Path:
        """The folder the services read as LOTSE_SECRETS_DIR: no password of Kafka or PostgreSQL in it."""
        return self._group("services")

    def kafka_password(self, name: str) -> str:
        """name: the user's name for a service, the name its file gives for a partner."""
        return once(self._group("kafka") / name, new_password)

    def postgres_password(self, role: str) -> str:
        return once(self._group("postgres") / role, new_password)

    def service_keys(self, pairwise_names: Iterable[str]) -> None:
        """Make the keys that services need: for idempotency, vault and index, signed heads, each partner's references.

        An existing key is never replaced: references given to a partner and sealed persons depend on it.
        """
        for name in ("idempotency", "vault-operator-key", "blind-index-key", "audit-signing-key", *pairwise_names):
            once(self.for_services / name, new_key)

    def _group(self, name: str) -> Path:
        group = self.folder / name
        group.mkdir(mode=0o700, parents=True, exist_ok=True)
        return group


def once(file: Path, make: Callable[[], str]) -> str:
    """Read the secret, or make and store it (mode 0600). Two processes that make it at once get the same one."""
    if not file.exists():
        draft = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as opened:
            opened.write(make())
        _publish(draft, file)
    return file.read_text().strip()


def _publish(draft: Path, file: Path) -> None:
    """A hard link appears whole or not at all and never replaces what another process put there first."""
    try:
        os.link(draft, file)
    except FileExistsError:
        return
    finally:
        draft.unlink()

"""What the page's process needs to know: its own database role, its own secret, and how the offices are called."""

from pathlib import Path

from pydantic import Field, PostgresDsn, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.chassis.config import StartError


class PageSettings(BaseSettings):
    """Every field is the variable LOTSE_PAGE_<FIELD>: the page reads none of intake's own."""

    model_config = SettingsConfigDict(env_prefix="LOTSE_PAGE_", frozen=True, extra="ignore")

    database_url: PostgresDsn = Field(repr=False)
    partners_dir: Path
    secret_file: Path
    http_host: str = "127.0.0.1"
    http_port: int = Field(8005, ge=0, le=65535)


def load_page_settings() -> PageSettings:
    """Read the environment. Raises StartError naming the first wrong or missing variable; never its value."""
    try:
        return PageSettings()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        raise StartError(f"Setting LOTSE_PAGE_{name} is missing or wrong; see docs/operations.md.") from None


def read_page_secret(path: Path) -> bytes:
    """The secret that sessions are signed with: at least 64 hex digits in a file. Raises StartError."""
    try:
        secret = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        raise StartError(f"Secret file {path} is missing or holds something else than hex digits.") from None
    if len(secret) < 32:
        raise StartError(f"Secret file {path} must hold 64 hex digits or more.")
    return secret

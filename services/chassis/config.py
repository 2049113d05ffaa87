"""Settings of one service process, read from the environment (prefix LOTSE_) and checked before anything starts."""

import ssl
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, HttpUrl, PostgresDsn, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Role = Literal["api", "consumer", "relay", "jobs", "sender"]
ALL_ROLES: frozenset[Role] = frozenset({"api", "consumer", "relay", "jobs", "sender"})


class StartError(Exception):
    """The service cannot start; the text is one sentence that names what is wrong and what to do."""


class Settings(BaseSettings):
    """What one process needs to know; every field is the variable LOTSE_<FIELD>."""

    model_config = SettingsConfigDict(env_prefix="LOTSE_", frozen=True, extra="ignore")

    database_url: PostgresDsn = Field(repr=False)
    keys_database_url: PostgresDsn | None = Field(None, repr=False)
    kafka: str = Field(min_length=3)
    kafka_user: str = ""
    kafka_password: SecretStr = SecretStr("")
    kafka_tls_ca: Path | None = None
    topic_prefix: str = Field("lotse", pattern=r"^[a-z0-9-]+$")
    http_host: str = "127.0.0.1"
    http_port: int = Field(8000, ge=0, le=65535)
    roles: Annotated[frozenset[Role], NoDecode] = ALL_ROLES
    partners_dir: Path
    agreement_file: Path | None = None
    notices: Path | None = None
    routing_file: Path | None = None
    page_url: HttpUrl | None = None
    vault_operator_key: SecretStr | None = None
    kms_url: HttpUrl | None = None
    kms_key: str = Field("", pattern=r"^[A-Za-z0-9._-]*$")
    secrets_dir: Path
    issuers_file: Path
    agreement: str = Field("koblenz", pattern=r"^[a-z0-9-]+$")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    max_body_bytes: int = Field(256 * 1024, ge=1024)
    otlp_endpoint: HttpUrl | None = None
    trace_ratio: float = Field(0.1, ge=0, le=1)
    outbox_limit: int = Field(100_000, ge=0)
    watchdog_seconds: float = Field(60, ge=0, le=86_400)

    @field_validator("roles", mode="before")
    @classmethod
    def _split_roles(cls, value: object) -> object:
        return frozenset(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("partners_dir", "secrets_dir")
    @classmethod
    def _is_directory(cls, path: Path) -> Path:
        if not path.is_dir():
            raise ValueError(f"{path} is not a directory")
        return path

    @field_validator("issuers_file")
    @classmethod
    def _is_file(cls, path: Path) -> Path:
        if not path.is_file():
            raise ValueError(f"{path} is not a file")
        return path

    @field_validator("kms_url")
    @classmethod
    def _over_tls(cls, url: HttpUrl | None) -> HttpUrl | None:
        if url is not None and url.scheme != "https" and url.host not in ("127.0.0.1", "localhost", "[::1]"):
            raise ValueError("keys and the token travel to it: it must begin with https://")
        return url

    @model_validator(mode="after")
    def _user_with_password(self) -> "Settings":
        if bool(self.kafka_user) != bool(self.kafka_password.get_secret_value()):
            raise ValueError("LOTSE_KAFKA_USER and LOTSE_KAFKA_PASSWORD are given together or not at all")
        return self

    def physical(self, topic: str) -> str:
        """The topic's name on the broker: its first label replaced by the configured prefix."""
        return f"{self.topic_prefix}.{topic.partition('.')[2]}"

    def kafka_tls(self) -> ssl.SSLContext | None:
        """The TLS context for Kafka with the configured CA; None without one."""
        return ssl.create_default_context(cafile=self.kafka_tls_ca) if self.kafka_tls_ca else None

    def kafka_credentials(self) -> dict[str, Any]:
        """Who logs in to Kafka and how, as arguments of an aiokafka client; empty without a user."""
        if not self.kafka_user:
            return {}
        tls = self.kafka_tls()
        return {
            "security_protocol": "SASL_SSL" if tls else "SASL_PLAINTEXT",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": self.kafka_user,
            "sasl_plain_password": self.kafka_password.get_secret_value(),
            "ssl_context": tls,
        }

    def logical(self, topic: str) -> str:
        """The reverse of `physical`."""
        return f"lotse.{topic.removeprefix(self.topic_prefix + '.')}"


def load_settings() -> Settings:
    """Read the environment. Raises StartError naming the first wrong or missing variable; never its value."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        variable = "LOTSE_" + "_".join(str(part) for part in first["loc"]).upper() if first["loc"] else "environment"
        reason = (
            "is not set" if first["type"] == "missing" else f"is wrong: {first['msg'].removeprefix('Value error, ')}"
        )
        raise StartError(f"Setting {variable} {reason}; see docs/operations.md for what it means.") from None


def read_secret(settings: Settings, name: str) -> bytes:
    """The secret of that name (hex digits in a file of the secrets directory) as bytes.

    Raises StartError when the file is missing or is not hex; the value is never part of the message.
    """
    try:
        return bytes.fromhex(read_text_secret(settings, name))
    except ValueError:
        raise StartError(f"Secret file {settings.secrets_dir / name} must hold hex digits only.") from None


def read_text_secret(settings: Settings, name: str) -> str:
    """The same as the text that it is. Raises StartError when the file is missing or is no plain text."""
    path = settings.secrets_dir / name
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        raise StartError(f"Secret file {path} is missing; `lotse apply` makes it.") from None
    except UnicodeDecodeError:
        raise StartError(f"Secret file {path} must hold ASCII characters only.") from None

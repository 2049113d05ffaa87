"""Which service owns which databases, listens where, reads and writes which topics."""

from dataclasses import dataclass

CASES, DIRECTORY, CIRCLE, DELIVERIES = "cases", "directory", "circle", "deliveries"
FOREVER = None
KAFKA_ADMIN = "lotse-admin"
KEYS_DATABASE = "lotse_keys"


@dataclass(frozen=True)
class Topic:
    """A topic all services share, without the prefix `lotse` and the version `v1` of its full name."""

    label: str
    partitions: int
    retention_days: int | None

    def full_name(self, prefix: str = "lotse") -> str:
        return f"{prefix}.{self.label}.v1"


@dataclass(frozen=True)
class Service:
    """What one service owns, reads and writes. `streams`: it writes every partner's stream and reads them again."""

    name: str
    port: int
    consumes: tuple[str, ...]
    publishes: tuple[str, ...]
    databases: tuple[str, ...]
    streams: bool = False

    @property
    def kafka_user(self) -> str:
        return f"lotse-{self.name}"

    @property
    def group(self) -> str:
        return f"lotse.{self.name}"


TOPICS = (
    Topic(CASES, 12, 400),
    Topic(DIRECTORY, 12, FOREVER),
    Topic(CIRCLE, 3, FOREVER),
    Topic(DELIVERIES, 3, 400),
)

SERVICES = (
    Service("intake", 8001, (CASES, DELIVERIES), (CASES, CIRCLE), ("lotse_intake", KEYS_DATABASE)),
    Service("referral", 8002, (CASES,), (CASES, DIRECTORY, CIRCLE), ("lotse_referral",)),
    Service("notifier", 8003, (CASES, DIRECTORY, CIRCLE), (DELIVERIES,), ("lotse_notifier",), streams=True),
    Service("reporting", 8004, (CASES, DIRECTORY, CIRCLE, DELIVERIES), (CIRCLE,), ("lotse_reporting",)),
)

DATABASES = tuple(database for service in SERVICES for database in service.databases)


def partner_topic(slug: str) -> Topic:
    """The stream of one partner."""
    return Topic(f"partner.{slug}", 1, 90)


def partner_user(slug: str) -> str:
    """A partner's Kafka user, and the beginning of every consumer group it may use."""
    return f"partner-{slug}"

"""What Kafka should hold, what it holds, and the difference: pure, without a connection."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from deploy.topology import SERVICES, TOPICS, Service, Topic, partner_topic, partner_user

CLUSTER = "kafka-cluster"


@dataclass(frozen=True, order=True)
class Acl:
    """One access rule. `resource`: "topic", "group" or "cluster"; `prefixed`: the name is the beginning of names."""

    principal: str
    resource: str
    name: str
    operation: str
    prefixed: bool = False
    permission: str = "allow"
    host: str = "*"

    @property
    def rule(self) -> str:
        """The rule without whom it is about."""
        may = "may" if self.permission == "allow" else "may not"
        where = "" if self.host == "*" else f" from {self.host}"
        return f"{may} {self.operation} {self.resource} {self.name}{'*' if self.prefixed else ''}{where}"

    def __str__(self) -> str:
        return f"{self.principal} {self.rule}"


@dataclass(frozen=True)
class TopicState:
    """A topic's number of partitions and those of its settings that Lotse decides."""

    partitions: int
    config: Mapping[str, str]


@dataclass(frozen=True)
class Cluster:
    """What a cluster holds for Lotse. `users`: those with a SCRAM-SHA-512 password that is the one we know."""

    topics: Mapping[str, TopicState] = field(default_factory=dict)
    users: frozenset[str] = frozenset()
    acls: frozenset[Acl] = frozenset()


@dataclass(frozen=True)
class TopicChange:
    """Settings to change on a topic that exists."""

    name: str
    config: Mapping[str, str]
    before: Mapping[str, str]


@dataclass(frozen=True)
class Plan:
    """Everything to be done to get from what is to what should be. `conflicts`: what no command can mend."""

    create_topics: Mapping[str, TopicState]
    change_topics: tuple[TopicChange, ...]
    set_users: tuple[str, ...]
    remove_users: tuple[str, ...]
    add_acls: tuple[Acl, ...]
    remove_acls: tuple[Acl, ...]
    conflicts: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        return not any(
            (
                self.create_topics,
                self.change_topics,
                self.set_users,
                self.remove_users,
                self.add_acls,
                self.remove_acls,
                self.conflicts,
            )
        )


def desired_cluster(partners: Iterable[str], prefix: str = "lotse", replication: int = 1) -> Cluster:
    """What Kafka should hold for these partners. prefix: the first label of every topic."""
    slugs = list(partners)
    topics = [*TOPICS, *(partner_topic(slug) for slug in slugs)]
    return Cluster(
        topics={topic.full_name(prefix): _topic_state(topic, replication) for topic in topics},
        users=frozenset([service.kafka_user for service in SERVICES] + [partner_user(slug) for slug in slugs]),
        acls=frozenset(
            [acl for service in SERVICES for acl in _service_acls(service, prefix)]
            + [acl for slug in slugs for acl in _partner_acls(slug, prefix)]
        ),
    )


def plan(desired: Cluster, actual: Cluster) -> Plan:
    """Compare. Users and rules that are Lotse's by name but not desired go; topics never do: they hold data."""
    existing = {name: state for name, state in desired.topics.items() if name in actual.topics}
    changes = [_topic_change(name, state, actual.topics[name]) for name, state in existing.items()]
    return Plan(
        create_topics={name: state for name, state in desired.topics.items() if name not in actual.topics},
        change_topics=tuple(change for change in changes if change.config),
        set_users=tuple(sorted(desired.users - actual.users)),
        remove_users=tuple(sorted(user for user in actual.users - desired.users if user.startswith("partner-"))),
        add_acls=tuple(sorted(desired.acls - actual.acls)),
        remove_acls=tuple(sorted(actual.acls - desired.acls)),
        conflicts=tuple(_conflicts(existing, actual)),
    )


def is_ours(acl: Acl, prefix: str = "lotse") -> bool:
    """Whether a rule is Lotse's to keep or remove: it is about a user of ours or opens a topic or group of ours."""
    if acl.principal.startswith(("User:lotse-", "User:partner-")):
        return True
    beginnings = {"topic": (f"{prefix}.",), "group": ("lotse.", "partner-")}.get(acl.resource, ())
    return bool(beginnings) and acl.name.startswith(beginnings)


def _topic_state(topic: Topic, replication: int) -> TopicState:
    days = topic.retention_days
    retention = -1 if days is None else timedelta(days=days) // timedelta(milliseconds=1)
    config = {
        "cleanup.policy": "delete",
        "retention.ms": str(retention),
        "retention.bytes": "-1",
        "min.insync.replicas": str(max(replication - 1, 1)),
    }
    if replication == 1:
        # With no second broker to hold a copy, an acknowledged record must be on this one's disk.
        config["flush.messages"] = "1"
    return TopicState(topic.partitions, config)


def _service_acls(service: Service, prefix: str) -> list[Acl]:
    user, names = f"User:{service.kafka_user}", {topic.label: topic.full_name(prefix) for topic in TOPICS}
    both = dict.fromkeys((*service.consumes, *service.publishes))
    # What it writes it reads too: after a restore it takes back from there what its database has lost.
    reads = [Acl(user, "topic", names[label], "read") for label in both]
    writes = [Acl(user, "topic", names[label], "write") for label in service.publishes]
    describes = [Acl(user, "topic", names[label], "describe") for label in both]
    streams = [Acl(user, "topic", f"{prefix}.partner.", verb, prefixed=True) for verb in ("read", "write", "describe")]
    return [
        *reads,
        *writes,
        *describes,
        *(streams if service.streams else []),
        Acl(user, "group", service.group, "read"),
        Acl(user, "group", service.group, "describe"),
        Acl(user, "cluster", CLUSTER, "idempotent_write"),
    ]


def _partner_acls(slug: str, prefix: str) -> list[Acl]:
    user, stream = f"User:{partner_user(slug)}", partner_topic(slug).full_name(prefix)
    return [
        Acl(user, "topic", stream, "read"),
        Acl(user, "topic", stream, "describe"),
        Acl(user, "group", partner_user(slug), "read", prefixed=True),
    ]


def _topic_change(name: str, wanted: TopicState, found: TopicState) -> TopicChange:
    differing = {key: value for key, value in wanted.config.items() if found.config.get(key) != value}
    return TopicChange(name, differing, {key: found.config.get(key, "") for key in differing})


def _conflicts(wanted: Mapping[str, TopicState], actual: Cluster) -> Iterable[str]:
    for name, state in wanted.items():
        found = actual.topics[name].partitions
        if found != state.partitions:
            # Another number would send a key's next events to another partition than its earlier ones.
            yield f"{name} has {found} partitions and must have {state.partitions}; this cannot be changed in place"

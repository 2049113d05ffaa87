"""Reading what a Kafka cluster holds for Lotse, and changing it: the only place that speaks to Kafka's admin API."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    NewTopic,
    OffsetSpec,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from deploy.cli.errors import CliError
from deploy.cli.plan import Acl, Cluster, Plan, TopicChange, TopicState, is_ours
from deploy.local.kafka import Kafka

Result = TypeVar("Result")

TIMEOUT_SECONDS = 30.0
SCRAM_ITERATIONS = 4096  # Kafka's least; the passwords are 192 random bits, which nobody guesses
RESOURCES = {"topic": ResourceType.TOPIC, "group": ResourceType.GROUP, "cluster": ResourceType.BROKER}
RESOURCE_NAMES = {kind: name for name, kind in RESOURCES.items()}


def read_cluster(kafka: Kafka, passwords: Mapping[str, str], wanted: Cluster, prefix: str = "lotse") -> Cluster:
    """What the cluster holds: wanted topics that exist, users whose password is ours, and Lotse's rules.

    passwords: by user. A user of ours with another password counts as missing, so that it is set again.
    """
    admin = AdminClient(kafka.client())
    with _in_words():
        topics = _topics(admin, wanted.topics)
    return Cluster(topics, _users(admin, kafka, passwords), _acls(admin, prefix))


def apply_plan(kafka: Kafka, passwords: Mapping[str, str], plan: Plan, replication: int = 1) -> None:
    """Do what the plan says. Raises CliError at the first thing that Kafka refuses; running it again goes on."""
    admin = AdminClient(kafka.client())
    if plan.create_topics:
        new = [
            NewTopic(name, state.partitions, replication, config=dict(state.config))
            for name, state in plan.create_topics.items()
        ]
        _settle(admin.create_topics(new))
    if plan.change_topics:
        _settle(admin.incremental_alter_configs([_config_change(change) for change in plan.change_topics]))
    if plan.set_users or plan.remove_users:
        _settle(admin.alter_user_scram_credentials(_user_changes(plan, passwords)))
    if plan.add_acls:
        _settle(admin.create_acls([_binding(acl) for acl in plan.add_acls]))
    if plan.remove_acls:
        _settle(admin.delete_acls([_filter(acl) for acl in plan.remove_acls]))


def accepts_password(kafka: Kafka, user: str, password: str) -> bool:
    """Whether Kafka lets this user in with this password, found out by trying."""
    failures: list[KafkaError] = []
    client = AdminClient({**kafka.client(user, password), "error_cb": failures.append})
    for _attempt in range(int(TIMEOUT_SECONDS / 0.3)):
        try:
            client.list_topics(timeout=0.3)
        except KafkaException:
            client.poll(0)
            if any(failure.code() == KafkaError._AUTHENTICATION for failure in failures):
                return False
        else:
            return True
    raise CliError(f"Kafka at {kafka.bootstrap} does not answer.", "`lotse status` shows what runs.")


def consumer_lag(kafka: Kafka, group: str, topics: Sequence[str]) -> int | None:
    """How many records of these topics a group has not committed yet. None when it never committed any."""
    admin = AdminClient(kafka.client())
    with _in_words():
        (asked,) = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)]).values()
        found = _result(asked).topic_partitions
    committed = {(part.topic, part.partition): part.offset for part in found if part.offset >= 0}
    ends = _end_offsets(admin, topics)
    if not committed and any(ends.values()):
        return None
    behind: int = sum(max(end - committed.get(where, 0), 0) for where, end in ends.items())
    return behind


def _end_offsets(admin: AdminClient, topics: Sequence[str]) -> dict[tuple[str, int], int]:
    with _in_words():
        known = admin.list_topics(timeout=TIMEOUT_SECONDS).topics
    parts = [TopicPartition(topic, part) for topic in topics if topic in known for part in known[topic].partitions]
    asked = admin.list_offsets({part: OffsetSpec.latest() for part in parts}) if parts else {}
    return {(part.topic, part.partition): _result(future).offset for part, future in asked.items()}


def _topics(admin: AdminClient, wanted: Mapping[str, TopicState]) -> dict[str, TopicState]:
    found = admin.list_topics(timeout=TIMEOUT_SECONDS).topics
    names = [name for name in wanted if name in found]
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    asked = admin.describe_configs(resources) if resources else {}
    configs = {resource.name: _result(future) for resource, future in asked.items()}
    return {
        name: TopicState(len(found[name].partitions), {key: configs[name][key].value for key in wanted[name].config})
        for name in names
    }


def _users(admin: AdminClient, kafka: Kafka, passwords: Mapping[str, str]) -> frozenset[str]:
    described = _result(admin.describe_user_scram_credentials())
    existing = {
        user
        for user, description in described.items()
        if any(info.mechanism == ScramMechanism.SCRAM_SHA_512 for info in description.scram_credential_infos)
    }
    known = sorted(existing & passwords.keys())
    with ThreadPoolExecutor(max(len(known), 1)) as pool:
        good = pool.map(lambda user: accepts_password(kafka, user, passwords[user]), known)
    return frozenset((existing - set(known)) | {user for user, is_good in zip(known, good, strict=True) if is_good})


def _acls(admin: AdminClient, prefix: str) -> frozenset[Acl]:
    anything = AclBindingFilter(
        ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY
    )
    found = (_acl(binding) for binding in _result(admin.describe_acls(anything)))
    return frozenset(acl for acl in found if is_ours(acl, prefix))


def _acl(binding: AclBinding) -> Acl:
    kind = ResourceType(binding.restype)
    return Acl(
        principal=str(binding.principal),
        resource=RESOURCE_NAMES.get(kind, kind.name.lower()),
        name=binding.name,
        operation=AclOperation(binding.operation).name.lower(),
        prefixed=binding.resource_pattern_type == ResourcePatternType.PREFIXED,
        permission=AclPermissionType(binding.permission_type).name.lower(),
        host=str(binding.host),
    )


def _binding(acl: Acl) -> AclBinding:
    kind, pattern, operation, permission = _in_kafkas_words(acl)
    return AclBinding(kind, acl.name, pattern, acl.principal, acl.host, operation, permission)


def _filter(acl: Acl) -> AclBindingFilter:
    kind, pattern, operation, permission = _in_kafkas_words(acl)
    return AclBindingFilter(kind, acl.name, pattern, acl.principal, acl.host, operation, permission)


def _in_kafkas_words(acl: Acl) -> tuple[ResourceType, ResourcePatternType, AclOperation, AclPermissionType]:
    return (
        RESOURCES.get(acl.resource) or ResourceType[acl.resource.upper()],
        ResourcePatternType.PREFIXED if acl.prefixed else ResourcePatternType.LITERAL,
        AclOperation[acl.operation.upper()],
        AclPermissionType[acl.permission.upper()],
    )


def _config_change(change: TopicChange) -> ConfigResource:
    entries = [
        ConfigEntry(key, value, source=ConfigSource.DYNAMIC_TOPIC_CONFIG, incremental_operation=AlterConfigOpType.SET)
        for key, value in change.config.items()
    ]
    return ConfigResource(ResourceType.TOPIC, change.name, incremental_configs=entries)


def _user_changes(plan: Plan, passwords: Mapping[str, str]) -> list[UserScramCredentialAlteration]:
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, SCRAM_ITERATIONS)
    upserts = [UserScramCredentialUpsertion(user, info, passwords[user].encode()) for user in plan.set_users]
    deletions = [UserScramCredentialDeletion(user, ScramMechanism.SCRAM_SHA_512) for user in plan.remove_users]
    return [*upserts, *deletions]


def _settle(futures: Mapping[Any, Future[Any]]) -> None:
    for future in futures.values():
        _result(future)


def _result(future: Future[Result]) -> Result:
    with _in_words():
        return future.result(TIMEOUT_SECONDS)


@contextmanager
def _in_words() -> Iterator[None]:
    """Turn what Kafka answers into a sentence."""
    try:
        yield
    except KafkaException as failed:
        raise CliError(
            f"Kafka refused or did not answer: {failed.args[0].str()}", "Mend the cause and run it again."
        ) from failed

"""One Apache Kafka broker in KRaft mode, with passwords and access rules on."""

import base64
import subprocess
import time
import uuid
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from deploy.local import processes
from deploy.local.errors import StackError
from deploy.local.kafka_jars import java
from deploy.local.layout import Layout
from deploy.local.ports import LOOPBACK, accepts, remembered_ports
from deploy.local.secrets import Secrets
from deploy.topology import KAFKA_ADMIN

NAME = "kafka"
START_SECONDS = 180.0
STOP_SECONDS = 30.0
HEAP = "512m"

SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=CLIENTS://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=CLIENTS://{host}:{port}
listener.security.protocol.map=CLIENTS:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT
inter.broker.listener.name=CLIENTS
controller.listener.names=CONTROLLER

sasl.enabled.mechanisms=SCRAM-SHA-512
sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512
listener.name.clients.scram-sha-512.sasl.jaas.config={scram} username="{admin}" password="{password}";
# Passwords of SCRAM users are kept by the controller itself, so whoever talks to it needs another way in: PLAIN.
sasl.mechanism.controller.protocol=PLAIN
listener.name.controller.sasl.enabled.mechanisms=PLAIN
listener.name.controller.plain.sasl.jaas.config={plain} username="{admin}" password="{password}" \
user_{admin}="{password}";

authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:{admin}
allow.everyone.if.no.acl.found=false
auto.create.topics.enable=false

log.dirs={data}
message.max.bytes=1048576
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=3
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
num.network.threads=2
num.io.threads=4
"""
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required"
PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"


@dataclass(frozen=True)
class Kafka:
    """A cluster and the super user who may change it."""

    bootstrap: str
    admin: str
    password: str

    def client(self, user: str = "", password: str = "") -> dict[str, str]:
        """Settings of a confluent-kafka client: this user's, else the administrator's."""
        return {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanisms": "SCRAM-SHA-512",
            "sasl.username": user or self.admin,
            "sasl.password": password or self.password,
            # What goes wrong comes back as an exception; its library would also write it to stderr.
            "log_level": "2",
        }

    def asyncio_client(self, user: str = "", password: str = "") -> dict[str, str]:
        """The same for an aiokafka client, as keyword arguments."""
        return {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": user or self.admin,
            "sasl_plain_password": password or self.password,
        }


def start_kafka(layout: Layout, secrets: Secrets, jars: Path) -> Kafka:
    """Start the broker of this stack and wait until it answers its administrator. A running one is left alone."""
    password = secrets.kafka_password(KAFKA_ADMIN)
    config = layout.kafka / "server.properties"
    if processes.running(layout, NAME) is None:
        ports = remembered_ports(layout, kafka=0, kafka_controller=0)
        _write_config(config, layout.kafka / "data", ports, password)
        _format(layout, config, jars, password)
        processes.spawn(layout, NAME, [*_java(jars), "kafka.Kafka", config], cwd=layout.kafka)
    kafka = Kafka(f"{LOOPBACK}:{_port_in(config)}", KAFKA_ADMIN, password)
    _wait_until_ready(layout, kafka)
    return kafka


def stop_kafka(layout: Layout) -> None:
    """Stop the broker; killed when it does not end in time, which costs it a recovery at the next start."""
    processes.stop(layout, NAME, STOP_SECONDS)


def _write_config(file: Path, data: Path, ports: dict[str, int], password: str) -> None:
    text = SETTINGS.format(
        host=LOOPBACK,
        port=ports["kafka"],
        controller_port=ports["kafka_controller"],
        admin=KAFKA_ADMIN,
        password=password,
        data=data,
        scram=SCRAM,
        plain=PLAIN,
    )
    file.touch(mode=0o600)
    file.write_text(text)


def _format(layout: Layout, config: Path, jars: Path, password: str) -> None:
    """Give the data folder its cluster id and the administrator's password; a formatted folder stays as it is."""
    if (layout.kafka / "data" / "meta.properties").exists():
        return
    cluster_id = _new_cluster_id()
    scram = f"SCRAM-SHA-512=[name={KAFKA_ADMIN},password={password}]"
    tool = [*_java(jars), "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(config)]
    made = subprocess.run(  # noqa: S603 - Kafka's own tool
        [*tool, "--add-scram", scram], capture_output=True, text=True, cwd=layout.kafka, check=False
    )
    if made.returncode:
        raise StackError(f"Kafka's storage could not be formatted: {(made.stderr or made.stdout).strip()[-500:]}")


def _new_cluster_id() -> str:
    """Make an id in Kafka's own form; one that began with a dash would be taken for an option."""
    while True:
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not cluster_id.startswith("-"):
            return cluster_id


def _java(jars: Path) -> list[str]:
    log_config = files("deploy.local") / "kafka_log4j2.xml"
    return [
        java(),
        "-Xms128m",
        f"-Xmx{HEAP}",
        "-XX:+ExitOnOutOfMemoryError",
        "-Djava.awt.headless=true",
        f"-Dlog4j2.configurationFile={log_config}",
        "-cp",
        f"{jars}/*",
    ]


def _port_in(config: Path) -> int:
    advertised = next(line for line in config.read_text().splitlines() if line.startswith("advertised.listeners="))
    return int(advertised.rpartition(":")[2])


def _wait_until_ready(layout: Layout, kafka: Kafka) -> None:
    port, deadline = int(kafka.bootstrap.rpartition(":")[2]), time.monotonic() + START_SECONDS
    while not (accepts(port) and answers(kafka)):
        if processes.running(layout, NAME) is None:
            raise StackError(
                f"Kafka ended while starting: {processes.log_tail(layout, NAME)}",
                f"The whole log is {layout.log / 'kafka.log'}.",
            )
        if time.monotonic() > deadline:
            raise StackError(f"Kafka was not ready after {START_SECONDS:.0f} s.", "Look into its log.")
        time.sleep(0.1)


def answers(kafka: Kafka) -> bool:
    """Whether the cluster lets its administrator in and lists its topics."""
    client = AdminClient(kafka.client())
    try:
        client.list_topics(timeout=5)
    except KafkaException:
        return False
    return True

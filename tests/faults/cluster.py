"""Kafka of three brokers on this machine, or behind a proxy: settings on top of the local stack's."""

import base64
import contextlib
import os
import signal
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from confluent_kafka import ElectionType, KafkaException
from confluent_kafka.admin import AdminClient

from deploy.local import processes
from deploy.local.kafka import HEAP, PLAIN, SCRAM, SETTINGS, Kafka, answers
from deploy.local.kafka_jars import java, kafka_jars
from deploy.local.layout import Layout
from deploy.local.ports import LOOPBACK, known_ports, remembered_ports
from deploy.local.secrets import Secrets
from deploy.local.stack import silent
from deploy.topology import KAFKA_ADMIN
from tests.faults.waiting import wait_until

START_SECONDS = 120.0

# Later lines win: these replace the local stack's own.
MORE_THAN_ONE = """
offsets.topic.replication.factor={count}
transaction.state.log.replication.factor={count}
transaction.state.log.min.isr={least}
share.coordinator.state.topic.replication.factor={count}
share.coordinator.state.topic.min.isr={least}
default.replication.factor={count}
min.insync.replicas={least}
controller.quorum.voters={voters}
node.id={node}
"""
# A second way in, advertised under the address of the proxy: who comes through the proxy stays behind it.
PROXIED = """
listeners=CLIENTS://{host}:{port},PROXIED://{host}:{proxied},CONTROLLER://{host}:{controller}
advertised.listeners=CLIENTS://{host}:{port},PROXIED://{host}:{proxy}
listener.security.protocol.map=CLIENTS:SASL_PLAINTEXT,PROXIED:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT
listener.name.proxied.scram-sha-512.sasl.jaas.config={scram} username="{admin}" password="{password}";
"""


@dataclass(frozen=True)
class Cluster:
    """Brokers as processes `kafka-1`, `kafka-2`, ... Starting and stopping takes its time: call it in a thread."""

    layout: Layout
    kafka: Kafka
    count: int

    @property
    def names(self) -> Sequence[str]:
        return [f"kafka-{node}" for node in range(1, self.count + 1)]

    def kill(self, *names: str) -> None:
        """kill -9, all at once."""
        records = [record for name in names if (record := processes.running(self.layout, name))]
        for record in records:
            os.kill(record.pid, signal.SIGKILL)
        for record in records:
            processes.gone(record, 10)

    def start(self, *names: str) -> None:
        """Start brokers and wait until all of the cluster are there."""
        jars = kafka_jars(self.layout.cache, silent)
        for name in names:
            config = self.layout.kafka / name / "server.properties"
            processes.spawn(self.layout, name, [*_java(jars), "kafka.Kafka", config], cwd=self.layout.kafka)
        wait_until(self._is_whole, START_SECONDS, "all brokers of the cluster are there")

    def _is_whole(self) -> bool:
        if not answers(self.kafka):
            return False
        return len(AdminClient(self.kafka.client()).list_topics(timeout=10).brokers) == self.count

    def stop(self) -> None:
        """Stop all."""
        processes.ask_to_end(self.layout, *self.names)
        for name in self.names:
            processes.stop(self.layout, name, 10)

    def leaders(self) -> Mapping[tuple[str, int], int]:
        """Which broker leads each partition."""
        topics = AdminClient(self.kafka.client()).list_topics(timeout=10).topics
        return {
            (name, partition.id): partition.leader
            for name, topic in topics.items()
            for partition in topic.partitions.values()
        }

    def prefer_first_leaders(self) -> int:
        """Give leadership back to the brokers that had it first; returns how many partitions moved."""
        before = self.leaders()
        wait_until(lambda: self._moved_since(before) > 0, START_SECONDS, "leaders have moved")
        return self._moved_since(before)

    def _moved_since(self, before: Mapping[tuple[str, int], int]) -> int:
        """Ask for the election again each time: a broker that has not caught up yet is not elected."""
        admin = AdminClient(self.kafka.client())
        # A controller that is busy or being elected itself is asked again.
        with contextlib.suppress(KafkaException):
            admin.elect_leaders(ElectionType.PREFERRED).result()
        after = self.leaders()
        return sum(after[partition] != leader for partition, leader in before.items())


def start_cluster(layout: Layout, secrets: Secrets, count: int = 1, proxy_port: int = 0) -> Cluster:
    """Start brokers. proxy_port: where a proxy will listen, through which services are to come; 0 for none."""
    password = secrets.kafka_password(KAFKA_ADMIN)
    wanted = {f"{kind}_{node}": 0 for node in range(1, count + 1) for kind in ("broker", "controller", "proxied")}
    ports = remembered_ports(layout, **wanted)
    cluster_id, jars = _cluster_id(), kafka_jars(layout.cache, silent)
    for node in range(1, count + 1):
        folder = layout.kafka / f"kafka-{node}"
        folder.mkdir(mode=0o700)
        config = folder / "server.properties"
        config.touch(mode=0o600)
        config.write_text(_settings(folder, node, count, ports, password, proxy_port))
        _format(config, jars, cluster_id, password)
    bootstrap = ",".join(f"{LOOPBACK}:{ports[f'broker_{node}']}" for node in range(1, count + 1))
    cluster = Cluster(layout, Kafka(bootstrap, KAFKA_ADMIN, password), count)
    cluster.start(*cluster.names)
    return cluster


def proxied_port(layout: Layout) -> int:
    """Where the only broker listens for the proxy."""
    return known_ports(layout)["proxied_1"]


def _settings(folder: Path, node: int, count: int, ports: Mapping[str, int], password: str, proxy_port: int) -> str:
    own = {
        "port": ports[f"broker_{node}"],
        "host": LOOPBACK,
        "admin": KAFKA_ADMIN,
        "password": password,
        "scram": SCRAM,
    }
    controller = ports[f"controller_{node}"]
    text = SETTINGS.format(controller_port=controller, data=folder / "data", plain=PLAIN, **own)
    voters = ",".join(f"{each}@{LOOPBACK}:{ports[f'controller_{each}']}" for each in range(1, count + 1))
    text += MORE_THAN_ONE.format(count=count, least=max(count - 1, 1), voters=voters, node=node)
    if proxy_port:
        text += PROXIED.format(proxied=ports["proxied_1"], controller=controller, proxy=proxy_port, **own)
    return text


def _format(config: Path, jars: Path, cluster_id: str, password: str) -> None:
    scram = f"SCRAM-SHA-512=[name={KAFKA_ADMIN},password={password}]"
    tool = [
        *_java(jars),
        "kafka.tools.StorageTool",
        "format",
        "-t",
        cluster_id,
        "-c",
        str(config),
        "--add-scram",
        scram,
    ]
    made = subprocess.run(tool, capture_output=True, text=True, cwd=config.parent, check=False)
    assert made.returncode == 0, made.stderr or made.stdout


def _java(jars: Path) -> list[str]:
    log_config = files("deploy.local") / "kafka_log4j2.xml"
    options = ["-Xms128m", f"-Xmx{HEAP}", "-XX:+ExitOnOutOfMemoryError", f"-Dlog4j2.configurationFile={log_config}"]
    return [java(), *options, "-cp", f"{jars}/*"]


def _cluster_id() -> str:
    """In Kafka's own form; a dash in front would be taken for an option."""
    return "L" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]

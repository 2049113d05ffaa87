"""The four services as processes of this machine."""

import http.client
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.local import processes
from deploy.local.errors import StackError
from deploy.local.issuer import issuer_of
from deploy.local.layout import CHECKOUT, Layout
from deploy.local.ports import LOOPBACK, remembered_ports
from deploy.local.stack import Stack
from deploy.topology import KEYS_DATABASE, SERVICES, Service

READY_SECONDS = 120.0
STOP_SECONDS = 10.0
# Where traces go is the same for every service, and no secret.
TRACING = ("LOTSE_OTLP_ENDPOINT", "LOTSE_TRACE_RATIO")


@dataclass(frozen=True)
class Sources:
    """The files of the agreement the services read at start."""

    partners: Path = CHECKOUT / "deploy" / "partners"
    agreement: Path = CHECKOUT / "deploy" / "agreement" / "koblenz.toml"
    notices: Path = CHECKOUT / "deploy" / "notices"
    routing: Path = CHECKOUT / "deploy" / "routing" / "koblenz.toml"


def sources_from(environ: Mapping[str, str]) -> Sources:
    """The checkout's files, unless LOTSE_PARTNERS_DIR, LOTSE_AGREEMENT_FILE, LOTSE_NOTICES or LOTSE_ROUTING_FILE
    name others.
    """
    given = Sources()
    return Sources(
        Path(environ.get("LOTSE_PARTNERS_DIR") or given.partners),
        Path(environ.get("LOTSE_AGREEMENT_FILE") or given.agreement),
        Path(environ.get("LOTSE_NOTICES") or given.notices),
        Path(environ.get("LOTSE_ROUTING_FILE") or given.routing),
    )


def service_ports(layout: Layout) -> dict[str, int]:
    """Where each service of this stack listens."""
    return remembered_ports(layout, **{service.name: service.port for service in SERVICES})


def service_environment(stack: Stack, service: Service, port: int, sources: Sources) -> dict[str, str]:
    """The environment of a service's process: ours without any LOTSE_ variable but where traces go, and what this
    service may know.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LOTSE_") or name in TRACING}
    own = {
        "LOTSE_DATABASE_URL": stack.databases[f"lotse_{service.name}"],
        "LOTSE_KAFKA": stack.kafka.bootstrap,
        "LOTSE_KAFKA_USER": service.kafka_user,
        "LOTSE_KAFKA_PASSWORD": stack.secrets.kafka_password(service.kafka_user),
        "LOTSE_HTTP_HOST": LOOPBACK,
        "LOTSE_HTTP_PORT": str(port),
        "LOTSE_PARTNERS_DIR": str(sources.partners),
        "LOTSE_AGREEMENT_FILE": str(sources.agreement),
        "LOTSE_NOTICES": str(sources.notices),
        "LOTSE_ROUTING_FILE": str(sources.routing),
        "LOTSE_SECRETS_DIR": str(stack.secrets.for_services),
        "LOTSE_ISSUERS_FILE": str(issuer_of(stack.layout).issuers_file),
    }
    if KEYS_DATABASE in service.databases:
        own["LOTSE_KEYS_DATABASE_URL"] = stack.databases[KEYS_DATABASE]
    return inherited | own


def start_service(stack: Stack, service: Service, port: int, sources: Sources) -> processes.Recorded:
    """Start one service; it is ready a moment later."""
    return processes.spawn(
        stack.layout,
        service.name,
        [sys.executable, "-m", f"services.{service.name}.app"],
        env=service_environment(stack, service, port, sources),
        cwd=CHECKOUT,
    )


def wait_until_ready(layout: Layout, service: Service, port: int) -> None:
    """Wait for a service to say that it is ready. Raises StackError with its last words when it ends before."""
    deadline = time.monotonic() + READY_SECONDS
    while not is_ready(port):
        if processes.running(layout, service.name) is None:
            raise StackError(
                f"The service {service.name} ended while starting: {processes.log_tail(layout, service.name, 1)}",
                f"The whole log is {layout.log / f'{service.name}.log'}.",
            )
        if time.monotonic() > deadline:
            raise StackError(
                f"The service {service.name} was not ready after {READY_SECONDS:.0f} s.",
                f"Look into {layout.log / f'{service.name}.log'}.",
            )
        time.sleep(0.1)


def is_ready(port: int) -> bool:
    """Whether the service on this port answers /health/ready with 2xx."""
    try:
        status, _ = http_get(port, "/health/ready")
    except OSError:
        return False
    return 200 <= status < 300


def http_get(port: int, path: str, timeout_seconds: float = 3) -> tuple[int, str]:
    """Ask a service of this machine. Raises OSError when it does not answer."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=timeout_seconds)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace")
    except http.client.HTTPException as broken:
        raise OSError(str(broken)) from broken
    finally:
        connection.close()


def stop_services(layout: Layout) -> None:
    """Stop all services: each is asked first, all have the same ten seconds."""
    deadline = time.monotonic() + STOP_SECONDS
    processes.ask_to_end(layout, *(service.name for service in SERVICES))
    for service in SERVICES:
        processes.stop(layout, service.name, max(deadline - time.monotonic(), 0))

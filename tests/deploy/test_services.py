"""The four services as processes."""

import json

import pytest

from deploy.cli.status import samples
from deploy.local.ports import known_ports
from deploy.local.services import http_get
from deploy.local.stack import Stack


@pytest.mark.parametrize("service", ["intake", "referral", "notifier", "reporting"])
def test_a_service_is_alive_and_counts(services: dict[str, int], service: str) -> None:
    """It answers its health checks and shows its outbox."""
    assert http_get(services[service], "/health/live")[0] == 200
    assert next(each.value for each in samples(services[service]) if each.name == "lotse_outbox_depth") >= 0


@pytest.mark.parametrize("service", ["intake", "referral", "notifier", "reporting"])
def test_a_service_is_given_no_secret_of_the_servers(services: dict[str, int], stack: Stack, service: str) -> None:
    """Its folder of secrets holds keys only, not the passwords of Kafka, of PostgreSQL or of partners."""
    names = {file.name for file in stack.secrets.for_services.iterdir()}
    keys = {"idempotency", "vault-operator-key", "blind-index-key", "audit-signing-key"}
    assert all(name.startswith("pairwise-") or name in keys for name in names)
    assert known_ports(stack.layout)[service] == services[service]


def test_openapi_of_a_service_can_be_read(services: dict[str, int]) -> None:
    """Each service documents its API."""
    status, text = http_get(services["intake"], "/openapi.json")
    assert status == 200
    assert json.loads(text)["openapi"].startswith("3.1")

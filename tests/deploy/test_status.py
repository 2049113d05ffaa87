"""What `lotse status` makes of a service's metrics."""

import pytest

from deploy.cli import status
from deploy.cli.status import Condition, condition
from deploy.local.state import State
from deploy.topology import SERVICES

METRICS = """
# TYPE lotse_outbox_depth gauge
lotse_outbox_depth {depth}
# TYPE lotse_outbox_age_seconds gauge
lotse_outbox_age_seconds {depth}
# TYPE lotse_parked_keys gauge
lotse_parked_keys 2
# TYPE lotse_dead_letters gauge
lotse_dead_letters 5
# TYPE lotse_admission_closed gauge
lotse_admission_closed{{reason="recovering"}} {recovering}
lotse_admission_closed{{reason="outbox-full"}} 0
"""


def asked(monkeypatch: pytest.MonkeyPatch, text: str) -> Condition:
    """What is made of a service that answers so."""
    monkeypatch.setattr(status, "http_get", lambda _port, _path: (200, text))
    monkeypatch.setattr(status, "is_ready", lambda _port: True)
    service = SERVICES[0]
    return condition(State("ready", ports={service.name: 1}), service, lag=3)


def test_a_service_that_takes_changes_refuses_for_no_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """The numbers are those of its metrics."""
    found = asked(monkeypatch, METRICS.format(depth=7, recovering=0))
    assert (found.outbox, found.parked, found.dead_letters, found.lag) == (7, 2, 5, 3)
    assert found.refuses == ()


def test_why_changes_are_refused_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator sees it without asking Prometheus."""
    assert asked(monkeypatch, METRICS.format(depth=7, recovering=1)).refuses == ("recovering",)


def test_a_number_that_only_an_absent_database_knows_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is NaN then, which is no whole number."""
    found = asked(monkeypatch, METRICS.format(depth="NaN", recovering=0))
    assert (found.outbox, found.outbox_age_seconds) == (None, None)
    assert found.parked == 2

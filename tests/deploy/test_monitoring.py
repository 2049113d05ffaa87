"""Alert rules and dashboard: they name metrics that exist, every alert has its runbook, and promtool agrees."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.local.layout import CHECKOUT
from deploy.topology import SERVICES
from services.chassis.metrics import REGISTRY

MONITORING = CHECKOUT / "deploy" / "monitoring"
OPERATIONS = (CHECKOUT / "docs" / "operations.md").read_text(encoding="utf-8")
PROMTOOL = shutil.which("promtool")
SEVERITIES = {"critical", "warning", "info"}
# Prometheus makes it itself, of every target.
PROMETHEUS_OWN = {"up"}


def loaded(name: str) -> Any:
    return yaml.safe_load((MONITORING / name).read_text(encoding="utf-8"))


RULES = [rule for group in loaded("alerts.yml")["groups"] for rule in group["rules"]]
DASHBOARD = json.loads((MONITORING / "grafana.json").read_text(encoding="utf-8"))
each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")
with_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not there: apt-get install prometheus, or let .ci/run fetch it"
)


def panels() -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[str]:
    """All that is asked of Prometheus."""
    yield from (rule["expr"] for rule in RULES)
    for panel in panels():
        yield from (target["expr"] for target in panel["targets"])
    yield from (
        variable["query"]["query"] for variable in DASHBOARD["templating"]["list"] if variable["type"] == "query"
    )


def metrics_in(expression: str) -> set[str]:
    """The metrics that an expression names."""
    return set(re.findall(r"\b(?:up|(?:lotse|process)_\w+)\b", re.sub(r'"[^"]*"', "", expression)))


def exported() -> set[str]:
    """The names of the samples that a process with every part of Lotse in it exports."""
    for service in SERVICES:
        import_module(f"services.{service.name}.app")
    names = set[str]()
    for family in REGISTRY.collect():
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
        names |= {family.name + suffix for suffix in suffixes}
    return names


def test_every_metric_that_is_asked_for_is_exported() -> None:
    """A rule on a metric that was renamed would never fire."""
    named = set[str]().union(*map(metrics_in, expressions()))
    assert "lotse_outbox_age_seconds" in named
    assert named - PROMETHEUS_OWN <= exported()


def test_every_metric_of_lotse_is_on_the_dashboard() -> None:
    """Whoever looks for a number finds it; a histogram is there by its buckets or its count."""
    shown = {re.sub(r"_(bucket|count|sum|total)$", "", name) for each in expressions() for name in metrics_in(each)}
    missing = {family.name for family in REGISTRY.collect() if family.name.startswith("lotse_")} - shown
    assert not missing


@each_rule
def test_an_alert_says_how_bad_it_is_and_leads_to_its_runbook(rule: dict[str, Any]) -> None:
    """A section of the alert's name says what it means, what to look at, what to do, whom to call."""
    assert rule["labels"]["severity"] in SEVERITIES
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"
    _, heading, rest = OPERATIONS.partition(f"\n### {rule['alert']}\n")
    assert heading, f"docs/operations.md has no section {rule['alert']}"
    section = re.split(r"\n##", rest)[0]
    for part in ("\n- **Means.** ", "\n- **Look at.** ", "\n- **Do.** ", "\n- **Call.** "):
        assert part in section, f"the runbook of {rule['alert']} lacks {part}"


def test_no_runbook_is_left_over() -> None:
    """A section about an alert that no longer exists misleads."""
    assert set(re.findall(r"^### (Lotse\w+)$", OPERATIONS, re.MULTILINE)) == {rule["alert"] for rule in RULES}


def test_every_alert_is_tested_both_ways() -> None:
    """It fires on what it is for, and is silent before."""
    cases = [case for group in loaded("alerts_test.yml")["tests"] for case in group.get("alert_rule_test", [])]
    fires = {(case["alertname"], each["exp_labels"]["severity"]) for case in cases for each in case["exp_alerts"]}
    silent = {case["alertname"] for case in cases if not case["exp_alerts"]}
    assert fires == {(rule["alert"], rule["labels"]["severity"]) for rule in RULES}
    assert silent == {rule["alert"] for rule in RULES}


@with_promtool
@pytest.mark.parametrize(
    "arguments",
    [("test", "rules", "alerts_test.yml"), ("check", "rules", "alerts.yml"), ("check", "config", "prometheus.yml")],
    ids=" ".join,
)
def test_promtool_agrees(arguments: tuple[str, ...]) -> None:
    """Prometheus's own tool reads the rules and runs their tests."""
    done = subprocess.run([str(PROMTOOL), *arguments], cwd=MONITORING, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@with_promtool
def test_a_rule_that_is_broken_fails_its_test(tmp_path: Path) -> None:
    """The tests of the rules are tests: with another threshold one of them fails."""
    for name in ("alerts.yml", "alerts_test.yml"):
        text = (MONITORING / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace("lotse_outbox_age_seconds) > 60", "lotse_outbox_age_seconds) > 6000"))
    done = subprocess.run([str(PROMTOOL), "test", "rules", "alerts_test.yml"], cwd=tmp_path, capture_output=True)
    assert done.returncode != 0
    assert b"LotseOutboxOld" in done.stdout + done.stderr


def test_the_scrape_example_asks_every_service() -> None:
    """Its targets carry the label `service`, on which rules and dashboard stand."""
    (job,) = loaded("prometheus.yml")["scrape_configs"]
    assert job["job_name"] == "lotse"
    named = [target["labels"]["service"] for target in job["static_configs"]]
    assert named == [service.name for service in SERVICES]


def test_the_dashboard_can_be_provisioned() -> None:
    """Its data source is a variable, its panels have ids and places of their own, and every one says what it asks."""
    assert DASHBOARD["uid"] == "lotse"
    assert "id" not in DASHBOARD  # Grafana gives it; one that is brought along clashes
    assert {variable["name"]: variable["type"] for variable in DASHBOARD["templating"]["list"]} == {
        "datasource": "datasource",
        "service": "query",
    }
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in panels():
        assert panel["title"]
        assert panel["targets"], panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}"
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])


def test_no_panel_covers_another() -> None:
    """The grid is 24 wide."""
    taken = set[tuple[int, int]]()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells

"""The benchmarks measure what they say: their events are real, their loops run, their page says a miss is a miss."""

import re
from collections import Counter
from pathlib import Path

import pytest

from deploy.local.services import service_ports
from deploy.local.stack import Stack
from schemas import decode, parse_headers
from tests.bench import document
from tests.bench.__main__ import PARTS
from tests.bench.corpus import corpus
from tests.bench.figures import Figure, Section, against_bare
from tests.bench.ground import Ground, percentile
from tests.bench.throughput import watch_applying
from tests.faults.people import PARTNERS

LOAD = (0.1, 0.2, 0.3)


@pytest.mark.parametrize("with_referral", [True, False])
def test_events_of_the_corpus_are_whole_and_their_versions_have_no_gap(with_referral: bool) -> None:
    """Otherwise a consumer would park them, and the benchmark would time the parking."""
    versions: Counter[tuple[str, str]] = Counter()
    for written in corpus(6000, with_referral=with_referral):
        envelope = parse_headers(written.headers)
        versions[envelope.source, written.key] += 1
        assert envelope.sequence == versions[envelope.source, written.key]
        assert decode(envelope.type, written.value).key == written.key
    assert versions.total() == 6000


def test_a_rate_below_its_share_of_bare_is_printed_as_missed() -> None:
    """The medians decide, so that one bad round does not."""
    assert against_bare("relay", [10.0, 70.0, 60.0], [100.0], 0.6).verdict == "met"
    assert against_bare("relay", [59.0], [100.0], 0.6).verdict == "MISSED"


def test_the_percentile_is_one_of_the_values() -> None:
    """The p99 of a hundred values is the last."""
    assert percentile(range(100), 0.99) == 99
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0


def test_the_page_has_a_place_for_every_part() -> None:
    """`make bench` would find out only after the measuring."""
    assert re.findall(r"make bench writes (\w+) from here", document.PAGE.read_text(encoding="utf-8"))
    for part in PARTS:
        assert f"<!-- make bench writes {part} from here -->" in document.PAGE.read_text(encoding="utf-8")


def test_a_part_replaces_its_own_block_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts may be measured on different days."""
    page = tmp_path / "bench.md"
    block = "<!-- make bench writes {} from here -->\nold {}\n<!-- to here -->\n"
    page.write_text(block.format("relay", "relay") + block.format("http", "http"), encoding="utf-8")
    monkeypatch.setattr(document, "PAGE", page)
    document.write("relay", Section("Relay", [Figure("sent", "5/s", target="6/s", met=False)]), "tiny", LOAD)
    said = page.read_text(encoding="utf-8")
    assert "| sent | 5/s | - | - | 6/s | MISSED |" in said
    assert "old relay" not in said
    assert "old http" in said
    with pytest.raises(ValueError, match="lacks the marks of soak"):
        document.write("soak", Section("Soak"), "tiny", LOAD)


@pytest.mark.parametrize("how", [("real", "relay", "intake"), ("bare", "relay")])
def test_relays_empty_an_outbox(stack: Stack, how: tuple[str, ...]) -> None:
    """Both loops send all there is, or they would wait for ever."""
    ground = Ground(stack, service_ports(stack.layout))
    url, prefix = ground.database("intake"), ground.topics()
    env = ground.environment("intake", database=url, prefix=prefix)
    try:
        ground.part("fill", "outbox", 4500, "all", env=env).result()
        assert ground.part(how[0], *how[1:], 4500, env=env).result()["rate"] > 0
    finally:
        ground.delete_topics(prefix)
        ground.drop(url)


def test_the_bare_consumer_and_reporting_apply_a_topic(stack: Stack) -> None:
    """Both get to the end of the same topic."""
    ground = Ground(stack, service_ports(stack.layout))
    stack.secrets.service_keys(f"pairwise-{slug}" for slug in PARTNERS)
    prefix = ground.topics()
    try:
        env = ground.environment("reporting", prefix=prefix)
        ground.part("fill", "topic", 2000, "all", env=env).result()
        for kind in ("set", "reporting"):
            samples, _, url = watch_applying(ground, prefix, kind, 2000)
            ground.drop(url)
            assert samples[-1][1] == 2000
    finally:
        ground.delete_topics(prefix)

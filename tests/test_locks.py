"""The lock files can be installed tomorrow as they can today."""

import re
from collections import defaultdict
from collections.abc import Mapping, Set
from importlib.metadata import PackageNotFoundError, requires

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.harness import ROOT

LOCKS = ("requirements.lock", "requirements-dev.lock")


def locked(lock: str) -> Mapping[str, Requirement]:
    """What a lock file pins, by name."""
    lines = re.findall(r"^[a-z0-9][^\s;\\]*", (ROOT / lock).read_text(), re.M)
    return {canonicalize_name(each.name): each for each in map(Requirement, lines)}


def extras_wanted(pinned: Mapping[str, Requirement]) -> Mapping[str, Set[str]]:
    """The extras with which the packages ask for each other here."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for each in pinned.values():
        try:
            said = [Requirement(line) for line in requires(each.name) or ()]
        except PackageNotFoundError:  # for another system than this one
            continue
        environments = [{**default_environment(), "extra": extra} for extra in ("", *each.extras)]
        for requirement in said:
            if requirement.marker is None or any(requirement.marker.evaluate(env) for env in environments):
                wanted[canonicalize_name(requirement.name)] |= requirement.extras
    return wanted


@pytest.mark.parametrize("lock", LOCKS)
def test_extras_are_pinned_with_their_package(lock: str) -> None:
    """Otherwise the pip that comes with Python 3.11 looks for the newest version of a package asked for with extras."""
    pinned = locked(lock)
    lacking = {name: extras - pinned[name].extras for name, extras in extras_wanted(pinned).items() if name in pinned}
    assert {name: extras for name, extras in lacking.items() if extras} == {}


@pytest.mark.parametrize("lock", LOCKS)
def test_each_package_is_pinned_by_hash_and_no_address(lock: str) -> None:
    """From whatever registry an operator has."""
    text = (ROOT / lock).read_text()
    assert "://" not in text
    entries = re.split(r"(?m)^(?=[a-z0-9])", text)[1:]
    assert entries
    assert all(re.match(r"\S+==[\w.+!-]+ ", each) and "--hash=sha256:" in each for each in entries)

"""What the tests of the contract share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.schemas.samples import forgotten_classes

ROOT = Path(__file__).parents[2]


@pytest.fixture
def registry() -> Iterator[None]:
    """Let a test declare event classes that are gone afterwards."""
    with forgotten_classes():
        yield


@pytest.fixture(scope="session")
def standards() -> Path:
    """The folder of official documents, or a skip where it is absent."""
    folder = Path(os.environ.get("LOTSE_STANDARDS", ROOT.parent / "shared" / "standards"))
    if not folder.is_dir():
        pytest.skip("the official documents are absent; LOTSE_STANDARDS names their folder")
    return folder

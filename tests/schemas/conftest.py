"""What the tests of the contract share."""

from collections.abc import Iterator

import pytest

from tests.schemas.samples import forgotten_classes


@pytest.fixture
def registry() -> Iterator[None]:
    """Let a test declare event classes that are gone afterwards."""
    with forgotten_classes():
        yield

"""Counting what a transaction did once it has committed: what is rolled back and tried again counts once."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from prometheus_client import Counter

_pending: ContextVar[list[tuple[Counter, float]] | None] = ContextVar("pending_counts", default=None)


def count(counter: Counter, amount: float = 1) -> None:
    """Add to a counter when the transaction around it commits; at once where there is none."""
    pending = _pending.get()
    if pending is None:
        counter.inc(amount)
    else:
        pending.append((counter, amount))


@contextmanager
def counted_on_commit() -> Iterator[None]:
    """Hold back what is counted inside until the block ends, and forget it when the block raises."""
    pending: list[tuple[Counter, float]] = []
    token = _pending.set(pending)
    try:
        yield
    finally:
        _pending.reset(token)
    for counter, amount in pending:
        counter.inc(amount)

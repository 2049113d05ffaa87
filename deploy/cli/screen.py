"""What the commands print: rich on a terminal, plain lines elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

out = Console(highlight=False)
# Progress and errors go to stderr, so that `$(lotse token ...)` and `lotse watch --json | jq` get data only.
err = Console(stderr=True, highlight=False)


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Show what is being done: one moving line on a terminal, else a line for each new step."""
    if err.is_terminal:
        with err.status("...") as status:
            yield status.update
        return
    last = ""

    def say(text: str) -> None:
        nonlocal last
        if text != last:
            err.print(text, markup=False)
        last = text

    yield say

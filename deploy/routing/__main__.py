"""`python -m deploy.routing` writes docs/routing.md; with `--check` it ends with 1 when the page has drifted.

Another table is checked and shown by its path: `python -m deploy.routing FILE` prints its page and writes nothing.
"""

import sys
from pathlib import Path

from deploy.local.layout import CHECKOUT
from deploy.routing.pages import page
from schemas.routing_file import RoutingFileError, load_routing

TABLE = CHECKOUT / "deploy" / "routing" / "koblenz.toml"
PAGE = CHECKOUT / "docs" / "routing.md"


def main(arguments: list[str], file: Path = PAGE) -> int:
    """Write the page, say whether it has drifted, or print another table's."""
    is_check, others = "--check" in arguments, [each for each in arguments if each != "--check"]
    try:
        text = page(load_routing(Path(others[0]) if others else TABLE))
    except RoutingFileError as error:
        sys.stderr.write(f"{error}.\n")
        return 1
    if others:
        sys.stdout.write(text)
        return 0
    if file.exists() and file.read_text(encoding="utf-8") == text:
        return 0
    if is_check:
        sys.stdout.write("differs: docs/routing.md; write it with `python -m deploy.routing`\n")
        return 1
    file.write_text(text, encoding="utf-8")
    sys.stdout.write("wrote: docs/routing.md\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

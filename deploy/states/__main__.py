"""`python -m deploy.states` writes the pages on states; with `--check` it ends with 1 when one has drifted."""

import sys
from pathlib import Path

from deploy.local.layout import CHECKOUT
from deploy.states import cooperation, pages

FOLDER = CHECKOUT / "docs"
PAGES = {"referral-states.md": pages.page, "cooperation-states.md": cooperation.page}


def main(arguments: list[str], folder: Path = FOLDER) -> int:
    """Write the pages, or say which have drifted."""
    drifted = 0
    for name, page in PAGES.items():
        file, text = folder / name, page()
        if file.exists() and file.read_text(encoding="utf-8") == text:
            continue
        if "--check" in arguments:
            sys.stdout.write(f"differs: docs/{name}; write it with `python -m deploy.states`\n")
            drifted = 1
            continue
        file.write_text(text, encoding="utf-8")
        sys.stdout.write(f"wrote: docs/{name}\n")
    return drifted


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

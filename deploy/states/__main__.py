"""`python -m deploy.states` writes docs/referral-states.md; with `--check` it ends with 1 when the page has drifted."""

import sys
from pathlib import Path

from deploy.local.layout import CHECKOUT
from deploy.states.pages import page

PAGE = CHECKOUT / "docs" / "referral-states.md"


def main(arguments: list[str], file: Path = PAGE) -> int:
    """Write the page, or say whether it has drifted."""
    text = page()
    if file.exists() and file.read_text(encoding="utf-8") == text:
        return 0
    if "--check" in arguments:
        sys.stdout.write("differs: docs/referral-states.md; write it with `python -m deploy.states`\n")
        return 1
    file.write_text(text, encoding="utf-8")
    sys.stdout.write("wrote: docs/referral-states.md\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

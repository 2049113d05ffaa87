"""`python -m deploy.privacy` writes docs/privacy; with `--check` it ends with 1 when a document has drifted."""

import sys
from pathlib import Path

from deploy.local.layout import CHECKOUT
from deploy.privacy.pages import pages
from schemas.agreement_file import load_agreement
from schemas.partner_file import load_partners

FOLDER = CHECKOUT / "docs" / "privacy"


def main(folder: Path = FOLDER) -> int:
    """Write what differs, or name it."""
    is_check = "--check" in sys.argv[1:]
    partners = load_partners(CHECKOUT / "deploy" / "partners")
    agreement = load_agreement(CHECKOUT / "deploy" / "agreement" / "koblenz.toml")
    differing = 0
    for name, text in pages(partners, agreement).items():
        file = folder / name
        if file.exists() and file.read_text(encoding="utf-8") == text:
            continue
        differing += 1
        sys.stdout.write(f"{'differs' if is_check else 'wrote'}: docs/privacy/{name}\n")
        if not is_check:
            file.write_text(text, encoding="utf-8")
    return int(is_check and bool(differing))


if __name__ == "__main__":
    sys.exit(main())

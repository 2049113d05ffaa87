"""How the story fails."""

from deploy.local.errors import StackError


class Unexpected(StackError):
    """Something else happened than the story says: what was expected, and what came instead, in German."""

    def __init__(self, expected: str, came: str) -> None:
        super().__init__(f"Erwartet war {expected}; gekommen ist {came}.")

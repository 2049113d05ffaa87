"""What went wrong in words an operator can act on."""


class StackError(Exception):
    """Something outside our code is missing or wrong: one sentence, and a way out where there is one."""

    def __init__(self, sentence: str, way_out: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.way_out = way_out

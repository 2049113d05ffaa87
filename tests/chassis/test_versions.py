"""What an incoming version means against what was applied, within an epoch and across them."""

import pytest

from schemas import Place
from services.chassis.keys import Key
from services.chassis.versions import Applied, Step, Stream

KEY = Key("lotse.cases.v1", "a-case")
FIRST, SECOND, THIRD = (Stream(KEY, f"/koblenz/intake/{epoch}") for epoch in (1, 2, 3))
OTHER = Stream(KEY, "/koblenz/referral/1")


@pytest.mark.parametrize(
    ("applied", "stream", "version", "follows", "step"),
    [
        ({}, FIRST, 1, None, Step.NEXT),
        ({}, FIRST, 2, None, Step.GAP),
        ({FIRST: 5}, FIRST, 5, None, Step.DUPLICATE),
        ({FIRST: 5}, FIRST, 6, None, Step.NEXT),
        ({FIRST: 5}, FIRST, 7, None, Step.GAP),
        ({OTHER: 5}, FIRST, 1, None, Step.NEXT),
        ({FIRST: 5}, SECOND, 1, Place(1, 5), Step.NEXT),
        ({FIRST: 5}, SECOND, 1, Place(1, 4), Step.OUTRUN),
        ({FIRST: 5}, SECOND, 1, None, Step.OUTRUN),
        ({FIRST: 5}, SECOND, 1, Place(1, 6), Step.GAP),
        ({FIRST: 5}, SECOND, 2, None, Step.GAP),
        ({FIRST: 5, SECOND: 2}, SECOND, 3, None, Step.NEXT),
        ({FIRST: 5, SECOND: 2}, FIRST, 4, None, Step.DUPLICATE),
        ({FIRST: 5, SECOND: 2}, FIRST, 6, None, Step.OUTRUN),
        ({FIRST: 5, SECOND: 2}, THIRD, 1, Place(2, 2), Step.NEXT),
        ({FIRST: 5, SECOND: 2}, THIRD, 1, Place(1, 5), Step.OUTRUN),
        ({FIRST: 5}, THIRD, 1, Place(2, 2), Step.GAP),
        ({}, SECOND, 1, Place(1, 5), Step.GAP),
    ],
)
def test_a_version_is_judged_by_the_rules(
    applied: dict[Stream, int], stream: Stream, version: int, follows: Place | None, step: Step
) -> None:
    """Rules 4, 5 and 15: the next one, one seen before, a hole, or a producer that was set back."""
    assert Applied(applied).step(stream, version, follows, baseline_allowed=False) is step


def test_below_the_baseline_an_unknown_key_may_begin_anywhere() -> None:
    """What was trimmed before we began cannot be asked for, in whichever epoch it goes on."""
    assert Applied().step(SECOND, 7, None, baseline_allowed=True) is Step.NEXT
    assert Applied({FIRST: 2}).step(FIRST, 7, None, baseline_allowed=True) is Step.GAP

"""What a benchmark comes to: figures with the bare loop and the target beside them."""

from dataclasses import dataclass, field
from statistics import median


@dataclass(frozen=True)
class Figure:
    """One line of a table. `met`: None where nothing was asked."""

    what: str
    value: str
    bare: str = "-"
    ratio: str = "-"
    target: str = "-"
    met: bool | None = None

    @property
    def verdict(self) -> str:
        """As it is printed."""
        return {True: "met", False: "MISSED", None: "-"}[self.met]


@dataclass
class Section:
    """What one part of the run found: a table, and text below it."""

    title: str
    figures: list[Figure] = field(default_factory=list)
    text: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Sizes:
    """How long and how much."""

    rounds: int
    http_seconds: float
    relay_events: int
    consumer_events: int
    notifier_events: int
    referral_events: int
    curve_events: int
    rebuild_events: int
    latency_seconds: float
    step_seconds: float
    pipeline_seconds: float
    soak_seconds: float = 1800.0


SIZES = {
    "tiny": Sizes(1, 2.0, 6_000, 6_000, 4_000, 3_000, 10_000, 10_000, 4.0, 4.0, 5.0, 10.0),
    "small": Sizes(2, 5.0, 40_000, 60_000, 30_000, 12_000, 100_000, 200_000, 10.0, 8.0, 60.0),
    "large": Sizes(3, 10.0, 200_000, 200_000, 100_000, 60_000, 1_000_000, 1_000_000, 30.0, 15.0, 300.0),
}


def per_second(rate: float) -> str:
    """A rate in words."""
    return f"{rate:,.0f}/s"


def milliseconds(seconds: float) -> str:
    """A time in words."""
    return f"{seconds * 1000:,.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.1f} ms"


def against_bare(what: str, real: list[float], bare: list[float], least: float) -> Figure:
    """A rate that is to reach a share of the bare loop's, by the medians of the rounds."""
    ratio = median(real) / median(bare)
    return Figure(
        what,
        per_second(median(real)),
        per_second(median(bare)),
        f"{ratio:.0%}",
        f"at least {least:.0%} of bare",
        ratio >= least,
    )


def spread(values: list[float]) -> str:
    """The rounds one by one, since one number hides how much they differ."""
    return ", ".join(f"{value:,.0f}" for value in values)

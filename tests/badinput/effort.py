"""How much fuzzing there is: little in every run, a lot where `LOTSE_FUZZ_EXAMPLES` says so."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "lotse-bad-input",
    max_examples=100,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile(
    "lotse-fuzz",
    settings.get_profile("lotse-bad-input"),
    max_examples=int(os.environ.get("LOTSE_FUZZ_EXAMPLES", "100")),
    derandomize=False,
)
FUZZ = settings.get_profile("lotse-fuzz" if "LOTSE_FUZZ_EXAMPLES" in os.environ else "lotse-bad-input")
"""The settings of every fuzz test here; the rest of the suite keeps hypothesis's own."""


def share(whole: settings, part: float) -> settings:
    """The same settings with a part of the examples, for what costs more than the rest."""
    return settings(whole, max_examples=max(5, int(whole.max_examples * part)))

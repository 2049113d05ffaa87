"""`make faults` and `make soak`: every scenario, then Lotse broken on purpose, then one table.

Ends with 1 when anything was lost, out of order or otherwise wrong, or when a broken Lotse was not found out.
"""

import argparse
import asyncio
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.faults.run import BROKEN, FULL, SHORT, SOAK, Result, Sizes, broken_off, play
from tests.faults.scenarios.mutants import MUTANTS, Mutant
from tests.faults.scenarios.registry import SCENARIOS, Scenario
from tests.faults.site import Site
from tests.faults.table import PAGE, as_markdown, as_text, write_to

SIZES = {"short": SHORT, "full": FULL, "soak": SOAK}
FINDINGS_SHOWN = 10


def say(text: str) -> None:
    """Progress, as it happens."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def play_all(scenarios: Sequence[Scenario], sizes: Sizes, keep: Path | None) -> Iterator[Result]:
    """Each scenario on the site of the one before, unless that spoiled it or it asks for another kind.

    keep: the folder for the logs of those with findings.
    """
    site: Site | None = None
    open_as = None
    with ExitStack() as opened:
        for scenario in scenarios:
            if site is None or open_as is not scenario.site:
                opened.close()
                open_as = scenario.site
                site = opened.enter_context(scenario.site())
            result = _played(site, scenario, sizes)
            yield result
            if result.findings and keep is not None:
                shutil.copytree(site.stack.layout.log, keep / scenario.name.replace(" ", "-"), dirs_exist_ok=True)
            if result.findings or scenario.spoils:
                site = None


def _played(site: Site, scenario: Scenario, sizes: Sizes) -> Result:
    began = time.monotonic()
    try:
        result = asyncio.run(play(site, scenario.name, scenario.strike, sizes))
    except Exception as error:  # one scenario that breaks off is a finding, and the others are played
        traceback.print_exc()
        result = broken_off(scenario.name, error)
    say(
        f"{time.monotonic() - began:5.0f} s  {scenario.name}: {result.acknowledged} acknowledged, "
        f"{result.received} received, {result.lost} lost, {result.out_of_order} out of order, "
        f"recovered in {result.recovery_seconds:.1f} s"
    )
    for trouble, times in sorted(result.trouble.items()):
        say(f"         {trouble}: {times} times")
    for finding in result.findings[:FINDINGS_SHOWN]:
        say(f"         {finding}")
    if len(result.findings) > FINDINGS_SHOWN:
        say(f"         and {len(result.findings) - FINDINGS_SHOWN} more")
    return result


def catch_mutants(sizes: Sizes) -> tuple[list[str], list[str]]:
    """Play each broken Lotse on a site of its own; returns the names of those found out, and of the others."""
    caught, missed = list[str](), list[str]()
    for mutant in MUTANTS:
        result = _broken(mutant, sizes)
        kinds = sorted({str(finding.fault) for finding in result.findings if mutant.is_shown_by(finding)})
        say(f"broken on purpose: {mutant.name}: {', '.join(kinds) or 'NOT FOUND OUT'}")
        (caught if kinds else missed).append(mutant.name)
    return caught, missed


def _broken(mutant: Mutant, sizes: Sizes) -> Result:
    try:
        with mutant.site() as site:
            return asyncio.run(play(site, mutant.name, mutant.strike, sizes))
    except Exception as error:  # as above: the table of what was played is written all the same
        traceback.print_exc()
        return broken_off(mutant.name, error)


def _interrupt(_number: int, _frame: object) -> None:
    """Asked to end, a run tears its servers down as after Ctrl-C."""
    raise KeyboardInterrupt


def main() -> int:
    """Play what was asked for."""
    signal.signal(signal.SIGTERM, _interrupt)
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--sizes", choices=SIZES, default="full")
    parser.add_argument("--only", nargs="*", default=[], metavar="WORDS", help="scenarios whose names contain one")
    parser.add_argument("--write", action="store_true", help=f"write the table to docs/{PAGE.name}")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where the logs of scenarios with findings go")
    asked = parser.parse_args()
    chosen = [scenario for scenario in SCENARIOS if not asked.only or any(word in scenario.name for word in asked.only)]
    results = list(play_all(chosen, SIZES[asked.sizes], asked.keep))
    caught, missed = catch_mutants(BROKEN) if not asked.only else ([], [])
    say("\n" + as_text(results))
    if asked.write:
        write_to(PAGE, as_markdown(results, caught, f"sizes of `make {'soak' if asked.sizes == 'soak' else 'faults'}`"))
    return int(any(result.findings for result in results) or bool(missed))


if __name__ == "__main__":
    sys.exit(main())

"""A service that hears its own events: load on its API is load on relay and consumer too."""

from dataclasses import replace

from services.chassis.app import run
from tests.chassis.probe import Probe
from tests.chassis.things import SERVICE

if __name__ == "__main__":
    run(replace(SERVICE, handlers=lambda _context: Probe().handlers))

"""The intake service."""

from services.chassis.app import run
from services.chassis.context import Service
from services.intake.api import ROUTERS
from services.intake.handlers import adoption, handlers
from services.intake.jobs import jobs
from services.intake.measures import observe
from services.intake.resources import open_resources

SERVICE = Service(
    name="intake",
    title="Lotse intake: persons, consents and the disclosure gate",
    routers=ROUTERS,
    handlers=handlers,
    jobs=jobs,
    resources=open_resources,
    adoption=adoption,
    observe=observe,
)

if __name__ == "__main__":
    run(SERVICE)

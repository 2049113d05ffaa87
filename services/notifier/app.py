"""The notifier as a process."""

from services.chassis.agreement import open_agreement
from services.chassis.app import run
from services.chassis.context import Service
from services.notifier.api import ROUTERS
from services.notifier.handlers import adoption, handlers
from services.notifier.jobs import jobs
from services.notifier.measures import observe

SERVICE = Service(
    name="notifier",
    title="Lotse: notifier",
    routers=ROUTERS,
    handlers=handlers,
    jobs=jobs,
    resources=open_agreement,
    adoption=adoption,
    observe=observe,
)

if __name__ == "__main__":
    run(SERVICE)

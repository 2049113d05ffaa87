"""The notifier as a process."""

from services.chassis.app import run
from services.chassis.context import Service
from services.notifier.api import router
from services.notifier.handlers import adoption, handlers

SERVICE = Service(name="notifier", title="Lotse: notifier", routers=[router], handlers=handlers, adoption=adoption)

if __name__ == "__main__":
    run(SERVICE)

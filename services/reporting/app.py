"""Reporting as a process; its resource is the agreement, read and checked at start."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from schemas.agreement_file import AgreementFile
from services.chassis.agreement import read_agreement
from services.chassis.app import run
from services.chassis.config import StartError
from services.chassis.context import Context, Service
from services.reporting.api import router
from services.reporting.handlers import handlers
from services.reporting.model import uncountable


@asynccontextmanager
async def open_agreement(context: Context) -> AsyncIterator[AgreementFile]:
    """The agreement that is counted. Raises StartError naming the file, and the clause that cannot be counted."""
    agreement = read_agreement(context.settings)
    if (wrong := uncountable(agreement)) is not None:
        raise StartError(f"{context.settings.agreement_file}: {wrong}.")
    yield agreement


SERVICE = Service(
    name="reporting",
    title="Lotse: reporting",
    routers=[router],
    handlers=handlers,
    resources=open_agreement,
)

if __name__ == "__main__":
    run(SERVICE)

"""What a referral process has besides its database: the decision table of routing, and the agreement."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from schemas.agreement_file import AgreementFile
from schemas.routing_file import RoutingFile, RoutingFileError, load_routing
from services.chassis.agreement import read_agreement
from services.chassis.config import Settings, StartError
from services.chassis.context import Context


@dataclass(frozen=True)
class Resources:
    """Open while the process runs."""

    routing: RoutingFile
    agreement: AgreementFile


def resources_of(context: Context) -> Resources:
    """This process's own."""
    resources: Resources = context.resources
    return resources


@asynccontextmanager
async def open_resources(context: Context) -> AsyncIterator[Resources]:
    """Read table and agreement. Raises StartError naming what is wrong or missing."""
    yield Resources(_read_routing(context.settings), read_agreement(context.settings))


def _read_routing(settings: Settings) -> RoutingFile:
    path = settings.routing_file
    if path is None:
        raise StartError("Setting LOTSE_ROUTING_FILE is not set; referral needs the table of who fits which service.")
    try:
        return load_routing(path)
    except RoutingFileError as error:
        raise StartError(f"{error}.") from None

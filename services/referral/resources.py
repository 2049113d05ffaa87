"""What a referral process has besides its database: the agreement, and the decision table of routing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from schemas.agreement_file import AgreementFile
from schemas.routing_file import RoutingFile, RoutingFileError, load_routing
from services.chassis.agreement import read_agreement
from services.chassis.config import Settings, StartError
from services.chassis.context import Context
from services.referral.model.working_days import working_days_between


@dataclass(frozen=True)
class Resources:
    """Open while the process runs."""

    agreement: AgreementFile
    routing: RoutingFile


def resources_of(context: Context) -> Resources:
    """This process's own."""
    resources: Resources = context.resources
    return resources


@asynccontextmanager
async def open_resources(context: Context) -> AsyncIterator[Resources]:
    """Read both. Raises StartError naming what is wrong or missing."""
    resources = Resources(read_agreement(context.settings), _read_routing(context.settings))
    # The holidays of a year are reckoned once, which takes longer than a request may.
    today = datetime.now(UTC)
    working_days_between(today, today + timedelta(days=366))
    yield resources


def _read_routing(settings: Settings) -> RoutingFile:
    path = settings.routing_file
    if path is None:
        raise StartError("Setting LOTSE_ROUTING_FILE is not set; referral needs the table of who fits which service.")
    try:
        return load_routing(path)
    except RoutingFileError as error:
        raise StartError(f"{error}.") from None

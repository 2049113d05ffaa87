"""The agreement that a service works for, as its file says."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from schemas.agreement_file import AgreementFile, AgreementFileError, load_agreement
from services.chassis.config import Settings, StartError
from services.chassis.context import Context


def read_agreement(settings: Settings) -> AgreementFile:
    """Read it. Raises StartError naming the setting or what is wrong in the file."""
    path = settings.agreement_file
    if path is None:
        raise StartError("Setting LOTSE_AGREEMENT_FILE is not set; this service works as the agreement says.")
    try:
        return load_agreement(path)
    except AgreementFileError as error:
        raise StartError(str(error)) from None


@asynccontextmanager
async def open_agreement(context: Context) -> AsyncIterator[AgreementFile]:
    """The agreement as all that a service has besides its database."""
    yield read_agreement(context.settings)

"""What an intake process has besides its database: vault, blind index, the notices people are shown, the agreement."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from schemas.agreement_file import AgreementFile
from schemas.notice_file import Notices, load_notices
from schemas.notice_text import NoticeFileError
from services.chassis.agreement import read_agreement
from services.chassis.config import StartError
from services.chassis.context import Context
from services.intake.vault import BlindIndex, Vault, load_blind_index, open_vault


@dataclass(frozen=True)
class Resources:
    """Open while the process runs."""

    vault: Vault
    index: BlindIndex
    notices: Notices
    agreement: AgreementFile


def resources_of(context: Context) -> Resources:
    """This process's own."""
    resources: Resources = context.resources
    return resources


@asynccontextmanager
async def open_resources(context: Context) -> AsyncIterator[Resources]:
    """Read agreement and notices, then open the vault. Raises StartError naming what is wrong or missing."""
    agreement, notices = read_agreement(context.settings), _read_notices(context)
    index = load_blind_index(context.settings)
    async with open_vault(context) as vault:
        yield Resources(vault, index, notices, agreement)


def _read_notices(context: Context) -> Notices:
    directory = context.settings.notices
    if directory is None:
        raise StartError("Setting LOTSE_NOTICES is not set; intake needs the texts that people are shown.")
    try:
        notices = load_notices(directory, context.partners)
        notices.check_german()
    except NoticeFileError as error:
        raise StartError(f"{error}.") from None
    return notices

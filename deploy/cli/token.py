"""`lotse token`."""

import os
from datetime import timedelta
from typing import Annotated

import typer

from deploy.cli.errors import CliError
from deploy.cli.provision import read_partners
from deploy.local.issuer import issuer_of
from deploy.local.layout import default_layout
from deploy.local.services import sources_from
from schemas.ids import UnitId, partner_of
from schemas.partner_file import UnknownPartner
from schemas.permissions import Role


def register(app: typer.Typer) -> None:
    app.command()(token)


def token(
    unit: Annotated[str, typer.Argument(help="Who it is for, for instance awo-rheinland/mbe.")],
    role: Annotated[list[Role], typer.Option("--role", help="What they may do; repeat for several.")],
    minutes: Annotated[int, typer.Option(min=1, max=60 * 24 * 30, help="How long it is valid.")] = 60,
    subject: Annotated[str, typer.Option(help="The person or system that uses it.")] = "",
) -> None:
    """Print a bearer token of the local issuer, and nothing else: use it as $(lotse token ...)."""
    partners = read_partners(sources_from(os.environ).partners)
    unit_id = UnitId(unit)
    try:
        partners.unit(unit_id)
    except UnknownPartner as unknown:
        raise CliError(f"{str(unknown).capitalize()}.", "Name one of these units.") from unknown
    layout = default_layout()
    layout.create()
    issuer = issuer_of(layout)
    typer.echo(issuer.issue_token(partner_of(unit_id), unit, role, timedelta(minutes=minutes), subject))

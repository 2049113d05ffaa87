"""`lotse permissions`: who may do what, from the table that the services enforce."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Annotated

import typer

from deploy.cli.errors import CliError
from deploy.cli.screen import out
from deploy.topology import SERVICES
from schemas.permissions import EVERY_SERVICE, TABLE, Action, Relation, Role

WORDS = {Relation.OWN_UNIT: "unit", Relation.SAME_PARTNER: "partner", Relation.OTHER_PARTNER: "all", None: "-"}
LEGEND = """unit: what is a matter of the unit that the token names
partner: of any unit of its partner   all: of any partner   -: not at all
Beyond that, things look as if they were not there (404). An operator's token
names no partner. A partner's token with the role operator opens nothing."""


def register(app: typer.Typer) -> None:
    app.command()(permissions)


def permissions(
    role: Annotated[Role | None, typer.Option(help="Only what this role may do.")] = None,
    service: Annotated[str, typer.Option(help="Only what is asked of this service.")] = "",
) -> None:
    """Print who may do what: for each action and role, how far it reaches."""
    names = [each.name for each in SERVICES]
    if service and service not in names:
        raise CliError(f"There is no service {service}.", f"Name one of {', '.join(names)}.")
    actions = [action for action in TABLE if _is_wanted(action, role, service)]
    # Side by side, all six would not fit into 80 columns; operators share no action with the others anyway.
    for roles in ([each for each in Role if each is not Role.OPERATOR], [Role.OPERATOR]):
        theirs = [action for action in actions if not action.reach.keys().isdisjoint(roles)]
        if theirs:
            _print(*_matrix(theirs, [role] if role else roles), "")
    _print(*(f"{action.id}: {action.does}" for action in actions), "", LEGEND)


def _print(*lines: str) -> None:
    for line in lines:
        out.print(line, markup=False)


def _is_wanted(action: Action, role: Role | None, service: str) -> bool:
    return (role is None or role in action.reach) and (not service or action.service in (service, EVERY_SERVICE))


def _matrix(actions: Sequence[Action], roles: Sequence[Role]) -> Iterator[str]:
    """Plain lines, so that the longest fits into 80 columns."""
    first = max(len(action.id) for action in actions)
    widths = [max(len(role), len(WORDS[Relation.SAME_PARTNER])) for role in roles]

    def line(head: str, cells: Iterable[str]) -> str:
        padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
        return " ".join([head.ljust(first), *padded]).rstrip()

    yield line("", roles)
    for name, group in groupby(actions, lambda action: action.service):
        yield f"[{name}]"
        for action in group:
            yield line(action.id, (WORDS[action.reach.get(role)] for role in roles))

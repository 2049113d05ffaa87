"""The `lotse` command."""

import sys

import typer

from deploy.cli import (
    apply,
    audit,
    backup,
    demo,
    doctor,
    migrate,
    notices,
    parked,
    permissions,
    restore,
    status,
    token,
    updown,
    vault,
    watch,
)
from deploy.cli.screen import err
from deploy.local.errors import StackError

app = typer.Typer(
    help="Run Lotse on this machine, provision Kafka for its partners, look at what happens.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for command in (
    doctor,
    updown,
    vault,
    demo,
    migrate,
    apply,
    token,
    watch,
    status,
    permissions,
    notices,
    parked,
    backup,
    restore,
    audit,
):
    command.register(app)


def main() -> None:
    """Run a command. What an operator can mend ends with one sentence, a way out, and exit code 1."""
    try:
        app()
    except StackError as error:
        err.print("[bold red]Error:[/] ", end="")
        err.print(error.sentence, markup=False, soft_wrap=True)
        if error.way_out:
            err.print(error.way_out, markup=False, soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    main()

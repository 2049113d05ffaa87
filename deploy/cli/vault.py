"""`lotse vault`: what wraps the data keys, and wrapping them anew after the operator's key was changed."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from rich.progress import Progress
from rich.table import Table

from deploy.cli.admin_client import AdminClient, clients
from deploy.cli.screen import err, out
from deploy.local.layout import default_layout

commands = typer.Typer(no_args_is_help=True, help="The keys that wrap persons' data keys: look, rotate.")

Url: TypeAlias = Annotated[str, typer.Option(help="Intake's address in another installation.")]
TokenFile: TypeAlias = Annotated[Path | None, typer.Option(help="A file with an operator's token, with --url.")]

IN_USE = ("former", "unnamed")


def register(app: typer.Typer) -> None:
    app.add_typer(commands, name="vault")


@commands.command()
def status(url: Url = "", token_file: TokenFile = None) -> None:
    """Show how many data keys each key wraps. Exit code 1 when some are under a key that nobody has."""
    [client] = clients(default_layout(), "intake", url, token_file)
    said = client.get("vault")
    keys = said["keys"]
    table = Table("wrapped by", "is", "data keys")
    for each in keys:
        table.add_row(each["wrapped_by"] or "(no name yet)", each["state"], str(each["keys"]))
    out.print(table if keys else "There are no data keys yet.")
    out.print(f"New data keys are wrapped by {said['current']}.")
    for last in said["rotations"][:1]:
        out.print(f"Last rotation: {last['at'][:19]} by {last['author']}, to {last['to_key']}: {last['reason']}")
    if waiting := sum(each["keys"] for each in keys if each["state"] in IN_USE):
        out.print(f"{waiting} data keys are not under the current key: `lotse vault rotate --reason ...`.")
    elif keys:
        out.print("0 keys under former keys: the former key can go.")
    if lost := sum(each["keys"] for each in keys if each["state"] == "unknown"):
        err.print(f"{lost} data keys are under a key that intake does not have: put it back as a former key.")
        raise typer.Exit(1)


@commands.command()
def rotate(
    reason: Annotated[str, typer.Option(help="Why; noted with your name.")],
    url: Url = "",
    token_file: TokenFile = None,
) -> None:
    """Wrap all data keys under the current key, while everything runs. Broken off, it is simply begun again."""
    [client] = clients(default_layout(), "intake", url, token_file)
    left = sum(each["keys"] for each in client.get("vault")["keys"] if each["state"] != "current")
    done, stuck = _rotate(client, reason, left)
    out.print(f"{done} data keys are wrapped anew.")
    if stuck:
        err.print(f"{stuck} could not be opened: their key is missing here, see `lotse vault status`.")
        raise typer.Exit(1)


def _rotate(client: AdminClient, reason: str, left: int) -> tuple[int, int]:
    done = stuck = 0
    after: str | None = None
    with Progress(console=err, transient=True) as progress:
        bar = progress.add_task("wrapping anew", total=left)
        while True:
            step = client.post("vault/rotate", {"reason": reason, "after": after})
            done, stuck, after = done + step["rewrapped"], stuck + step["stuck"], step["next"]
            progress.update(bar, completed=done + stuck)
            if after is None:
                return done, stuck

"""`lotse parked`: look at what could not be applied, try it again, let go of what is beyond help."""

import sys
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer
from rich.table import Table
from rich.text import Text

from deploy.cli.admin_client import AdminClient, clients
from deploy.cli.errors import CliError
from deploy.cli.screen import err, out
from deploy.local.layout import default_layout
from deploy.topology import TOPICS

commands = typer.Typer(no_args_is_help=True, help="What could not be applied: look, try again, let go.")

ServiceName: TypeAlias = Annotated[str, typer.Argument(help="intake, referral, notifier or reporting.")]
TopicName: TypeAlias = Annotated[str, typer.Argument(help="The topic, for instance lotse.cases.v1 or just cases.")]
KeyText: TypeAlias = Annotated[str, typer.Argument(help="The key as `list` shows it.")]
Url: TypeAlias = Annotated[str, typer.Option(help="The service's address in another installation.")]
TokenFile: TypeAlias = Annotated[Path | None, typer.Option(help="A file with an operator's token, with --url.")]
Limit: TypeAlias = Annotated[int, typer.Option(min=1, max=200, help="At most so many lines.")]


def register(app: typer.Typer) -> None:
    app.add_typer(commands, name="parked")


@commands.command("list")
def list_parked(
    service: Annotated[str | None, typer.Argument(help="One service; all of the local stack when left out.")] = None,
    limit: Limit = 50,
    url: Url = "",
    token_file: TokenFile = None,
) -> None:
    """List parked keys, the longest parked first, and why."""
    table = Table("service", "topic", "key", "parked at", "waiting", "code", "type", "reason")
    notes = []
    for client in clients(default_layout(), service, url, token_file):
        page = client.get("parked", limit=limit)
        for each in page["parked"]:
            first = each["first"] or {"code": "-", "type": None, "reason": "nothing waits behind it"}
            told = (first["code"], first["type"] or "-", first["reason"])
            _add(table, client.service, each["topic"], each["key"], each["parked_at"][:19], each["waiting"], *told)
        for each in page["without_key"]:
            notes.append(f"{client.service}: {each['records']} records without a key on {each['topic']}")
        if page["next"]:
            notes.append(f"{client.service}: there are more; --limit shows up to 200.")
    _print(table, "Nothing is parked.", notes)


@commands.command()
def show(
    service: ServiceName,
    topic: TopicName,
    key: Annotated[str | None, typer.Argument(help="The key; left out: records without one.")] = None,
    limit: Limit = 50,
    url: Url = "",
    token_file: TokenFile = None,
) -> None:
    """Show what waits behind a key, in the order of the bus. The events' contents are never shown."""
    [client] = clients(default_layout(), service, url, token_file)
    page = client.get("parked/queue", topic=_topic(topic), key=key, limit=limit)
    table = Table("at", "source", "version", "type", "ends", "bytes", "code", "reason")
    for each in page["records"]:
        ends = "yes" if each["terminal"] else ""
        known = [each[name] for name in ("source", "version", "type")]
        _add(table, _at(each), *known, ends, each["value_bytes"], each["code"], each["reason"])
    _print(table, "Nothing waits there.", ["There are more; --limit shows up to 200."] if page["next"] else [])


@commands.command()
def retry(
    service: ServiceName,
    topic: TopicName,
    key: KeyText,
    reason: Annotated[str, typer.Option(help="Why now; noted with your name.")] = "tried again",
    url: Url = "",
    token_file: TokenFile = None,
) -> None:
    """Replay a parked key in order. Exit code 1 when it stays parked."""
    [client] = clients(default_layout(), service, url, token_file)
    _tell(client.post("parked/retry", {"topic": _topic(topic), "key": key, "reason": reason}))


@commands.command()
def discard(
    service: ServiceName,
    topic: TopicName,
    reason: Annotated[str, typer.Option(help="Why; noted with your name.")],
    key: Annotated[str | None, typer.Argument(help="The key; left out: a record without one, named by --at.")] = None,
    at: Annotated[str, typer.Option(help="PARTITION:OFFSET of the record; the key's first when left out.")] = "",
    even_terminal: Annotated[bool, typer.Option("--even-terminal", help="Also what ends something for good.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    url: Url = "",
    token_file: TokenFile = None,
) -> None:
    """Let go of the first record of a key that cannot be applied, then replay the rest.

    Of a gap the missing versions are given up; the waiting record itself is applied. Exit code 1 when the key stays
    parked.
    """
    [client] = clients(default_layout(), service, url, token_file)
    record = _chosen(client, _topic(topic), key, at)
    if not yes:
        _confirm(record)
    body = {"topic": _topic(topic), "key": key, "reason": reason, "even_terminal": even_terminal}
    _tell(client.post("parked/discard", {**body, "partition": record["partition"], "offset": record["offset"]}))


@commands.command()
def acts(service: ServiceName, limit: Limit = 50, url: Url = "", token_file: TokenFile = None) -> None:
    """List what was done to parked keys by hand, the latest first: when, by whom, why, and what came of it."""
    [client] = clients(default_layout(), service, url, token_file)
    table = Table("at", "author", "act", "topic", "key", "reason", "outcome")
    for each in client.get("acts", limit=limit)["acts"]:
        told = (each["topic"], each["key"], each["reason"], _outcome(each["outcome"]))
        _add(table, each["at"][:19], each["author"], each["act"], *told)
    _print(table, "Nothing was done by hand.", [])


def _topic(name: str) -> str:
    """The full name of a shared topic given by its label."""
    return next((topic.full_name() for topic in TOPICS if topic.label == name), name)


def _chosen(client: AdminClient, topic: str, key: str | None, at: str) -> dict[str, Any]:
    """The record to let go of: the one named, else the first that waits behind the key."""
    partition, _, offset = at.partition(":")
    if at and not (partition.isdigit() and offset.isdigit()):
        raise CliError(f"{at} is not PARTITION:OFFSET.", "`lotse parked show` names it, for instance 3:1042.")
    if key is None and not at:
        raise CliError("Without a key, --at has to name the record.", "`lotse parked show` names it.")
    before = _just_before(int(partition), int(offset)) if at else None
    waiting = client.get("parked/queue", topic=topic, key=key, limit=1, after=before)["records"]
    if not waiting or (at and _at(waiting[0]) != f"{int(partition)}:{int(offset)}"):
        raise CliError("No such record waits there.", "`lotse parked list` and `lotse parked show` say what does.")
    return dict(waiting[0])


def _just_before(partition: int, offset: int) -> str | None:
    """The place whose next one is this; None for the very first."""
    if offset:
        return f"{partition}:{offset - 1}"
    return f"{partition - 1}:{10**18 - 1}" if partition else None


def _confirm(record: dict[str, Any]) -> None:
    known = [str(each) for each in (record["type"], record["source"], record["version"]) if each is not None]
    err.print(f"{_at(record)} {' '.join(known)}: {record['code']}, {record['reason']}", markup=False)
    if record["terminal"]:
        err.print("[bold red]It ends something for good[/], a consent for instance: that would go on in this service.")
    if not sys.stdin.isatty():
        raise CliError("Letting go of an event cannot be undone.", "Say --yes where nobody can be asked.")
    typer.confirm("This cannot be undone. Let go of it?", abort=True, err=True)


def _tell(act: dict[str, Any]) -> None:
    outcome = act["outcome"]
    out.print(_outcome(outcome), markup=False, soft_wrap=True)
    if outcome["stuck"]:
        raise typer.Exit(1)


def _outcome(outcome: dict[str, Any]) -> str:
    said = [f"{outcome['left']} left the queue"]
    if gone := outcome["discarded"]:
        what = "dropped" if gone["dropped"] else "given up what is missing before"
        on_from = "" if gone["goes_on_from"] is None else f", goes on from version {gone['goes_on_from']}"
        said.append(f"{what} {_at(gone)} ({gone['code']}){on_from}")
    if stuck := outcome["stuck"]:
        said.append(f"still parked at {_at(stuck)} ({stuck['code']}: {stuck['reason']}), {outcome['waiting']} waiting")
    else:
        said.append("free")
    return "; ".join(said)


def _at(record: dict[str, Any]) -> str:
    return f"{record['partition']}:{record['offset']}"


def _add(table: Table, *cells: object) -> None:
    """A row of texts as they are: what a broken producer wrote is no markup."""
    table.add_row(*(Text("-" if cell is None else str(cell)) for cell in cells))


def _print(table: Table, nothing: str, notes: list[str]) -> None:
    if table.row_count:
        out.print(table)
    for note in notes:
        out.print(note, markup=False)
    if not table.row_count and not notes:
        out.print(nothing)

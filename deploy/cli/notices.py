"""`lotse notices`: which texts people are shown, in which languages, and what still lacks a human translation."""

import os
import sys
from collections.abc import Iterable
from typing import Annotated, TypeAlias

import typer
from rich.box import SIMPLE
from rich.markdown import Markdown
from rich.table import Table

from deploy.cli.errors import CliError
from deploy.cli.provision import read_partners
from deploy.cli.screen import err, out
from deploy.local.services import sources_from
from schemas.codes import LanguageTag, Scope
from schemas.ids import UnitId
from schemas.notice_file import GERMAN, LAWS, RELEASED, SCOPES, NoNotice, Notices, Version, load_notices
from schemas.notice_text import NoticeFileError, Translation
from schemas.partner_file import UnknownPartner

commands = typer.Typer(help="The texts people are shown before a consent: list, read, check, release.")

FromUnit: TypeAlias = Annotated[
    str, typer.Option("--from", help="The unit that tells, for instance awo-rheinland/mbe.")
]
ToUnit: TypeAlias = Annotated[str, typer.Option("--to", help="The unit that is told.")]
ScopeName: TypeAlias = Annotated[str, typer.Option("--scope", help=f"One of {', '.join(SCOPES)}.")]
Language: TypeAlias = Annotated[str, typer.Option("--language", help="For instance de or de-simple.")]
VersionName: TypeAlias = Annotated[str, typer.Option("--version", help="The newest released one when left out.")]

MISSING = "missing"
# From worst to best: several texts are as good as the worst of them.
_STATES = (MISSING, Translation.MACHINE, Translation.HUMAN, Translation.ORIGINAL)


def register(app: typer.Typer) -> None:
    app.add_typer(commands, name="notices")


def read_notices() -> Notices:
    """The notices, released or not. Raises CliError naming the file and line that is wrong."""
    sources = sources_from(os.environ)
    partners = read_partners(sources.partners)
    try:
        return load_notices(sources.notices, partners)
    except NoticeFileError as wrong:
        raise CliError(f"{wrong}.", "Mend the file and try again.") from wrong


def checked_notices() -> Notices:
    """The notices, with which intake can start. Raises CliError."""
    notices = read_notices()
    try:
        notices.check_german()
    except NoticeFileError as wrong:
        raise CliError(f"{wrong}.", "`lotse notices` shows what there is.") from wrong
    return notices


@commands.callback(invoke_without_command=True)
def overview(context: typer.Context) -> None:
    """List every text by version and language, unless another command is named."""
    if context.invoked_subcommand is None:
        list_notices()


@commands.command("list")
def list_notices() -> None:
    """List every text by version and language, and what lacks a human translation. A star: not released."""
    notices = read_notices()
    for version in notices.versions:
        languages = dict.fromkeys([*notices.wanted, *version.tags])
        out.print(_table(version, languages))
        lacking = [each for each in languages if version.lacks(each)]
        named = ", ".join(f"{each} ({notices.wanted[each]})" if each in notices.wanted else each for each in lacking)
        told = f"{version.name} lacks a human translation: {named}." if lacking else f"{version.name} lacks nothing."
        out.print(told, markup=False, soft_wrap=True)


@commands.command()
def show(
    from_unit: FromUnit, to_unit: ToUnit, scope: ScopeName, language: Language = GERMAN, version: VersionName = ""
) -> None:
    """Show a notice as a person is shown it: laid out on a terminal, elsewhere exactly the text that is hashed."""
    notices = read_notices()
    if scope not in SCOPES:
        raise CliError(f'There is no scope "{scope}".', f"There are {', '.join(SCOPES)}.")
    wanted = (LanguageTag(language), UnitId(from_unit), UnitId(to_unit), Scope(scope))
    try:
        notice = notices.draft(version or notices.newest, *wanted)
    except NoNotice as missing:
        raise CliError(f"{str(missing).capitalize()}.", "`lotse notices` shows what there is.") from missing
    except UnknownPartner as unknown:
        raise CliError(f"{str(unknown).capitalize()}.", "Name one of these.") from unknown
    is_served = notice.language in notices.languages(Scope(scope), notice.version)
    err.print(
        f"{notice.version}, {notice.language}, {'released' if is_served else 'not released'}, sha256 {notice.sha256}",
        soft_wrap=True,
    )
    if out.is_terminal:
        out.print(Markdown(notice.text))
    else:
        sys.stdout.write(notice.text)


@commands.command()
def check() -> None:
    """Check every text, and that each pair of units has its German one. Exit code 1 when anything is wrong."""
    notices = checked_notices()
    for version in notices.versions:
        count, languages = len(version.released), dict.fromkeys(language for language, _ in sorted(version.released))
        told = f"{count} texts released in {', '.join(languages)}" if count else "nothing released"
        out.print(f"{version.name}: {told}, {len(version.to_release())} to be released", markup=False)
    out.print(f"{notices.newest} is shown; every pair of units has its German text.")


@commands.command()
def release(version: Annotated[str, typer.Argument(help="The version, for instance 2026-01.")]) -> None:
    """Release what people wrote in a version. What was released never changes again; a change is a new version."""
    notices = read_notices()
    found = next((each for each in notices.versions if each.name == version), None)
    if found is None:
        raise CliError(f'There is no version "{version}".', "`lotse notices` shows those there are.")
    if lacking := found.lacks(GERMAN):
        raise CliError(f"{version} has no German {', '.join(f'{each}.md' for each in lacking)}.", "German comes first.")
    fresh = found.to_release()
    if not fresh:
        raise CliError(f"{version} has nothing to release.", "What was released never changes; make a new version.")
    path = notices.directory / version / RELEASED
    digests = {f"{name[0]}/{name[1]}.md": found.texts[name].sha256 for name in sorted([*found.released, *fresh])}
    head = "# What people are shown. A text named here never changes again: a change is a new version.\n[sha256]\n"
    path.write_text(head + "".join(f'"{file}" = "{digest}"\n' for file, digest in digests.items()), encoding="utf-8")
    err.print(f"{version}: {len(fresh)} texts released; services read them when they start", markup=False)


def _table(version: Version, languages: Iterable[LanguageTag]) -> Table:
    table = Table("language", *SCOPES, "laws", title=version.name, box=SIMPLE, pad_edge=False, collapse_padding=True)
    for language in languages:
        states = [_state(version, language, [each]) for each in SCOPES]
        table.add_row(language, *states, _state(version, language, LAWS))
    return table


def _state(version: Version, language: LanguageTag, beginnings: Iterable[str]) -> str:
    """How good the worst of these texts is; a star for what was not released."""
    texts = {each: version.texts.get((language, each)) for each in beginnings}
    states = [text.head.translation if text else MISSING for text in texts.values()]
    worst = min(states, key=_STATES.index)
    is_released = all((language, each) in version.released for each in texts)
    return worst if is_released or worst == MISSING else f"{worst}*"

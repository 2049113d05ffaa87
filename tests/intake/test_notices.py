"""What a person is shown before a consent, over HTTP; without it intake does not start."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest

from schemas import UnitId
from schemas.codes import LanguageTag, Scope
from services.chassis.config import StartError
from services.intake.app import SERVICE
from services.intake.store.notices import keep_notice
from tests.conftest import CreateDatabase
from tests.harness import ROOT, running
from tests.intake.builders import AWO, CARITAS_JMD, CARITAS_MBE, CITY, JOBCENTER, Desk, problem


def asked(**differences: str) -> str:
    """The address of a notice: the City asks whether it may refer to AWO."""
    query = {"from_unit": CITY, "to_unit": AWO, "scope": "transfer", "language": "de"} | differences
    return "/v1/notices?" + "&".join(f"{name}={value}" for name, value in query.items())


async def test_a_notice_is_shown_with_its_version_and_hash(desk: Desk) -> None:
    """What the caller hashes is what it got."""
    answer = await desk.get(CITY, asked(), role="clerk")
    assert answer.status_code == 200
    body = answer.json()
    assert (body["version"], body["language"]) == ("2026-01", "de")
    assert body["sha256"] == hashlib.sha256(body["text"].encode()).hexdigest()
    assert body["text"].startswith(f"# {body['title']}\n")
    assert "AWO Rheinland" in body["text"]


@pytest.mark.parametrize("role", ["clerk", "counsellor", "coordinator", "commissioner", "system"])
async def test_every_role_of_every_partner_may_read_every_notice(desk: Desk, role: str) -> None:
    """It says nothing about anybody: the Jobcenter may read what Caritas shows."""
    for scope in ("feedback-status", "cooperation"):
        path = asked(from_unit=CARITAS_JMD, to_unit=CITY, scope=scope, language="de-simple")
        assert (await desk.get(JOBCENTER, path, role=role)).status_code == 200


async def test_a_caller_without_a_role_is_refused(desk: Desk) -> None:
    """A token without a role, and the operator, who sees nothing of the partners' work."""
    problem(await desk.get(CITY, asked(), role="operator"), 403, "role-missing")


async def test_a_language_without_a_released_text_names_those_there_are(desk: Desk) -> None:
    """The counter then knows that German may be interpreted."""
    answer = await desk.get(CITY, asked(language="ti"))
    assert problem(answer, 404, "notice-language-missing") == ["language"]
    detail = answer.json()["detail"]
    assert "de, de-simple" in detail
    assert "interpreted" in detail


WRONG = [
    ({"to_unit": "awo-rheinland/jmd"}, "unit-unknown", "to_unit"),
    ({"from_unit": "nobody/nowhere"}, "unit-unknown", "from_unit"),
    ({"from_unit": CARITAS_JMD, "to_unit": CARITAS_MBE}, "same-partner", "to_unit"),
    ({"scope": "unknown"}, "not-valid", "scope"),
    ({"scope": "everything"}, "not-valid", "scope"),
    ({"language": "DE"}, "not-valid", "language"),
    ({"to_unit": "awo"}, "not-valid", "to_unit"),
]


@pytest.mark.parametrize(("differences", "code", "field"), WRONG)
async def test_a_wrong_question_is_refused(desk: Desk, differences: dict[str, str], code: str, field: str) -> None:
    """The field is named."""
    assert problem(await desk.get(CITY, asked(**differences)), 422, code) == [field]


async def test_what_was_shown_is_kept_once_by_its_content(desk: Desk) -> None:
    """The same text again is the same row; another pair's is another."""
    notices = desk.intake.context.resources.notices
    awo = notices.text(None, LanguageTag("de"), UnitId(CITY), UnitId(AWO), Scope.TRANSFER)
    caritas = notices.text(None, LanguageTag("de"), UnitId(CITY), UnitId(CARITAS_MBE), Scope.TRANSFER)
    for notice in (awo, awo, caritas):
        async with desk.intake.context.database.transaction() as conn:
            await keep_notice(conn, notice)
    rows = await desk.intake.rows("select * from intake.notice order by sha256")
    kept = {row["sha256"]: (row["version"], row["language"], row["title"], row["text"]) for row in rows}
    assert kept == {each.sha256: (each.version, each.language, each.title, each.text) for each in (awo, caritas)}


async def refuses_to_start(folder: Path, create_database: CreateDatabase, **settings: Any) -> str:
    """Start intake with other files; return the sentence it refuses with."""
    url, keys_url = await create_database("intake"), await create_database("keys")
    with pytest.raises(StartError) as refused:
        async with running(SERVICE, folder, url, keys_database_url=keys_url, **settings):
            pass
    return str(refused.value)


async def test_intake_does_not_start_without_notices(tmp_path: Path, create_database: CreateDatabase) -> None:
    """No setting, no folder, a changed text, no German text: one sentence each."""
    copied = tmp_path / "notices"
    shutil.copytree(ROOT / "deploy" / "notices", copied)
    sentence = await refuses_to_start(tmp_path, create_database, notices=None)
    assert sentence == "Setting LOTSE_NOTICES is not set; intake needs the texts that people are shown."
    assert "nowhere is not a directory" in await refuses_to_start(
        tmp_path, create_database, notices=tmp_path / "nowhere"
    )
    with (copied / "2026-01" / "de" / "transfer.md").open("a") as text:
        text.write("\n")
    assert "was changed after its release" in await refuses_to_start(tmp_path, create_database, notices=copied)
    shutil.rmtree(copied / "2026-01")
    assert "has no released German transfer.md" in await refuses_to_start(tmp_path, create_database, notices=copied)


@pytest.mark.parametrize(
    ("line", "named"), [("regime = ", "unit 1, regime is missing"), ("controller = ", "controller is missing")]
)
async def test_intake_does_not_start_with_a_unit_without_law_or_controller(
    tmp_path: Path, create_database: CreateDatabase, line: str, named: str
) -> None:
    """Nobody could be told under which law and by whom."""
    partners = tmp_path / "partners"
    shutil.copytree(ROOT / "deploy" / "partners", partners)
    path = partners / "awo-rheinland.toml"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(each for each in lines if not each.startswith(line)), encoding="utf-8")
    sentence = await refuses_to_start(tmp_path, create_database, partners_dir=partners)
    assert sentence.startswith(str(path))
    assert named in sentence

"""Receipts: what the person takes home, and what is kept of it."""

import tomllib
from datetime import timedelta
from importlib import resources
from typing import Any
from uuid import uuid4

import httpx2
import pypdfium2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import CaseId, PersonErased
from schemas.codes import ErasureReason
from services.intake.commands.adopting import adopt_erased
from services.intake.commands.receipts import is_pin, new_opening
from services.intake.model.receipts import MODULUS, SYMBOLS, code_hash, read, written
from services.intake.paper.wording import LANGUAGES, wording
from tests.harness import Running, received
from tests.intake.builders import AWO, CARITAS_JMD, CARITAS_MBE, CITY, NAME, Desk, a_consent, problem

PIN = "246813"
PDF = {"Accept": "application/pdf"}


async def hand_out(
    desk: Desk, case_ref: str, *, unit: str = CITY, key: str | None = None, accept: str = "*/*", **body: Any
) -> httpx2.Response:
    """Ask for a receipt in German with a page."""
    headers = desk.intake.headers(unit, "clerk", key=key) | {"Accept": accept}
    asked = {"language": "de", "pin": PIN} | body
    return await desk.intake.client.post(f"/v1/persons/{case_ref}/receipts", json=asked, headers=headers)


def pages_of(pdf: bytes) -> str:
    """What a PDF says, page after page."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        return "\n".join(page.get_textpage().get_text_range() for page in document)
    finally:
        document.close()


@given(st.binary(min_size=16, max_size=16))
def test_a_code_is_read_as_it_was_written(code: bytes) -> None:
    """In small letters, without hyphens, with O for 0 and l for 1, with Arabic digits."""
    text = written(code)
    assert read(text) == read(text.lower().replace("-", " ")) == code
    assert read(text.replace("0", "o").replace("1", "l")) == code
    assert read(text.translate({ord(str(digit)): chr(0x660 + digit) for digit in range(10)})) == code


@given(st.binary(min_size=16, max_size=16), st.integers(0, 26), st.integers(1, 31))
def test_one_wrong_letter_is_noticed(code: bytes, place: int, off: int) -> None:
    """The check character finds every single slip."""
    letters = list(written(code).replace("-", ""))
    symbols = MODULUS if place == 26 else 32
    letters[place] = SYMBOLS[(SYMBOLS.index(letters[place]) + off) % symbols]
    assert read("".join(letters)) is None


@pytest.mark.parametrize("text", ["", "0", "0" * 26, "0" * 28, "*" * 27, "Ä" * 27, "²" * 27, "Z" * 26 + "0"])
def test_what_is_no_code_is_read_as_none(text: str) -> None:
    """Whatever somebody types."""
    assert read(text) is None


def test_a_pin_is_kept_under_argon2id_with_a_salt_of_its_own() -> None:
    """The same PIN twice gives two hashes; only the PIN fits."""
    _, first = new_opening(PIN)
    _, second = new_opening(PIN)
    assert first.pin_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert first.pin_hash != second.pin_hash
    assert is_pin(PIN, first.pin_hash)
    assert not is_pin("246814", first.pin_hash)


async def test_of_code_and_pin_only_hashes_are_kept(desk: Desk) -> None:
    """The answer shows the code; neither stands in any table."""
    case_ref = await desk.register()
    answer = await hand_out(desk, case_ref)
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    code = read(body["code"])
    assert code is not None
    [row] = await desk.intake.rows("select * from intake.receipt")
    assert row["code_hash"] == code_hash(code)
    assert is_pin(PIN, row["pin_hash"])
    assert answer.headers["location"] == f"/v1/receipts/{body['receipt_ref']}"
    tables = await desk.intake.rows(
        "select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname !~ '^pg_|^inf'"
    )
    # The names come from the catalogue, quoted by it.
    dump = str([await desk.intake.rows(f"select * from {table['name']}") for table in tables])  # noqa: S608
    assert not [said for said in (body["code"], body["code"].replace("-", ""), code.hex(), PIN) if said in dump]


async def test_a_code_is_never_shown_again(desk: Desk) -> None:
    """A repeated request names the way out, and its receipt stays the one in force."""
    case_ref, key = await desk.register(), str(uuid4())
    assert (await hand_out(desk, case_ref, key=key)).status_code == 201
    problem(await hand_out(desk, case_ref, key=key), 409, "receipt-shown-once")
    assert len(await desk.intake.rows("select 1 from intake.receipt where blocked_at is null")) == 1


async def test_a_new_receipt_blocks_those_before_it(desk: Desk) -> None:
    """One code opens a person's page at a time; another person's receipt is left alone."""
    case_ref, other = await desk.register(), await desk.register()
    await hand_out(desk, other)
    refs = [(await hand_out(desk, case_ref)).json()["receipt_ref"] for _ in range(3)]
    rows = await desk.intake.rows("select blocked_at from intake.receipt order by made_at")
    assert [row["blocked_at"] is None for row in rows] == [True, False, False, True]
    assert len(set(refs)) == 3


async def test_a_lost_receipt_is_blocked_once(desk: Desk) -> None:
    """Blocking it again changes nothing."""
    case_ref = await desk.register()
    receipt_ref = (await hand_out(desk, case_ref)).json()["receipt_ref"]
    first = await desk.post(CITY, f"/v1/receipts/{receipt_ref}/block")
    again = await desk.post(CITY, f"/v1/receipts/{receipt_ref}/block")
    assert first.status_code == 200
    assert first.json()["blocked_at"] is not None
    assert again.json() == first.json()


async def test_a_receipt_without_a_page_has_no_code(desk: Desk) -> None:
    """Whoever wants no page gets the paper all the same."""
    case_ref = await desk.register()
    body = (await hand_out(desk, case_ref, pin=None)).json()
    assert (body["code"], body["page"], body["has_page"]) == (None, None, False)
    text = pages_of((await hand_out(desk, case_ref, pin=None, accept="application/pdf")).content)
    assert wording("de").receipt["no_page"][:30] in text


async def test_only_the_unit_that_registered_the_person_hands_out_and_blocks(desk: Desk) -> None:
    """Any other sees nothing there, by whatever reference."""
    case_ref = await desk.register(CARITAS_MBE)
    receipt_ref = (await hand_out(desk, case_ref, unit=CARITAS_MBE)).json()["receipt_ref"]
    for unit in (CARITAS_JMD, AWO):
        problem(await hand_out(desk, case_ref, unit=unit), 404, "not-found")
        problem(await desk.post(unit, f"/v1/receipts/{receipt_ref}/block"), 404, "not-found")
    problem(await desk.post(CARITAS_MBE, f"/v1/receipts/{'f' * 32}/block"), 404, "not-found")


@pytest.mark.parametrize("pin", ["12345", "1" * 13, "12345a", "", "١٢٣٤٥٦"])
async def test_a_pin_has_six_to_twelve_digits(desk: Desk, pin: str) -> None:
    """Anything else is refused and not repeated in the answer."""
    answer = await hand_out(desk, await desk.register(), pin=pin)
    assert problem(answer, 422, "not-valid") == ["pin"]


async def test_the_printed_receipt_says_what_is_in_force_and_no_name(desk: Desk) -> None:
    """The code on it fits; what has ended and what was only asked for is not on it."""
    case_ref = await desk.register()
    [ended, _] = await desk.consent(case_ref, a_consent(to_unit=CARITAS_MBE), a_consent())
    await desk.withdraw(ended)
    answer = await hand_out(desk, case_ref, accept="application/pdf")
    assert answer.headers["content-type"] == "application/pdf"
    text = " ".join(pages_of(answer.content).split())
    assert "AWO" in text
    assert "Caritas" not in text
    assert NAME not in text
    [row] = await desk.intake.rows("select code_hash from intake.receipt")
    codes = [read(" ".join(words)) for words in [text[at : at + 33].split() for at in range(len(text))]]
    assert row["code_hash"] in {code_hash(code) for code in codes if code}


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_receipt_is_printed_in_each_language_on_one_page(desk: Desk, language: str) -> None:
    """With letters for everything: a missing one would be an empty box."""
    case_ref = await desk.register()
    await desk.consent(case_ref)
    answer = await hand_out(desk, case_ref, language=language, accept="application/pdf")
    assert answer.status_code == 201
    document = pypdfium2.PdfDocument(answer.content)
    assert len(document) == 1
    document.close()


def test_every_language_says_the_same_things() -> None:
    """Each file has the same entries, with the same places to fill in."""

    def shape(language: str) -> dict[str, list[str]]:
        file = resources.files("services.intake.paper") / "texts" / f"{language}.toml"
        tables = {name: part for name, part in tomllib.loads(file.read_text("utf-8")).items() if isinstance(part, dict)}
        texts = {f"{name}.{key}": text for name, table in tables.items() for key, text in table.items()}
        return {
            key: sorted(part for part in ("{at}", "{unit}", "{scope}") if part in text) for key, text in texts.items()
        }

    assert len({str(sorted(shape(language).items())) for language in LANGUAGES}) == 1
    assert all(wording(language).language == language for language in LANGUAGES)
    with pytest.raises(KeyError):
        wording("tlh")


async def test_a_consent_in_force_has_no_confirmation_of_its_end(desk: Desk) -> None:
    """The answer says what to do first."""
    _, _, [consent] = await desk.a_referred_person()
    problem(await desk.get(CITY, f"/v1/consents/{consent}/termination", role="clerk"), 409, "consent-not-ended")


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_confirmation_of_an_end_says_who_had_fetched(desk: Desk, language: str) -> None:
    """Only what was fetched on this consent; both units it names may print it, in each language."""
    _, referral, [consent] = await desk.a_referred_person()
    assert (await desk.fetch(referral)).status_code == 200
    await desk.withdraw(consent)
    path = f"/v1/consents/{consent}/termination?language={language}"
    answer = await desk.get(CITY, path, role="clerk")
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    text = " ".join(pages_of(answer.content).split())
    # Once as the office consented to, once as the one that fetched.
    assert text.count("AWO") == 2
    assert NAME not in text


async def test_a_consent_nobody_used_ends_with_nobody_told(desk: Desk) -> None:
    """The sheet says so in words."""
    case_ref = await desk.register()
    [consent] = await desk.consent(case_ref)
    await desk.withdraw(consent)
    text = pages_of((await desk.get(CITY, f"/v1/consents/{consent}/termination", role="clerk")).content)
    assert wording("de").label["nobody"][:20] in text


async def test_receipts_go_with_the_person(desk: Desk) -> None:
    """After 72 hours without a consent nothing leads from a receipt to anybody."""
    await hand_out(desk, await desk.register())
    await desk.intake.move_clock(timedelta(hours=73))
    assert await desk.intake.run_job("erase-never-consented") == 1
    assert await desk.intake.rows("select 1 from intake.receipt union all select 1 from intake.receipt_reference") == []


async def test_an_erasure_taken_back_from_the_bus_takes_the_receipts_too(intake: Running) -> None:
    """A restored database has the receipt again; after the erasure is adopted no code leads to the person."""
    desk = Desk(intake)
    case_ref = await desk.register(CITY)
    assert (await hand_out(desk, case_ref)).status_code == 201
    erased = PersonErased(case_id=CaseId(desk.case_id(case_ref)), reason=ErasureReason.REQUESTED)
    async with intake.context.database.transaction() as conn:
        assert await adopt_erased(conn, received(erased))
    assert await intake.rows("select 1 from intake.receipt union all select 1 from intake.receipt_reference") == []

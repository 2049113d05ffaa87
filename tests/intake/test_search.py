"""Finding a person again at the counter: by name and year of birth, by the person's own unit alone."""

from datetime import timedelta
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import UnitId
from services.intake.model.names import MOST_PARTS, name_pairs, name_parts
from services.intake.vault import BlindIndex
from tests.intake.builders import AWO, CARITAS_JMD, CARITAS_MBE, CITY, NAME, Desk, a_person, problem

SEARCH = "/v1/persons/search"
YEAR = 1991


async def look(desk: Desk, name: str = NAME, *, year: int = YEAR, unit: str = CITY) -> httpx2.Response:
    """One search."""
    answer: httpx2.Response = await desk.post(unit, SEARCH, {"name": name, "birth_year": year})
    return answer


async def found(desk: Desk, name: str = NAME, *, year: int = YEAR, unit: str = CITY) -> list[str]:
    """The references that a search gives."""
    answer = await look(desk, name, year=year, unit=unit)
    assert answer.status_code == 200, answer.text
    return [each["case_ref"] for each in answer.json()["items"]]


@pytest.mark.parametrize(
    ("registered", "typed"),
    [
        ("Ayşe Yılmaz", "Yilmaz, Ayse"),
        ("Ayşe Yılmaz", "AYŞE YILMAZ"),
        ("Jürgen Müller", "Juergen Mueller"),
        ("Juergen Mueller", "Jürgen Müller"),
        ("Jürgen Müller", "jurgen muller"),
        ("Øyvind Strauß", "Oyvind Strauss"),
        ("Łukasz Đorđević", "Lukasz Dordevic"),
        ("Zaynab Al-Qudsi", "al qudsi zaynab"),
        ("Siobhán O'Neill", "Siobhan ONeill"),
        ("Siobhán O’Neill", "Siobhan O'Neill"),
        ("Maria del Carmen López", "Carmen Lopez"),
        ("Ayşe Fatma Yılmaz", "Ayşe Yılmaz"),
        ("زينب القدسي", "القدسي زينب"),
        ("Suharto", "suharto"),
        ("İbrahim Çelik", "ibrahim celik"),
    ],
)
async def test_a_person_is_found_however_the_name_is_typed(desk: Desk, registered: str, typed: str) -> None:
    """Case, marks, umlauts, order, commas, hyphens and names left out do not matter."""
    case_ref = await desk.register(name=registered)
    assert await found(desk, typed) == [case_ref]


@pytest.mark.parametrize("typed", ["Zaynab", "Qudsi", "Zaynab Haddad", "Zaynab Al-Qudsi Haddad"])
async def test_one_name_of_several_finds_nobody_and_a_wrong_one_neither(desk: Desk, typed: str) -> None:
    """Whoever is at the counter has more than one name to say; nobody leafs through all who are called Ali."""
    await desk.register()
    assert await found(desk, typed) == []


async def test_the_year_must_be_right_where_it_is_known(desk: Desk) -> None:
    """Of whom only the age band is known, every year finds the person."""
    born = await desk.register()
    assert await found(desk) == [born]
    banded = await desk.register(birth_date=None, age_band="27-plus")
    assert await found(desk) == [banded, born]
    assert await found(desk, year=1990) == [banded]


async def test_nobody_else_finds_a_person(desk: Desk) -> None:
    """Neither another unit of the same partner nor another partner, though each finds its own."""
    registered = {unit: await desk.register(unit) for unit in (CARITAS_MBE, CITY)}
    for unit in (CARITAS_MBE, CARITAS_JMD, CITY, AWO):
        assert await found(desk, unit=unit) == [each for home, each in registered.items() if home == unit]


async def test_two_units_entries_of_one_person_have_nothing_in_common() -> None:
    """Nor have two installations', two years' or a known and an unknown one."""
    one, two = BlindIndex(b"1" * 32), BlindIndex(b"2" * 32)
    entries = [
        *one.entries(UnitId(CITY), NAME, YEAR),
        *one.entries(UnitId(AWO), NAME, YEAR),
        *one.entries(UnitId(CITY), NAME, YEAR + 1),
        *one.entries(UnitId(CITY), NAME, None),
        *two.entries(UnitId(CITY), NAME, YEAR),
    ]
    assert len(set(entries)) == len(entries) == 15
    assert {len(each) for each in entries} == {32}


async def test_a_corrected_name_finds_and_the_old_one_does_not(desk: Desk) -> None:
    """The same with the year."""
    case_ref = await desk.register()
    for version, differences in enumerate(({"name": "Zainab Alqudsi"}, {"birth_date": "1992-04-17"}), 1):
        said = a_person(**{"name": "Zainab Alqudsi"} | differences)
        headers = desk.intake.headers(CITY, "clerk") | {"If-Match": f'"{version}"'}
        answer = await desk.intake.client.put(f"/v1/persons/{case_ref}", json=said, headers=headers)
        assert answer.status_code == 200, answer.text
    assert await found(desk) == []
    assert await found(desk, "Zainab Alqudsi") == []
    assert await found(desk, "Zainab Alqudsi", year=1992) == [case_ref]


async def test_who_is_erased_is_not_found_and_leaves_no_entry(desk: Desk) -> None:
    """On request, and by the clock: after 72 hours without a consent even before the job has run."""
    case_ref = await desk.register()
    assert (await desk.post(CITY, f"/v1/persons/{case_ref}/erase")).status_code == 200
    assert await found(desk) == []
    assert await desk.intake.rows("select * from intake.person_index") == []
    await desk.register()
    await desk.intake.move_clock(timedelta(hours=72))
    assert await found(desk) == []


async def test_at_most_twenty_are_shown(desk: Desk) -> None:
    """The latest registered ones, first."""
    registered = [await desk.register() for _ in range(21)]
    assert await found(desk) == registered[:0:-1]


async def test_a_search_shows_the_record_and_is_noted(desk: Desk) -> None:
    """Nothing that the person said; who looked is in the access log; no cache keeps it."""
    case_ref = await desk.register()
    record = (await desk.get(CITY, f"/v1/persons/{case_ref}")).json()
    answer = await look(desk)
    assert answer.json() == {"items": [record]}
    assert answer.headers["cache-control"] == "no-store"
    looks = await desk.intake.rows("select unit, action, refs from chassis.access order by at")
    assert [dict(each) for each in looks[1:]] == [{"unit": CITY, "action": "search-persons", "refs": [case_ref]}]


async def test_a_unit_that_searches_without_end_has_to_wait(desk: Desk) -> None:
    """60 times a minute; another unit is not held up, and the next minute is a new one."""
    await desk.register()
    for _ in range(60):
        await found(desk)
    refused = await look(desk)
    # The minute may have changed on the way; then the rest of the new one is used up.
    while refused.status_code == 200:
        refused = await look(desk)
    assert problem(refused, 429, "too-many-searches") == []
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert await found(desk, unit=AWO) == []
    await desk.intake.move_clock(timedelta(minutes=1))
    assert len(await found(desk)) == 1


async def test_nobody_is_found_while_intake_recovers(desk: Desk) -> None:
    """Somebody who was erased since the backup must not come back."""
    await desk.register()
    desk.intake.context.admission.close("recovering")
    problem(await look(desk), 503, "recovering")


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"name": "…!", "birth_year": YEAR}, "name-without-letters", "name"),
        ({"name": NAME}, "not-valid", "birth_year"),
        ({"name": NAME, "birth_year": "1991"}, "not-valid", "birth_year"),
        ({"name": NAME, "birth_year": 91}, "not-valid", "birth_year"),
        ({"name": "", "birth_year": YEAR}, "not-valid", "name"),
        ({"name": NAME, "birth_year": YEAR, "unit": AWO}, "not-valid", "unit"),
    ],
)
async def test_what_cannot_be_searched_for_names_the_field(desk: Desk, body: Any, code: str, field: str) -> None:
    """And repeats nothing of the name."""
    answer = await desk.post(CITY, SEARCH, body)
    assert problem(answer, 422, code) == [field]
    assert NAME not in answer.text


NAMES = st.text(st.sampled_from("aeiouüößşıØł'-ʿ ,.éأب"), min_size=1, max_size=40)


@given(NAMES, st.randoms(use_true_random=False))
def test_the_order_of_names_and_the_case_do_not_matter(name: str, random: Any) -> None:
    """Whatever the letters."""
    parts = name.split()
    random.shuffle(parts)
    assert name_parts(" ".join(parts)) == name_parts(name)
    assert name_parts(name.upper()) == name_parts(name)


@given(st.text(max_size=200))
def test_any_text_has_at_most_28_pairs_of_letters_only(text: str) -> None:
    """Nothing in it parts two entries wrongly, and nothing grows without end."""
    parts = name_parts(text)
    assert len(parts) <= MOST_PARTS
    assert all(part.isalpha() for part in parts)
    assert len(name_pairs(text)) <= MOST_PARTS * (MOST_PARTS - 1) // 2
    assert bool(name_pairs(text)) == bool(parts)


@given(st.lists(st.text("bcdfgh", min_size=1, max_size=5), min_size=2, max_size=MOST_PARTS, unique=True))
def test_any_two_parts_of_a_name_are_among_its_pairs(parts: list[str]) -> None:
    """So whoever says two of several names is found by them."""
    known = set(name_pairs(" ".join(parts)))
    for index, one in enumerate(parts[1:]):
        assert set(name_pairs(f"{one} {parts[index]}")) <= known

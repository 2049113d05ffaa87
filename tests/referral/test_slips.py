"""What somebody carries to a service: nothing is transferred, and one more person was told."""

from typing import Any, get_args

import pypdfium2
import pytest

from schemas import InformationCounted
from services.referral.paper.wording import SlipLanguage, slip_language, wording
from tests.referral.builders import AWO, CITY, Lotse, a_contact, is_problem

PDF = {"Accept": "application/pdf"}


async def hand_out(lotse: Lotse, body: dict[str, Any], **headers: str) -> Any:
    """At the City's counter."""
    return await lotse.post("/v1/slips", body, unit=CITY, role="clerk", **headers)


def text_of(answer: Any) -> str:
    """What a PDF says, for searching and for being read aloud."""
    assert answer.headers["content-type"] == "application/pdf"
    document = pypdfium2.PdfDocument(answer.content)
    return "\n".join(page.get_textpage().get_text_range() for page in document)


async def test_a_slip_says_where_to_go_and_counts_one_person(lotse: Lotse) -> None:
    """With the function to ask for; a place outside the directory comes after the offers."""
    await lotse.post("/v1/contacts", a_contact(function="Sekretariat MBE"))
    offer_id = await lotse.offer(url="https://awo.example/mbe", address="Beispielweg 1, 56068 Koblenz")
    answer = await hand_out(lotse, {"offer_ids": [offer_id], "places": ["jugendamt"], "language": "ar"})
    assert answer.status_code == 201, answer.text
    slip = answer.json()
    assert (slip["unit"], slip["language"], slip["slip_language"]) == (CITY, "ar", "ar")
    offered, outside = slip["places"]
    assert offered["schedule"] == "Mo 9-12 Uhr\nDo 14-17 Uhr"
    assert offered["contact"] == "Sekretariat MBE"
    assert (outside["name"], outside["unit"]) == ("Jugendamt der Stadt Koblenz", None)
    [counted] = await lotse.running.published("lotse.circle")
    assert isinstance(counted, InformationCounted)
    assert (counted.unit, counted.language, counted.count, counted.month) == (CITY, "ar", 1, slip["month"])


@pytest.mark.parametrize("language", get_args(SlipLanguage))
async def test_a_slip_is_printed_in_the_persons_language(lotse: Lotse, language: str) -> None:
    """What the service publishes stays as it wrote it; the address is there to photograph and to type."""
    offer_id = await lotse.offer(url="https://awo.example/mbe")
    body = {"offer_ids": [offer_id], "language": "ti", "slip_language": language}
    answer = await hand_out(lotse, body, **PDF)
    assert answer.status_code == 201
    said = text_of(answer)
    assert "Migrationsberatung für erwachsene Zugewanderte" in said
    assert "https://awo.example/mbe" in said
    if language != "ar":
        assert wording(language).title in said  # type: ignore[arg-type]
        assert wording(language).hours in said  # type: ignore[arg-type]
        assert {"de": "Arabisch", "de-simple": "Arabisch", "en": "Arabic"}[language] in said


async def test_a_repeat_prints_again_and_counts_nobody(lotse: Lotse) -> None:
    """A jammed printer is no second person."""
    body = {"offer_ids": [await lotse.offer()], "language": "uk"}
    first = await hand_out(lotse, body, Idempotency_Key="slip-1", **PDF)
    again = await hand_out(lotse, body, Idempotency_Key="slip-1", **PDF)
    assert (first.status_code, again.status_code) == (201, 201)
    assert text_of(first) == text_of(again)
    assert len(await lotse.running.published("lotse.circle")) == 1


async def test_what_does_not_lead_anywhere_is_refused_and_not_counted(lotse: Lotse) -> None:
    """With the field and the way out."""
    offer_id = await lotse.offer(status="inactive")
    unknown = "019a8f3c-5b00-7001-8a11-3f0c5d2e9b01"
    for body, status, code, field in (
        ({"language": "ar"}, 422, "not-valid", None),
        ({"offer_ids": [offer_id], "language": "ar"}, 409, "offer-not-active", "offer_ids"),
        ({"offer_ids": [unknown], "language": "ar"}, 422, "no-such-offer", "offer_ids"),
        ({"places": ["pfandhaus"], "language": "ar"}, 422, "no-such-place", "places"),
        ({"places": ["jugendamt"], "language": "Arabisch!"}, 422, "not-valid", "language"),
        ({"places": ["jugendamt"], "language": "ar", "name": "Zainab"}, 422, "not-valid", "name"),
    ):
        assert is_problem(await hand_out(lotse, body), status, code, field)
    assert await lotse.running.published("lotse.circle") == []


def test_a_language_without_texts_gets_easy_german() -> None:
    """A region does not matter."""
    spoken = ("ar", "ar-SY", "de", "de-simple", "de-AT", "en-GB", "ti", "uk")
    wanted = ["ar", "ar", "de", "de-simple", "de", "en", "de-simple", "de-simple"]
    assert [slip_language(each) for each in spoken] == wanted


async def test_services_hand_out_slips_too(lotse: Lotse) -> None:
    """Also of their own offers."""
    body = {"offer_ids": [await lotse.offer()], "language": "ar"}
    assert (await lotse.post("/v1/slips", body, unit=AWO)).status_code == 201

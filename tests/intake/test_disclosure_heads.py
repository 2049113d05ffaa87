"""The signed heads of the disclosure chains, and what a partner reads of its own chain."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from services.chassis.config import StartError
from services.chassis.signing import load_signing_key
from services.intake.commands.disclosures import day_that_ended
from tests.intake.builders import AWO, CARITAS_MBE, CITY, Desk
from tests.intake.chains import (
    CARITAS_SLUG,
    a_log,
    a_referral_to_caritas,
    audited,
    rows_of,
)


async def test_heads_are_signed_once_a_day_where_the_chain_has_grown(desk: Desk) -> None:
    """For the day that ended, and not again before there is something new."""
    referral = await a_log(desk, 2)
    assert await desk.intake.run_job("sign-disclosure-heads") == 1
    await desk.fetch(referral)
    assert await desk.intake.run_job("sign-disclosure-heads") == 0
    await desk.intake.move_clock(timedelta(days=1))
    assert await desk.intake.run_job("sign-disclosure-heads") == 1
    await desk.intake.move_clock(timedelta(days=2))
    assert await desk.intake.run_job("sign-disclosure-heads") == 0
    signed = await desk.intake.rows("select day, number, hash from intake.signed_head order by day")
    chain = await rows_of(desk)
    yesterday = day_that_ended(datetime.now(UTC))
    assert [tuple(row.values()) for row in signed] == [
        (yesterday, 2, chain[1].row_hash),
        (yesterday + timedelta(days=1), 3, chain[2].row_hash),
    ]
    findings, done = await audited(desk)
    assert (findings, done.counts["signed heads"]) == ([], 2)


@pytest.mark.parametrize(
    ("now", "day"),
    [
        (datetime(2026, 7, 1, 21, 59, tzinfo=UTC), date(2026, 6, 30)),
        (datetime(2026, 7, 1, 22, 0, tzinfo=UTC), date(2026, 7, 1)),
        (datetime(2026, 1, 1, 22, 59, tzinfo=UTC), date(2025, 12, 31)),
        (datetime(2026, 1, 1, 23, 0, tzinfo=UTC), date(2026, 1, 1)),
    ],
)
def test_a_day_ends_at_midnight_in_koblenz(now: datetime, day: date) -> None:
    """In summer and in winter."""
    assert day_that_ended(now) == day


async def test_heads_signed_with_a_former_key_still_verify(desk: Desk) -> None:
    """The key is changed between two days; both stay published, with the times of their use."""
    referral = await a_log(desk, 1)
    await desk.intake.run_job("sign-disclosure-heads")
    (desk.intake.context.settings.secrets_dir / "audit-signing-key").write_text("07" * 32)
    await desk.intake.move_clock(timedelta(days=1))
    await desk.fetch(referral)
    await desk.intake.run_job("sign-disclosure-heads")
    keys = (await desk.get(AWO, "/v1/disclosures/keys")).json()["keys"]
    heads = (await desk.get(AWO, "/v1/disclosures/heads")).json()["heads"]
    assert len({key["kid"] for key in keys}) == 2
    assert [head["key_id"] for head in heads] == [key["kid"] for key in keys]
    assert (await audited(desk))[0] == []


@pytest.mark.parametrize("secret", ["07" * 31, "", "no hex"])
async def test_a_signing_key_that_is_none_is_refused_at_the_start(desk: Desk, secret: str) -> None:
    """With one sentence that does not repeat it."""
    settings = desk.intake.context.settings
    (settings.secrets_dir / "audit-signing-key").write_text(secret)
    with pytest.raises(StartError, match="audit-signing-key must") as error:
        load_signing_key(settings, "audit-signing-key")
    assert not secret or secret not in str(error.value)


async def test_a_partner_reads_its_own_chain_and_no_other(desk: Desk) -> None:
    """Page by page, by every role of the partner, nothing of the others."""
    referral = await a_log(desk, 3)
    await desk.fetch(await a_referral_to_caritas(desk), CARITAS_MBE)
    for role in ("clerk", "counsellor", "coordinator", "commissioner", "system"):
        page = (await desk.get(AWO, "/v1/disclosures?limit=2", role=role)).json()
        assert [row["number"] for row in page["disclosures"]] == [1, 2]
        assert page["next_after"] == 2
    rest = (await desk.get(AWO, "/v1/disclosures?limit=2&after=2")).json()
    assert [(row["number"], row["referral_id"]) for row in rest["disclosures"]] == [(3, str(referral))]
    assert rest["next_after"] is None
    other = (await desk.get(CARITAS_MBE, "/v1/disclosures")).json()
    assert [row["recipient"] for row in other["disclosures"]] == [CARITAS_SLUG]
    assert (await desk.get(CITY, "/v1/disclosures")).json() == {"disclosures": [], "next_after": None}
    for path in ("", "/heads", "/keys"):
        assert (await desk.get(AWO, f"/v1/disclosures{path}", role="operator")).status_code == 403


async def test_signed_heads_are_read_page_by_page(desk: Desk) -> None:
    """The day of the last one asks for the next."""
    referral = await a_log(desk, 1)
    for day in range(3):
        await desk.intake.move_clock(timedelta(days=day))
        await desk.fetch(referral)
        await desk.intake.run_job("sign-disclosure-heads")
    page = (await desk.get(AWO, "/v1/disclosures/heads?limit=2")).json()
    assert [head["number"] for head in page["heads"]] == [2, 3]
    assert page["next_after"] == page["heads"][-1]["day"]
    rest = (await desk.get(AWO, f"/v1/disclosures/heads?limit=2&after={page['next_after']}")).json()
    assert ([head["number"] for head in rest["heads"]], rest["next_after"]) == ([4], None)
    assert json.dumps(rest).count(CARITAS_SLUG) == 0

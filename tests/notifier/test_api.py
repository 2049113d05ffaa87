"""What a partner may ask the notifier, and what it is refused."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.harness import Running, issuer
from tests.notifier.events import AWO, AWO_UNIT, CARITAS_UNIT, CITY_UNIT, Story, offer
from tests.notifier.streams import stream

PATHS = ("/v1/stream", "/v1/told")


async def read(notifier: Running, path: str, unit: str, *roles: str) -> Any:
    """A GET of a caller from that unit, a system unless a role is given."""
    answer = await notifier.client.get(path, headers=notifier.headers(unit, *(roles or ("system",))))
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("path", PATHS)
async def test_nobody_reads_without_a_valid_token(notifier: Running, path: str) -> None:
    """Missing, garbled and expired tokens get a problem that names the header."""
    expired = issuer(notifier.folder).issue_token(AWO, AWO_UNIT, ["system"], ttl=timedelta(hours=-1))
    for headers in ({}, {"Authorization": "Bearer x.y.z"}, {"Authorization": f"Bearer {expired}"}):
        answer = await notifier.client.get(path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["errors"][0]["field"] == "Authorization"


@pytest.mark.parametrize("path", PATHS)
async def test_token_of_a_stranger_is_refused(notifier: Running, path: str) -> None:
    """A partner that has no part in the agreement gets 401."""
    token = issuer(notifier.folder).issue_token("red-cross", "red-cross/mbe", ["system"])
    answer = await notifier.client.get(path, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401


@pytest.mark.parametrize("path", PATHS)
async def test_operator_and_roleless_caller_are_refused(notifier: Running, path: str) -> None:
    """An operator has no stream, and a token without a role opens nothing."""
    operator = issuer(notifier.folder).issue_token("", "", ["operator"])
    answer = await notifier.client.get(path, headers={"Authorization": f"Bearer {operator}"})
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:lotse:problem:role-missing")
    answer = await notifier.client.get(path, headers=notifier.headers(AWO_UNIT))
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("after=-1", "after"),
        ("after=x", "after"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        (f"after={2**63}", "after"),
    ],
)
async def test_wrong_page_is_refused_naming_the_field(notifier: Running, query: str, field: str) -> None:
    """Numbers outside their range are a problem, not an error of the database."""
    answer = await notifier.client.get(f"/v1/told?{query}", headers=notifier.headers(AWO_UNIT, "system"))
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert await notifier.outbox_rows() == []


async def test_stream_names_topic_number_and_credentials_user(notifier: Running) -> None:
    """What a Kafka client needs beside address and password."""
    before = await read(notifier, "/v1/stream", AWO_UNIT)
    assert (before["topic"], before["next_number"]) == ("lotse.partner.awo-rheinland.v1", 1)
    assert before["kafka"] == {
        "user": "partner-awo-rheinland",
        "consumer_groups": "partner-awo-rheinland",
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "partitions": 1,
        "retention_days": 90,
    }
    await notifier.feed(offer(), offer())
    assert (await read(notifier, "/v1/stream", AWO_UNIT, "counsellor"))["next_number"] == 3


async def test_told_lists_what_stands_on_the_callers_own_stream(notifier: Running) -> None:
    """The same ids and numbers as in the records, nothing of another partner, nothing it knew by itself."""
    story = Story()
    await notifier.feed(story.consent(), story.requested(), story.received(), offer())
    page = await read(notifier, "/v1/told", AWO_UNIT)
    records = await stream(notifier, AWO)
    assert page["next_after"] is None
    assert [(each["event_id"], each["number"], each["type"]) for each in page["events"]] == [
        (each.headers["ce_id"], each.number, each.type) for each in records
    ]
    assert [each["type"] for each in page["events"]] == ["lotse.referral.requested.v1", "lotse.offer.published.v1"]
    others = (await read(notifier, "/v1/told", CITY_UNIT))["events"]
    assert {UUID(each["event_id"]) for each in others}.isdisjoint(UUID(each["event_id"]) for each in page["events"])
    assert (await read(notifier, "/v1/told", CARITAS_UNIT))["events"] == []


async def test_told_is_read_page_by_page(notifier: Running) -> None:
    """Every event once, in the order of the stream, to the end."""
    await notifier.feed(*(offer() for _ in range(5)))
    numbers, after = [], 0
    while after is not None:
        page = await read(notifier, f"/v1/told?after={after}&limit=2", AWO_UNIT)
        numbers.append([each["number"] for each in page["events"]])
        after = page["next_after"]
    assert numbers == [[1, 2], [3, 4], [5]]

"""The checker finds what is planted, and nothing in what is right."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.faults.checker import Fault, Streams, check
from tests.faults.expected import Rule, expectations
from tests.faults.heard import Fact, Heard
from tests.faults.ledger import Ledger
from tests.faults.numbers import check_numbers, numbers_of
from tests.faults.people import AWO, CITY, PARTNERS

CASE, CONSENT, FEEDBACK, REFERRAL, OFFER = "case", "consent", "feedback", "referral", "offer"
STADT, CARITAS, JOBCENTER, SERVICE = "stadt-koblenz", "caritas-koblenz", "jobcenter-koblenz", "awo-rheinland"


def a_ledger(*, calm: bool = True, withdrawn: bool = True) -> Ledger:
    """The City refers somebody to AWO, which accepts; then the person takes the consent back."""
    ledger = Ledger()
    ledger.note("offer.published", OFFER, AWO, description="rev 0")
    ledger.note("person.registered", CASE, CITY)
    ledger.note("consent.given", CASE, CITY, **a_consent(CONSENT, CITY, AWO, "transfer"))
    said = {"referral_id": REFERRAL, "consent_id": CONSENT, "offer_id": OFFER, "to_unit": AWO}
    ledger.note("referral.requested", CASE, CITY, **said)
    ledger.note("referral.accepted", CASE, AWO, referral_id=REFERRAL)
    if withdrawn:
        ledger.note("consent.withdrawn", CASE, CITY, consent_id=CONSENT, scope="transfer", calm=calm)
    return ledger


def a_consent(consent_id: str, from_unit: str, to_unit: str, scope: str) -> dict[str, Any]:
    return {"consent_id": consent_id, "from_unit": from_unit, "to_unit": to_unit, "scope": scope}


PUBLISHED = Fact("offer.published", OFFER, "rev 0")
REQUESTED, RECEIVED = Fact("referral.requested", REFERRAL), Fact("referral.received", REFERRAL)
WITHDRAWN, ENDED = Fact("consent.withdrawn", CONSENT), Fact("referral.ended", REFERRAL)


def stream(partner: str, *facts: Fact) -> list[Heard]:
    """A stream that tells these facts under the numbers 1, 2, 3, ..."""
    return [
        Heard(partner, position, 0.0, position + 1, f"{partner} {fact}", fact, CASE, _data(fact), f"{partner} {fact}")
        for position, fact in enumerate(facts)
    ]


def _data(fact: Fact) -> dict[str, Any]:
    return {"offer_id": OFFER} if fact == REQUESTED else {}


def right_streams() -> dict[str, list[Heard]]:
    """What the partners get when nothing goes wrong."""
    return {
        STADT: stream(STADT, PUBLISHED, RECEIVED, WITHDRAWN, ENDED),
        SERVICE: stream(SERVICE, REQUESTED, WITHDRAWN, ENDED),
        CARITAS: stream(CARITAS, PUBLISHED),
        JOBCENTER: stream(JOBCENTER, PUBLISHED),
    }


def faults(streams: Streams, ledger: Ledger | None = None) -> list[Fault]:
    """Of which kinds the findings are."""
    return [finding.fault for finding in check(expectations(ledger or a_ledger(), PARTNERS), streams)]


def without(heard: Sequence[Heard], fact: Fact) -> list[Heard]:
    """The stream as if the fact had never got a number."""
    return stream(heard[0].partner, *(each.fact for each in heard if each.fact != fact))


def test_nothing_is_found_in_what_is_right() -> None:
    """Each partner heard its share, in order, under gapless numbers."""
    assert faults(right_streams()) == []


@pytest.mark.parametrize(("partner", "fact"), [(STADT, RECEIVED), (SERVICE, REQUESTED), (CARITAS, PUBLISHED)])
def test_what_did_not_arrive_is_lost(partner: str, fact: Fact) -> None:
    """Whichever partner misses whichever fact."""
    streams = right_streams()
    streams[partner] = without(streams[partner], fact)
    assert Fault.LOST in faults(streams)


def test_a_record_that_is_missing_from_the_stream_is_a_gap() -> None:
    """A number that no record has."""
    streams = right_streams()
    del streams[STADT][1]
    assert set(faults(streams)) == {Fault.GAP, Fault.LOST}


def test_the_first_number_is_one() -> None:
    """What is cut off at the beginning is seen as well."""
    streams = right_streams()
    del streams[STADT][0]
    assert Fault.GAP in faults(streams)


def test_facts_of_a_case_in_another_order_are_found() -> None:
    """Ended before withdrawn, though the one followed from the other."""
    streams = right_streams()
    streams[SERVICE] = stream(SERVICE, REQUESTED, ENDED, WITHDRAWN)
    assert faults(streams) == [Fault.ORDER]


def test_what_one_service_said_later_may_not_come_first() -> None:
    """Two changes of one offer."""
    ledger = a_ledger(withdrawn=False)
    ledger.note("offer.changed", OFFER, AWO, description="rev 1", changes=[])
    changed = Fact("offer.changed", OFFER, "rev 1")
    right = {partner: stream(partner, PUBLISHED, changed) for partner in (CARITAS, JOBCENTER)}
    right |= {STADT: stream(STADT, PUBLISHED, RECEIVED, changed), SERVICE: stream(SERVICE, REQUESTED)}
    with_changes = {name: [_with(each, "changes", []) for each in heard] for name, heard in right.items()}
    assert faults(with_changes, ledger) == []
    with_changes[CARITAS] = [_with(each, "changes", []) for each in stream(CARITAS, changed, PUBLISHED)]
    assert faults(with_changes, ledger) == [Fault.ORDER]


def _with(heard: Heard, name: str, value: Any) -> Heard:
    return replace(heard, data={**heard.data, name: value})


def test_the_same_record_again_is_no_fault() -> None:
    """1 2 3 2 3 4: as after a crash between acknowledgement and delete."""
    streams = right_streams()
    heard = streams[STADT]
    streams[STADT] = [*heard[:3], *heard[1:3], *heard[3:]]
    assert faults(streams) == []


@pytest.mark.parametrize("changed", [{"ce_id": "another"}, {"digest": "another"}])
def test_a_number_used_for_another_record_is_found(changed: dict[str, Any]) -> None:
    """Its id or its content differs."""
    streams = right_streams()
    streams[STADT].append(replace(streams[STADT][1], **changed))
    assert faults(streams) == [Fault.DUPLICATE]


def test_a_fact_told_under_two_numbers_is_found() -> None:
    """As by a consumer that does not look at versions."""
    streams = right_streams()
    streams[CARITAS] = stream(CARITAS, PUBLISHED, PUBLISHED)
    assert faults(streams) == [Fault.DUPLICATE]


def test_what_a_partner_has_no_right_to_is_found() -> None:
    """A stranger hears of the referral; the sender hears of the acceptance without a consent to feedback."""
    streams = right_streams()
    streams[JOBCENTER] = stream(JOBCENTER, PUBLISHED, REQUESTED)
    assert faults(streams) == [Fault.UNEXPECTED]
    streams = right_streams()
    streams[STADT] = stream(STADT, PUBLISHED, RECEIVED, Fact("referral.accepted", REFERRAL), WITHDRAWN, ENDED)
    assert faults(streams) == [Fault.UNEXPECTED]


def test_what_follows_the_end_is_found() -> None:
    """A status after the withdrawal."""
    streams = right_streams()
    streams[STADT] = stream(STADT, PUBLISHED, WITHDRAWN, RECEIVED, ENDED)
    assert Fault.AFTER_END in faults(streams)


def test_a_field_that_may_not_be_seen_is_found() -> None:
    """A sender without a consent to feedback does not learn how it ended."""
    streams = right_streams()
    streams[STADT][3] = _with(streams[STADT][3], "mode", "detached")
    assert faults(streams) == [Fault.CONTENT]


def test_a_wrong_value_is_found() -> None:
    """The offer that was referred to."""
    streams = right_streams()
    streams[SERVICE][0] = _with(streams[SERVICE][0], "offer_id", "another")
    assert faults(streams) == [Fault.CONTENT]


def test_a_withdrawal_at_once_leaves_open_what_came_just_before_it() -> None:
    """All of it, none of it, or its beginning; but nothing without what the same service said before."""
    ledger = a_ledger(calm=False)
    assert faults(right_streams(), ledger) == []
    silent = right_streams() | {
        STADT: stream(STADT, PUBLISHED, WITHDRAWN, ENDED),
        # It has acted on the referral, so it hears of the end although it was not told of the beginning.
        SERVICE: stream(SERVICE, ENDED),
    }
    assert faults(silent, ledger) == []
    assert faults(silent | {STADT: stream(STADT, PUBLISHED, RECEIVED, WITHDRAWN, ENDED)}, ledger) == [Fault.LOST]
    assert faults(silent | {SERVICE: stream(SERVICE, REQUESTED, ENDED)}, ledger) == [Fault.LOST]
    assert faults(silent | {SERVICE: stream(SERVICE, WITHDRAWN, ENDED)}, ledger) == [Fault.UNEXPECTED]


def test_a_late_consent_to_feedback_tells_where_the_referral_stands() -> None:
    """From then on the sender hears all; what was said just before may come too."""
    ledger = a_ledger(withdrawn=False)
    ledger.note("consent.given", CASE, AWO, **a_consent(FEEDBACK, AWO, CITY, "feedback-status"), referral_id=REFERRAL)
    ledger.note("referral.started", CASE, AWO, referral_id=REFERRAL, first_contact_on="2026-03-02")
    shared, started = Fact("referral.status_shared", REFERRAL, "accepted"), Fact("referral.started", REFERRAL)
    told = {each.fact: each.rule for each in expectations(ledger, PARTNERS) if each.partner == STADT}
    assert told == {
        PUBLISHED: Rule.MUST,
        RECEIVED: Rule.MUST,
        Fact("referral.accepted", REFERRAL): Rule.MAY,
        shared: Rule.MUST,
        started: Rule.MUST,
    }


def test_of_a_poisoned_case_only_the_closing_is_told() -> None:
    """What the service does afterwards is told to nobody; the withdrawal is."""
    ledger = a_ledger(withdrawn=False)
    ledger.note("case.poisoned", CASE, CITY)
    ledger.note("referral.started", CASE, AWO, referral_id=REFERRAL, first_contact_on="2026-03-02")
    ledger.note("consent.withdrawn", CASE, CITY, consent_id=CONSENT, scope="transfer", calm=False)
    streams = right_streams() | {
        STADT: stream(STADT, PUBLISHED, RECEIVED, WITHDRAWN),
        SERVICE: stream(SERVICE, REQUESTED, WITHDRAWN),
    }
    assert faults(streams, ledger) == []
    streams[STADT] = stream(STADT, PUBLISHED, RECEIVED)
    assert faults(streams, ledger) == [Fault.LOST]


def test_reportings_numbers_are_compared_with_the_ledgers() -> None:
    """A referral received once and counted twice; an offer told to three and counted for two."""
    ledger, nothing = a_ledger(), dict.fromkeys(("K1", "K2", "K4", "K8"), 0)
    ledger.note("information.counted", CITY, CITY, count=4)
    assert numbers_of(ledger) == {"K1": 4, "K2": 1, "K4": 1, "K8": 3}
    assert check_numbers(nothing, numbers_of(ledger), ledger) == []
    wrong = {**numbers_of(ledger), "K2": 2, "K8": 2}
    assert [finding.fault for finding in check_numbers(nothing, wrong, ledger)] == [Fault.NUMBERS] * 2

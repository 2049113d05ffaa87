"""What leaves Lotse: compiled where it is declared, cut to the party that hears it."""

import json
from collections.abc import Mapping
from itertools import chain, combinations
from typing import Annotated, Any, NewType
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from schemas import (
    CaseEvent,
    CaseId,
    ContractError,
    CooperationEvent,
    Event,
    FieldChange,
    OfferId,
    Pairwise,
    PartnerSlug,
    Party,
    Shared,
    UnitId,
    is_audible,
    key_for,
    new_id,
    subject_for,
    view_for,
)
from schemas.codes import Scope
from schemas.directory import OfferState, Reminder
from schemas.documents import contract_events
from tests.schemas.samples import a, declare, forgotten_classes

STATUS, OUTCOME, TOGETHER = Scope.FEEDBACK_STATUS, Scope.FEEDBACK_OUTCOME, Scope.COOPERATION
EVERY_SCOPES = [frozenset(some) for n in range(4) for some in combinations([STATUS, OUTCOME, TOGETHER], n)]


class Between(CaseEvent, abstract=True):
    """A case event with a sender, a recipient and participants."""

    def parties(self) -> Mapping[Party, PartnerSlug]:
        return {Party.SENDER: PartnerSlug("one"), Party.RECIPIENT: PartnerSlug("two")}

    def participants(self) -> tuple[UnitId, ...]:
        return (UnitId("one/a"), UnitId("three/b"))


def reference(id: UUID) -> str:
    """A reference as a partner's key would make it; here the id backwards."""
    return id.hex[::-1]


def seen(event: Event, party: Party, *scopes: Scope) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(view_for(event, party, frozenset(scopes), reference))
    return content


class Nested(BaseModel):
    inner: Annotated[int, Shared] = 0


class Doubled(BaseModel):
    case_id: Annotated[CaseId, Shared]


Hidden = NewType("Hidden", Annotated[int, Shared])


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize(
    "annotation",
    [
        Annotated[int, Shared] | None,
        list[Annotated[int, Shared]],
        dict[str, Annotated[UUID, Pairwise]],
        tuple[tuple[Annotated[int, Shared(needs=STATUS)], ...], ...],
        Annotated[Annotated[int, Shared] | None, "a word of somebody else"],
        Nested,
        list[Nested] | None,
        tuple[Hidden, ...],
    ],
    ids=str,
)
def test_marker_inside_a_type_fails_at_import(annotation: Any) -> None:
    """Pydantic would lose it silently, so it must not stand there."""
    with pytest.raises(ContractError, match=r"Happened\.x has a visibility marker inside its type"):
        declare(CaseEvent, {"x": annotation})


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"x": Annotated[int, Shared, Shared]}, r"Happened\.x has two visibility markers"),
        ({"x_id": Annotated[UUID, Shared, Pairwise]}, r"Happened\.x_id has two visibility markers"),
        ({"x_id": Annotated[str, Pairwise]}, r"Happened\.x_id is Pairwise"),
        ({"x_id": Annotated[UUID | None, Pairwise]}, r"Happened\.x_id is Pairwise"),
        ({"x": Annotated[UUID, Pairwise]}, r"Happened\.x is Pairwise"),
        ({"x_id": Annotated[UUID, Pairwise], "x_ref": Annotated[str, Shared]}, "share the name x_ref"),
        ({"case_id": CaseId}, r"Happened\.case_id is declared again in Happened"),
        ({"acted_by": Annotated[str, Shared]}, r"Happened\.acted_by is declared again in Happened"),
        ({"changes": Annotated[list[int], Shared]}, r"Happened\.changes must be a tuple"),
    ],
)
def test_marker_that_would_not_hold_fails_at_import(fields: dict[str, Any], sentence: str) -> None:
    """What a reader of the class believes is what happens."""
    with pytest.raises(ContractError, match=sentence):
        declare(CaseEvent, fields)


@pytest.mark.usefixtures("registry")
def test_field_declared_by_two_bases_fails_at_import() -> None:
    """Which of the two words holds would depend on the order of the bases."""
    with pytest.raises(ContractError, match=r"case_id is declared again"):

        class Mixed(CaseEvent, Doubled, type="lotse.test.mixed.v1", audience=frozenset()):
            pass


@pytest.mark.usefixtures("registry")
def test_markers_are_found_through_new_types_and_on_optional_fields() -> None:
    """A marker on the whole field holds whatever the type is."""
    happened = declare(
        CaseEvent, {"offer_id": Annotated[OfferId, Pairwise], "x": Annotated[int | None, Shared], "y": int}
    )
    assert happened.view.always == {"x"}
    assert happened.view.pairwise == {"case_id": "case_ref", "offer_id": "offer_ref"}


markers = st.sampled_from([None, Shared, Shared(), Shared(needs=STATUS), Shared(needs=OUTCOME), Shared(needs=TOGETHER)])


@given(
    plain=st.lists(markers, max_size=6),
    ids=st.lists(st.sampled_from([None, Shared, Pairwise, Pairwise()]), max_size=3),
    party=st.sampled_from(list(Party)),
    scopes=st.sampled_from(EVERY_SCOPES),
    changed=st.sets(st.integers(0, 8)),
)
def test_nothing_without_a_word_ever_leaves(
    plain: list[Any], ids: list[Any], party: Party, scopes: frozenset[Scope], changed: set[int]
) -> None:
    """Whatever a class declares: a party sees the fields meant for it, and no value of another."""
    said = {f"f{n}": marker for n, marker in enumerate(plain)} | {f"i{n}_id": marker for n, marker in enumerate(ids)}
    types = {name: UUID if name.endswith("_id") else str for name in said}
    fields = {name: Annotated[types[name], said[name]] if said[name] else types[name] for name in said}
    values: dict[str, Any] = {name: new_id() if types[name] is UUID else f"secret-{name}!" for name in said}
    changes = [FieldChange(field=name, previous=f"old-{name}!", new=f"new-{name}!") for name in sorted(said)]
    changes = [change for n, change in enumerate(changes) if n in changed]
    with forgotten_classes():
        happened = declare(
            Between, {**fields, "changes": Annotated[tuple[FieldChange, ...], Shared]}, audience=frozenset(Party)
        )
        event = happened(case_id=new_id(), changes=changes, **values)
        raw = view_for(event, party, scopes, reference).decode()

    def visible(marker: Any) -> bool:
        needs = marker.needs if isinstance(marker, Shared) else None
        return marker is Shared or (
            isinstance(marker, Shared) and (not needs or party is Party.RECIPIENT or needs in scopes)
        )

    open_fields = {name for name, marker in said.items() if visible(marker)}
    pairwise = {name for name, marker in said.items() if marker is Pairwise or isinstance(marker, Pairwise)}
    content = json.loads(raw)
    assert content.keys() == {"case_ref", "changes", *open_fields, *(f"{name[:-3]}_ref" for name in pairwise)}
    assert [change["field"] for change in content["changes"]] == [c.field for c in changes if c.field in open_fields]
    for name in said.keys() - open_fields:
        assert str(values[name]) not in raw
        assert f"-{name}!" not in raw
    assert str(event.case_id) not in raw


@given(st.sampled_from(contract_events()), st.sampled_from(list(Party)), st.sampled_from(EVERY_SCOPES))
def test_no_event_shows_an_internal_field_or_a_bare_case_id(
    event_class: type[Event], party: Party, scopes: frozenset[Scope]
) -> None:
    """Over every event, party and consent: fields without a word and Lotse's own case ids stay inside."""
    event = a(event_class.event_type)
    if party not in event.audience:
        assert not is_audible(event_class, party, scopes)
        return
    raw = view_for(event, party, scopes, reference)
    inside = event_class.model_fields.keys() - event_class.view.shared
    assert not json.loads(raw).keys() & inside
    for name in event_class.view.pairwise:
        assert str(getattr(event, name)).encode() not in raw
        assert reference(getattr(event, name)).encode() in raw


HEARD = {
    # event: (recipient hears it, sender needs)
    "lotse.consent.given.v1": (False, "never"),
    "lotse.consent.withdrawn.v1": (True, None),
    "lotse.consent.expired.v1": (True, None),
    "lotse.person.disclosed.v1": (False, "never"),
    "lotse.referral.requested.v1": (True, None),
    "lotse.referral.received.v1": (True, None),
    "lotse.referral.accepted.v1": (True, STATUS),
    "lotse.referral.rejected.v1": (True, None),
    "lotse.referral.started.v1": (True, STATUS),
    "lotse.referral.completed.v1": (True, STATUS),
    "lotse.referral.ended.v1": (True, None),
    "lotse.referral.status_shared.v1": (False, STATUS),
}


@pytest.mark.parametrize(("event_type", "heard"), HEARD.items())
def test_sender_hears_only_what_the_person_allowed(event_type: str, heard: tuple[bool, Any]) -> None:
    """Without the feedback consent the sender hears received, rejected and ended."""
    event_class, (recipient, sender_needs) = type(a(event_type)), heard
    assert is_audible(event_class, Party.RECIPIENT, frozenset()) is recipient
    assert is_audible(event_class, Party.SENDER, frozenset()) is (sender_needs is None)
    assert is_audible(event_class, Party.SENDER, frozenset({STATUS})) is (sender_needs in (None, STATUS))


def test_all_other_partners_hear_of_offers_and_contacts() -> None:
    """The directory is for everyone but its author, whom it reminds of what should be assured again."""
    for event_class in contract_events():
        is_directory, is_reminder = event_class.topic == "lotse.directory.v1", issubclass(event_class, Reminder)
        assert is_audible(event_class, Party.OTHERS, frozenset()) is (is_directory and not is_reminder)
        assert is_audible(event_class, Party.OWNER, frozenset()) is is_reminder


def test_outcome_needs_its_own_consent_of_the_sender_but_not_of_the_recipient() -> None:
    """The recipient did the work; the sender learns what came of it only if the person wants it."""
    event = a("lotse.referral.completed.v1")
    assert "outcome" not in seen(event, Party.SENDER, STATUS)
    assert seen(event, Party.SENDER, STATUS, OUTCOME)["outcome"] == "need-met"
    assert seen(event, Party.RECIPIENT)["outcome"] == "need-met"


def test_how_a_referral_ended_needs_the_feedback_consent() -> None:
    """That it ended is told to the sender, whether by cancelling or detaching is not."""
    event = a("lotse.referral.ended.v1")
    assert not {"mode", "reason", "state"} & seen(event, Party.SENDER).keys()
    assert seen(event, Party.SENDER, STATUS)["mode"] == "detached"


def test_a_participant_hears_only_under_a_consent_to_cooperation() -> None:
    """Whatever else the person allowed; and nobody is told as anything else."""
    together = [each for each in contract_events() if issubclass(each, CooperationEvent)]
    assert together
    for event_class in together:
        assert event_class.audience == {Party.PARTICIPANT}
        assert is_audible(event_class, Party.PARTICIPANT, frozenset({TOGETHER}))
        assert not is_audible(event_class, Party.PARTICIPANT, frozenset({STATUS, OUTCOME, Scope.TRANSFER}))


def test_why_a_unit_declined_or_a_cooperation_ended_needs_the_consent() -> None:
    """That it did does not; who else takes part and what it rests on never leaves."""
    for name, reason in (("declined", "no-capacity"), ("left", "consent-withdrawn"), ("ended", "aim-reached")):
        event = a(f"lotse.cooperation.{name}.v1")
        assert seen(event, Party.PARTICIPANT).keys() == {"case_ref", "cooperation_id", "unit"}
        assert seen(event, Party.PARTICIPANT, TOGETHER)["reason"] == reason
    proposed = seen(a("lotse.cooperation.proposed.v1"), Party.PARTICIPANT, TOGETHER)
    assert proposed.keys() == {"case_ref", "cooperation_id", "unit", "asked"}


def test_participants_have_to_be_named() -> None:
    """A class that tells participants without saying who they are fails at import."""
    with forgotten_classes(), pytest.raises(ContractError, match="does not say who they are"):
        declare(CaseEvent, {}, audience={Party.PARTICIPANT})


def test_withdrawal_shows_references_instead_of_ids() -> None:
    """A partner gets its own names for case and consent, under names of their own."""
    event = a("lotse.consent.withdrawn.v1")
    assert seen(event, Party.RECIPIENT) == {
        "case_ref": reference(event.case_id),
        "consent_ref": reference(event.consent_id),
        "from_unit": "stadt-koblenz/integration",
        "to_unit": "awo-rheinland/mbe",
        "scope": "transfer",
    }


def test_informed_partner_learns_of_an_erasure_only_the_case() -> None:
    """Why a record was erased is nobody else's business."""
    event = a("lotse.person.erased.v1")
    assert seen(event, Party.INFORMED) == {"case_ref": reference(event.case_id)}


def test_informed_partner_sees_a_closing_event_as_a_sender_without_consent_does() -> None:
    """Whoever was told before may hear of the end, and no more than that."""
    event = a("lotse.referral.ended.v1")
    assert seen(event, Party.INFORMED) == seen(event, Party.SENDER)


@pytest.mark.parametrize(
    ("event_type", "party"),
    [
        ("lotse.consent.given.v1", Party.RECIPIENT),
        ("lotse.referral.completed.v1", Party.OTHERS),
        ("lotse.referral.completed.v1", Party.INFORMED),
        ("lotse.referral.status_shared.v1", Party.RECIPIENT),
        ("lotse.offer.changed.v1", Party.SENDER),
    ],
)
def test_no_view_is_made_for_a_party_that_is_not_told(event_type: str, party: Party) -> None:
    """A mistake in the caller stops there instead of leaking."""
    with pytest.raises(ValueError, match="is not told to"):
        view_for(a(event_type), party, frozenset(), reference)


def test_key_and_subject_leave_as_references_where_the_key_is_pairwise() -> None:
    """What orders a stream does not name the case either."""
    event = a("lotse.referral.completed.v1")
    assert key_for(event, reference) == reference(event.case_id)
    assert subject_for(event, reference) == f"case/{reference(event.case_id)}"
    offer = a("lotse.offer.changed.v1")
    assert (key_for(offer, reference), subject_for(offer, reference)) == (offer.key, offer.subject)


def test_changes_name_each_field_that_differs_with_both_values() -> None:
    """A changed offer says what changed, in the order of its fields."""
    old = OfferState(**{name: getattr(a("lotse.offer.published.v1"), name) for name in OfferState.model_fields})
    new = old.model_copy(update={"schedule": None, "languages": ("de",)})
    assert old.changes_to(old) == ()
    assert old.changes_to(new) == (
        FieldChange(field="languages", previous=["de", "ar", "kmr-Latn", "de-simple"], new=["de"]),
        FieldChange(field="schedule", previous="Mo bis Do 9 bis 12 Uhr", new=None),
    )


def test_every_change_of_a_public_state_is_shown() -> None:
    """Offers and contacts are public in full; a field added without a word would be noticed here."""
    for name in ("offer", "contact"):
        event = a(f"lotse.{name}.changed.v1")
        hidden = type(event).model_fields.keys() - event.view.shared
        assert hidden == {"acted_by"}
        everything = [FieldChange(field=field, previous=0, new=1) for field in sorted(type(event).model_fields)]
        shown = seen(type(event)(**{**dict(event), "changes": everything}), Party.OTHERS)["changes"]
        assert [change["field"] for change in shown] == [c.field for c in everything if c.field != "acted_by"]


def test_every_scope_set_was_tried() -> None:
    """The tables above range over all consents that change a view."""
    needed = chain.from_iterable([*each.view.needing.values(), each.sender_needs] for each in contract_events())
    assert set(needed) - {None} == {STATUS, OUTCOME, TOGETHER}

"""docs/referral-states.md: drawn from the transitions, so that it cannot say anything else than the service does."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import BaseModel

from deploy.states.tables import table
from schemas import Party
from schemas.codes import ReferralState
from services.referral.api.bodies import (
    Acceptance,
    Annulment,
    Cancellation,
    Completion,
    Failure,
    Hold,
    Rejection,
    Start,
    TakingBack,
)
from services.referral.model.insight import WITHOUT_FEEDBACK
from services.referral.model.referrals import (
    ACTS,
    IN_PROGRESS,
    ON_HOLD,
    OPEN,
    RECEIVES_FIRST,
    REQUESTED,
    TRANSITIONS,
    Act,
)
from services.referral.model.telling import event_class_of

WRITTEN = "<!-- written by `python -m deploy.states` from the transitions of services/referral/model/referrals.py -->"
BODIES: Mapping[Act, type[BaseModel]] = {
    Act.ACCEPT: Acceptance,
    Act.REJECT: Rejection,
    Act.TAKE_BACK: TakingBack,
    Act.START: Start,
    Act.HOLD: Hold,
    Act.COMPLETE: Completion,
    Act.FAIL: Failure,
    Act.CANCEL: Cancellation,
    Act.ANNUL: Annulment,
}
OF_A_PAUSE: Sequence[tuple[Act, str]] = ((Act.RESUME, "accepted, in-progress"), (Act.CANCEL, "cancelled, detached"))
"""What leads out of a pause to where the referral came from, or would have gone from there."""


def page() -> str:
    """The whole document."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield from ("# The life of a referral", "", WRITTEN, "")
    yield "The states are FHIR Task's, `expired` and `detached` ours (see the [glossary](glossary.md)). Not drawn:"
    yield "`annul` leads from every state to `entered-in-error`, once two persons of the unit that sent the referral"
    yield "have said so. An illegal act is answered 409 and leaves no event."
    yield from ("", "```mermaid", "stateDiagram-v2", "    [*] --> requested: request")
    for (state, act), to in TRANSITIONS.items():
        if act is not Act.ANNUL:
            yield f"    {_node(state)} --> {_node(to)}: {act}"
    for act, targets in OF_A_PAUSE:
        for target in targets.split(", "):
            yield f"    {_node(ON_HOLD)} --> {_node(ReferralState(target))}: {act}"
    for state in ReferralState:
        if state not in OPEN and state in WITHOUT_FEEDBACK and state is not ReferralState.ENTERED_IN_ERROR:
            yield f"    {_node(state)} --> [*]"
    yield from ("```", "", "## Acts", "")
    yield "`*`: whoever answers a request has received it, and the received event comes first."
    yield ""
    yield from table(
        ("from", "act", "to", "whose act", "what it says", "event"),
        [*_rows(), *(_pause_row(act, targets) for act, targets in OF_A_PAUSE)],
    )
    yield from ("", "## What the sender reads", "")
    yield "With a consent to FEEDBACK_STATUS the state itself; with FEEDBACK_OUTCOME too, the outcome and why something"
    yield "failed. Without one:"
    yield ""
    yield from table(
        ("state", "read as"), [(state.value, standing.value) for state, standing in WITHOUT_FEEDBACK.items()]
    )


def _rows() -> Iterator[Sequence[str]]:
    for (state, act), to in TRANSITIONS.items():
        if act is Act.ANNUL:
            continue
        yield (state.value, act.value, to.value, _whose(act), _said(act), f"`{event_class_of(to, act).event_type}`")
        if act in RECEIVES_FIRST:
            event_type = event_class_of(to, act).event_type
            yield (f"{REQUESTED.value} *", act.value, to.value, _whose(act), _said(act), f"`{event_type}`")
    event_type = event_class_of(ReferralState.ENTERED_IN_ERROR, Act.ANNUL).event_type
    yield ("any", Act.ANNUL.value, "entered-in-error", _whose(Act.ANNUL), _said(Act.ANNUL), f"`{event_type}`")


def _pause_row(act: Act, targets: str) -> Sequence[str]:
    to = IN_PROGRESS if act is Act.RESUME else ReferralState.CANCELLED
    return (ON_HOLD.value, act.value, targets, _whose(act), _said(act), f"`{event_class_of(to, act).event_type}`")


def _whose(act: Act) -> str:
    return ", ".join(party.value for party in (Party.SENDER, Party.RECIPIENT) if act in ACTS[party]) or "the clock"


def _said(act: Act) -> str:
    fields = BODIES[act].model_fields if act in BODIES else {}
    return ", ".join(f"`{name}`" if field.is_required() else f"(`{name}`)" for name, field in fields.items())


def _node(state: ReferralState) -> str:
    """Mermaid takes no hyphen in a name."""
    return state.value.replace("-", "_")

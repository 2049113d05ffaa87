"""docs/cooperation-states.md: drawn from the table of who may do what when, and from what each event makes of it."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import BaseModel

from deploy.states.tables import table
from schemas.cooperation import CooperationState
from services.referral.api.cooperation_bodies import Declining, Ending, Meeting, NamingLead, NewStep, TakingPart
from services.referral.model.cooperations import PERMITTED, Act, Part

WRITTEN = "<!-- written by `python -m deploy.states` from services/referral/model/cooperations.py -->"
BODIES: Mapping[Act, type[BaseModel]] = {
    Act.AGREE: TakingPart,
    Act.DECLINE: Declining,
    Act.NAME_LEAD: NamingLead,
    Act.PLAN_MEETING: Meeting,
    Act.PLAN_STEP: NewStep,
    Act.END: Ending,
}
ARROWS: Sequence[tuple[str, str, str]] = (
    ("[*]", "proposed", "propose"),
    ("proposed", "agreed", "agree, by the first"),
    ("proposed", "lapsed", "end, or nobody is left"),
    ("agreed", "ended", "end, or nobody is left"),
    ("lapsed", "[*]", ""),
    ("ended", "[*]", ""),
)
"""A model test goes these ways, and no other."""


def page() -> str:
    """The whole document."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield from ("# The life of a cooperation", "", WRITTEN, "")
    yield "Nobody is left when everybody whom the proposer asked has declined, has ended its part, or has lost a"
    yield "consent that ties it to the proposer. The erasure of the person ends every cooperation on the case. Who"
    yield "hears what: [ADR 0020](adr/0020-cooperation-by-who-speaks.md). An act that is not listed is answered 409 and"
    yield "leaves no event."
    yield from ("", "```mermaid", "stateDiagram-v2")
    for before, after, act in ARROWS:
        yield f"    {before} --> {after}" + (f": {act}" if act else "")
    yield from ("```", "", "## Acts", "")
    yield from table(("state", "whose act", "act", "what it says"), list(_rows()))


def _rows() -> Iterator[Sequence[str]]:
    for state in CooperationState:
        for part in Part:
            permitted = PERMITTED.get((state, part), frozenset[Act]())
            yield from ((state.value, part.value, act.value, _said(act)) for act in Act if act in permitted)


def _said(act: Act) -> str:
    fields = BODIES[act].model_fields if act in BODIES else {}
    return ", ".join(f"`{name}`" for name in fields)

"""The plan of a batch against a second, naive telling of the same rules: one record after the other, nothing shared."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from schemas import Event
from services.chassis.keys import Key
from services.chassis.offsets import Partition
from services.chassis.planning import Known, Plan, plan
from services.chassis.records import Fault, Incoming, Record, read
from services.chassis.versions import Applied, Stream
from tests.badinput.effort import FUZZ
from tests.badinput.mangled import mangled_records
from tests.chassis import probe as probes
from tests.chassis.probe import OTHER_SOURCE, SOURCE, Probe, record

TOPIC = "lotse.cases.v1"
CASES = [UUID(int=number) for number in (1, 2, 3)]
KINDS = ("given", "withdrawn", "accepted", "broken", "unknown", "unreadable")
HANDLERS = Probe().handlers
BASELINE = 3


@dataclass(frozen=True)
class Row:
    """One record of a batch, as a rule sees it."""

    case: int
    source: str
    version: int
    kind: str
    poisoned: bool


rows = st.builds(
    Row,
    case=st.integers(0, len(CASES) - 1),
    source=st.sampled_from([SOURCE, OTHER_SOURCE]),
    version=st.integers(1, 5),
    kind=st.sampled_from(KINDS),
    poisoned=st.booleans(),
)
applied_before = st.dictionaries(
    st.tuples(st.integers(0, len(CASES) - 1), st.sampled_from([SOURCE, OTHER_SOURCE])), st.integers(1, 3)
)
parked_before = st.sets(st.integers(0, len(CASES) - 1))


def written(row: Row, offset: int) -> Record:
    """The row as Kafka would hold it."""
    if row.kind == "broken":
        return record(_event("given", row.case), row.version, offset, source=row.source, value=b"{")
    if row.kind == "unknown":
        return record(
            _event("given", row.case), row.version, offset, source=row.source, ce_type=b"lotse.consent.dreamt.v1"
        )
    if row.kind == "unreadable":
        return record(_event("given", row.case), row.version, offset, source=row.source, ce_time=b"yesterday")
    return record(_event(row.kind, row.case), row.version, offset, source=row.source)


def _event(kind: str, case: int) -> Event:
    event: Event = getattr(probes, kind)(CASES[case])
    return event


def told(
    batch: Sequence[Row], applied: dict[tuple[int, str], int], parked: set[int], baseline: int
) -> list[tuple[bool, str]]:
    """What becomes of each row: whether a handler sees it now, and why it is parked ("" where it is not)."""
    applied, parked, result = dict(applied), set(parked), []
    for offset, row in enumerate(batch):
        last = applied.get((row.case, row.source), 0)
        is_next = row.version == last + 1 or (last == 0 and offset < baseline)
        if row.version <= last:
            result.append((False, ""))
            continue
        why = ""
        if row.case in parked:
            why = "waits"
        elif row.poisoned:
            why = "poisoned"
        elif not is_next:
            why = "gap"
        elif row.kind in ("broken", "unknown", "unreadable"):
            why = {"broken": "undecodable", "unknown": "unknown-type", "unreadable": "envelope"}[row.kind]
        if why:
            parked.add(row.case)
            result.append((row.kind == "withdrawn" and not row.poisoned, why))
        else:
            applied[row.case, row.source] = row.version
            result.append((row.kind in ("given", "withdrawn"), ""))
    return result


def planned(batch: Sequence[Incoming], result: Plan) -> list[tuple[bool, str]]:
    """The same of a plan."""
    runs = {incoming.record.offset for incoming, _ in result.run}
    why = {incoming.record.offset: fault.code for incoming, fault in result.letters}
    return [(each.record.offset in runs, why.get(each.record.offset, "")) for each in batch]


@FUZZ
@given(st.lists(rows, max_size=12), applied_before, parked_before, st.integers(0, BASELINE))
def test_a_plan_is_what_the_rules_tell(
    batch: list[Row], applied: dict[tuple[int, str], int], parked: set[int], baseline: int
) -> None:
    """Every record of every batch, whatever was applied and parked before."""
    incoming = [read(written(row, offset)) for offset, row in enumerate(batch)]
    known = Known(
        {_key(case) for case in parked},
        Applied({Stream(_key(case), source): version for (case, source), version in applied.items()}),
        {Partition(TOPIC, 0): baseline},
    )
    poison = {offset: Fault("poisoned", "refused") for offset, row in enumerate(batch) if row.poisoned}
    result = plan(incoming, known, {Partition(TOPIC, 0): poison}, HANDLERS)
    expected = told(batch, applied, parked, baseline)
    assert planned(incoming, result) == expected
    assert [each.record.offset for each, _ in result.run] == [at for at, (runs, _) in enumerate(expected) if runs]
    newly = {_key(batch[at].case) for at, (_, why) in enumerate(expected) if why}
    assert result.parked == newly - known.parked


def _key(case: int) -> Key:
    return Key(TOPIC, str(CASES[case]))


@FUZZ
@given(st.lists(mangled_records(), max_size=8))
def test_any_records_at_all_make_a_plan(batch: list[Record]) -> None:
    """Each is applied, parked, passed or a duplicate; none raises, and none is dropped in silence."""
    incoming = [read(each._replace(offset=offset)) for offset, each in enumerate(batch)]
    result = plan(incoming, Known(set(), Applied(), {}), {}, HANDLERS)
    accounted = {each.record.offset for each, _ in [*result.run, *result.letters]}
    silent = [each for each in incoming if each.record.offset not in accounted]
    assert len(silent) >= result.duplicates
    assert all(each.fault is None or each.version is not None for each in silent)

"""No single change of a chain escapes the check, whatever is changed and wherever."""

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from deploy.cli.chain_check import SUSPECTS, ChainCheck, SignedHead
from schemas.disclosure_chain import (
    NO_HASH,
    ChainedDisclosure,
    Disclosure,
    Head,
    Kind,
    canonical,
    canonical_around_place,
)
from services.chassis.signing import SigningKey, jwk

KEY = SigningKey(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
RECIPIENT = "awo-rheinland"

texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
disclosures = st.builds(
    Disclosure,
    recipient=st.just(RECIPIENT),
    kind=st.sampled_from([str(kind) for kind in Kind]),
    disclosure_id=st.uuids(),
    disclosed_at=st.datetimes(timezones=st.just(UTC), min_value=datetime(2014, 1, 8)),  # noqa: DTZ001  # see timezones
    referral_id=st.none() | st.uuids(),
    case_ref=st.none() | texts,
    to_unit=st.none() | texts,
    fetched_by=st.none() | texts,
    consent_refs=st.lists(texts, max_size=3).map(tuple),
    data_categories=st.lists(texts, max_size=3).map(tuple),
    epoch=st.none() | st.integers(1, 2**62),
)


def chain_of(said: Sequence[Disclosure]) -> list[ChainedDisclosure]:
    """A sound chain."""
    chain: list[ChainedDisclosure] = []
    for number, disclosure in enumerate(said, 1):
        unhashed = ChainedDisclosure(disclosure, number, chain[-1].row_hash if chain else NO_HASH, b"")
        chain.append(replace(unhashed, row_hash=unhashed.hash_of_fields()))
    return chain


def found(rows: Sequence[ChainedDisclosure], head: tuple[int, bytes] | None, *signed: SignedHead) -> list[str]:
    """What the check says of these rows, given as a database gives them: by number."""
    check = ChainCheck(signed, {KEY.key_id: KEY.public})
    findings = [finding for row in sorted(rows, key=lambda row: row.number) for finding in check.follow(row)]
    return findings + list(check.end(head))


def a_head(chain: Sequence[ChainedDisclosure], number: int) -> SignedHead:
    """The signed head of a day on which the chain ended there."""
    head = Head(RECIPIENT, date(2026, 1, number), number, chain[number - 1].row_hash)
    return SignedHead(head, KEY.key_id, KEY.sign(head.signed_text()))


def other(value: Any) -> Any:
    """Something else of the same type."""
    others: dict[type, Callable[[Any], Any]] = {
        str: lambda it: it + "x",
        int: lambda it: it + 1,
        bytes: lambda it: bytes([it[0] ^ 1]) + it[1:],
        tuple: lambda it: (*it, "x"),
        UUID: lambda it: UUID(int=it.int ^ 1),
        datetime: lambda it: it - timedelta(microseconds=1),
    }
    return "x" if value is None else others[type(value)](value)


@given(st.lists(disclosures, min_size=1, max_size=6), st.data())
def test_any_single_change_of_any_field_of_any_row_is_found(said: list[Disclosure], data: st.DataObject) -> None:
    """Nothing is found before it, and something after it."""
    chain = chain_of(said)
    end = (len(chain), chain[-1].row_hash)
    signed = [a_head(chain, number) for number in range(1, len(chain) + 1)]
    assert found(chain, end, *signed) == []
    place = data.draw(st.integers(0, len(chain) - 1))
    row = chain[place]
    names = [each.name for each in fields(Disclosure)]
    name = data.draw(st.sampled_from([*names, "number", "previous_hash", "row_hash"]))
    if name in names:
        value = getattr(row.disclosure, name)
        chain[place] = replace(row, disclosure=replace(row.disclosure, **{name: other(value)}))
    else:
        chain[place] = replace(row, **{name: other(getattr(row, name))})
    assert found(chain, end)
    assert found(chain, end, *signed)


@given(st.lists(disclosures, min_size=2, max_size=6, unique_by=lambda each: each.disclosure_id), st.data())
def test_any_row_left_out_doubled_or_swapped_is_found(said: list[Disclosure], data: st.DataObject) -> None:
    """And two rows that changed places are named together."""
    chain = chain_of(said)
    end = (len(chain), chain[-1].row_hash)
    one, two = sorted(data.draw(st.sets(st.integers(0, len(chain) - 1), min_size=2, max_size=2)))
    assert found(chain[:one] + chain[one + 1 :], end)
    assert f"number {chain[one].number}: is there twice" in found([*chain, chain[one]], end)
    moved = list(chain)
    moved[one] = replace(chain[one], number=chain[two].number)
    moved[two] = replace(chain[two], number=chain[one].number)
    assert f"number {one + 1}: swapped with number {two + 1}" in found(moved, end)
    said_elsewhere = list(chain)
    said_elsewhere[one] = replace(chain[one], disclosure=chain[two].disclosure)
    said_elsewhere[two] = replace(chain[two], disclosure=chain[one].disclosure)
    assert f"number {one + 1}: swapped with number {two + 1}" in found(said_elsewhere, end)


@given(disclosures)
def test_the_halves_around_the_place_are_the_canonical_text(said: Disclosure) -> None:
    """Whatever the fields hold, also what looks like a place."""
    said = replace(said, fetched_by=f'","number":0,"previous_hash":""{said.fetched_by}')
    before, after = canonical_around_place(said.fields())
    whole = ChainedDisclosure(said, 17, NO_HASH, b"").fields()
    assert f'{before}"number":17,"previous_hash":"{"0" * 64}"{after}'.encode() == canonical(whole)


def a_row(number: int) -> Disclosure:
    """One row like many."""
    at = datetime(2026, 1, 5, tzinfo=UTC) + timedelta(seconds=number)
    return Disclosure(RECIPIENT, Kind.DISCLOSED, UUID(int=number), at, fetched_by="system")


def test_very_many_changed_rows_are_all_named() -> None:
    """Beyond the number that is compared for swaps too."""
    chain = chain_of([a_row(number) for number in range(SUSPECTS + 50)])
    changed = [replace(row, disclosure=replace(row.disclosure, fetched_by="x")) for row in chain]
    assert len(found(changed, (len(chain), chain[-1].row_hash))) == len(chain)


def test_a_changed_row_hides_no_other_fault_behind_it() -> None:
    """Rows 2 and 5 are changed, 7 is left out, and each is named once."""
    chain = chain_of([a_row(number) for number in range(9)])
    for place in (1, 4):
        chain[place] = replace(chain[place], disclosure=replace(chain[place].disclosure, fetched_by="x"))
    findings = found([*chain[:6], *chain[7:]], (9, chain[-1].row_hash))
    assert sorted(each.split(":")[0] for each in findings) == ["number 2", "number 5", "number 7"]


def test_a_published_key_is_a_jwk_named_by_its_thumbprint() -> None:
    """The example of RFC 8037, appendix A."""
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    assert jwk(SigningKey(Ed25519PrivateKey.from_private_bytes(seed)).public) == {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
        "use": "sig",
    }

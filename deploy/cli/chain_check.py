"""What is wrong with one recipient's chain of the disclosure log, found while its rows go by in order."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from schemas.disclosure_chain import NO_HASH, ChainedDisclosure, Head, Kind
from services.chassis.signing import is_signed

# Rows kept to find out which of them were swapped with each other; each is compared with each.
SUSPECTS = 200


@dataclass(frozen=True)
class SignedHead:
    """A head as it was signed on a day."""

    head: Head
    key_id: str
    signature: bytes


@dataclass
class ChainCheck:
    """One chain. Feed every row to `follow`, by number, then call `end`; both yield what they find, in words.

    signed: the chain's signed heads. keys: the public keys by their ids.
    """

    signed: Sequence[SignedHead]
    keys: Mapping[str, bytes]
    rows: int = 0
    restored: list[str] = field(default_factory=list)
    _number: int = 0
    # Of the rows with the last number; empty where they are missing or not to be trusted.
    _hashes: list[bytes] = field(default_factory=lambda: [NO_HASH])
    _suspects: list[ChainedDisclosure] = field(default_factory=list)
    _heads_by_number: dict[int, list[SignedHead]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for each in self.signed:
            self._heads_by_number.setdefault(each.head.number, []).append(each)

    def follow(self, row: ChainedDisclosure) -> Iterator[str]:
        """The next row, the one with the lowest number of those that are left."""
        self.rows += 1
        if row.disclosure.kind == Kind.RESTORED:
            self.restored.append(f"number {row.number}: restored on {row.disclosure.disclosed_at:%Y-%m-%d %H:%M} UTC")
        if row.number < 1:
            yield f"number {row.number}: a chain begins with 1"
            return
        if row.number == self._number:
            yield f"number {row.number}: is there twice"
        # What this row may follow on; nothing where that cannot be told.
        before = self._hashes if row.number == self._number + 1 else []
        if row.number > self._number + 1:
            yield _missing(self._number + 1, row.number - 1)
        is_sound = row.hash_of_fields() == row.row_hash
        if not is_sound:
            yield from self._suspect(row, before)
        elif before and row.previous_hash not in before:
            yield f"number {row.number}: link: it follows on another row {row.number - 1} than the one that is there"
        yield from self._differing(row)
        same = self._hashes if row.number == self._number else []
        self._number, self._hashes = row.number, [*same, *([row.row_hash] if is_sound else [])]

    def _suspect(self, row: ChainedDisclosure, before: Sequence[bytes]) -> Iterator[str]:
        if any(replace(row, previous_hash=each).hash_of_fields() == row.row_hash for each in before):
            yield f"number {row.number}: link: the hash of the row before was changed"
        elif len(self._suspects) < SUSPECTS:
            self._suspects.append(row)
        else:
            yield _changed(row)

    def _differing(self, row: ChainedDisclosure) -> Iterator[str]:
        for signed in self._heads_by_number.get(row.number, ()):
            if signed.head.hash != row.row_hash:
                yield f"{_of_day(signed)} was signed over another row {row.number} than the one that is there"

    def end(self, head: tuple[int, bytes] | None) -> Iterator[str]:
        """All rows went by. head: number and hash that the chain's head names; None where it is missing."""
        yield from self._swapped()
        yield from self._head(head)
        for signed in self.signed:
            yield from self._signature(signed)
            if signed.head.number > self._number:
                yield f"{_of_day(signed)} names number {signed.head.number}, but the chain ends with {self._number}"

    def _swapped(self) -> Iterator[str]:
        left = list(self._suspects)
        while left:
            row = left.pop(0)
            other = next((each for each in left if _are_swapped(row, each)), None)
            if other is None:
                yield _changed(row)
            else:
                left.remove(other)
                yield f"number {row.number}: swapped with number {other.number}"

    def _head(self, head: tuple[int, bytes] | None) -> Iterator[str]:
        number, last = head or (0, NO_HASH)
        if head is None and self._number:
            yield f"the chain has {self._number} rows and no head"
        elif number > self._number:
            yield f"{_missing(self._number + 1, number)} at the end"
        elif number < self._number:
            yield f"the head names number {number}, but the chain ends with {self._number}"
        elif self._hashes and last not in self._hashes:
            yield f"the head names another row {number} than the one that is there"

    def _signature(self, signed: SignedHead) -> Iterator[str]:
        key = self.keys.get(signed.key_id)
        if key is None:
            yield f"{_of_day(signed)}: its key {signed.key_id} is not known"
        elif not is_signed(key, signed.signature, signed.head.signed_text()):
            yield f"{_of_day(signed)}: the signature does not verify"


def _are_swapped(one: ChainedDisclosure, other: ChainedDisclosure) -> bool:
    """Whether each stands in the place of the other: with its hashes, or what it says alone."""
    return _fits(one, other) and _fits(other, one)


def _fits(row: ChainedDisclosure, place: ChainedDisclosure) -> bool:
    with_hashes = replace(row, number=place.number)
    alone = replace(place, disclosure=row.disclosure)
    return with_hashes.hash_of_fields() == row.row_hash or alone.hash_of_fields() == place.row_hash


def _changed(row: ChainedDisclosure) -> str:
    return f"number {row.number}: content: it does not say what its hash was made of"


def _missing(first: int, last: int) -> str:
    return f"number {first}: missing" if first == last else f"numbers {first} to {last}: missing"


def _of_day(signed: SignedHead) -> str:
    return f"signed head of {signed.head.day}"

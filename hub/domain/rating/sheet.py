"""The sheet a rating is written on: what was charged, running sums and notes."""

from decimal import Decimal

from hub.domain.rating.account import Sides, sides_of
from hub.domain.rating.breakdown import LineKind, Note, NoteCode
from hub.domain.rating.choose import Moment
from hub.domain.rating.compile import Bucket, Candidate, CompiledTariff

_ZERO = Decimal(0)


#: Why, the slot that was measured, a quantity in kWh, seconds or fees, the component that prices it (None where it is
#: free) and when. Bare tuples, as one is made per period and dimension; lines are made of them when somebody reads.
Entry = tuple[LineKind, int, Decimal, Candidate | None, Moment]

#: A bucket that was used and the two sides of its sum.
Account = tuple[Bucket, Sides]


class Sheet:
    """What one rating has written down so far; append-only."""

    __slots__ = ("entries", "notes", "sums")

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.notes: dict[tuple[NoteCode, object], Note] = {}
        #: Per tariff, the sum of quantity x price per bucket; None where the bucket was not used.
        self.sums: dict[CompiledTariff, list[Decimal | None]] = {}

    def note(self, code: NoteCode, message: str, *, period: int | None = None, about: object = None) -> None:
        """Make a note, once per code and what it is about."""
        self.notes.setdefault((code, about), Note(code=code, message=message, period=period))

    def charge(self, kind: LineKind, slot: int, quantity: Decimal, chosen: Candidate, moment: Moment) -> None:
        """Bill a quantity at a component's price; the moment has that component's tariff."""
        compiled = moment.compiled
        assert compiled is not None
        sums = self.sums.get(compiled)
        if sums is None:
            sums = self.sums[compiled] = [None] * len(compiled.buckets)
        so_far = sums[chosen.bucket]
        amount = quantity * chosen.price
        sums[chosen.bucket] = amount if so_far is None else so_far + amount
        self.entries.append((kind, slot, quantity, chosen, moment))

    def free(self, slot: int, quantity: Decimal, moment: Moment) -> None:
        """Write down a quantity that nothing prices."""
        self.entries.append((LineKind.FREE, slot, quantity, None, moment))

    def accounts(self) -> list[Account]:
        """Return every bucket that was used; call within the engine's decimal context."""
        return [
            (bucket, sides_of(bucket, total))
            for compiled, sums in self.sums.items()
            for bucket, total in zip(compiled.buckets, sums, strict=True)
            if total is not None
        ]

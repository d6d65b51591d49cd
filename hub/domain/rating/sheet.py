"""The sheet a rating is written on: lines, notes and running sums."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from hub.domain.rating.account import Account
from hub.domain.rating.breakdown import CostGroup, Line, LineKind, Note, NoteCode
from hub.domain.rating.compile import Candidate, CompiledTariff
from hub.domain.tariffs import Dimension

_ZERO = Decimal(0)


@dataclass(slots=True, kw_only=True)
class Place:
    """Where a line belongs: the period's index and start, and the tariff that prices it, None where none does."""

    compiled: CompiledTariff | None
    period: int
    start: datetime


class Sheet:
    """What one rating has written down so far; append-only."""

    __slots__ = ("accounts", "lines", "notes")

    def __init__(self) -> None:
        self.accounts: dict[CompiledTariff, list[Account]] = {}
        self.lines: list[Line] = []
        self.notes: dict[tuple[NoteCode, object], Note] = {}

    def note(self, code: NoteCode, message: str, *, period: int | None = None, about: object = None) -> None:
        """Make a note, once per code and what it is about."""
        self.notes.setdefault((code, about), Note(code=code, message=message, period=period))

    def charge(self, kind: LineKind, chosen: Candidate, quantity: Decimal, place: Place) -> None:
        """Add a line for a quantity at a component's price; the place has that component's tariff."""
        compiled = place.compiled
        assert compiled is not None
        accounts = self.accounts.get(compiled)
        if accounts is None:
            accounts = self.accounts[compiled] = [Account(bucket) for bucket in compiled.buckets]
        before, after = accounts[chosen.bucket].add(quantity * chosen.price)
        self.lines.append(
            Line(
                kind=kind,
                group=chosen.group,
                dimension=chosen.dimension,
                quantity=quantity,
                before_taxes=before,
                after_taxes=after,
                unit_price=chosen.price,
                vat=chosen.vat,
                period=place.period,
                start=place.start,
                tariff=compiled.tariff.id,
                element=chosen.element,
                component=chosen.component,
                step_size=chosen.step_size,
            )
        )

    def free(self, group: CostGroup, dimension: Dimension, quantity: Decimal, place: Place) -> None:
        """Add a line for a quantity that nothing prices."""
        self.lines.append(
            Line(
                kind=LineKind.FREE,
                group=group,
                dimension=dimension,
                quantity=quantity,
                before_taxes=_ZERO,
                after_taxes=_ZERO,
                period=place.period,
                start=place.start,
                tariff=place.compiled.tariff.id if place.compiled is not None else None,
            )
        )

"""How a total came about, written out when somebody reads it: most ratings only ever need their totals."""

from collections.abc import Iterator, Sequence
from decimal import Decimal, localcontext
from functools import cached_property

from hub.domain.money import OCPI_DECIMALS, round_half_away
from hub.domain.rating.account import Sides, less, sides_of
from hub.domain.rating.breakdown import CostGroup, Line, LineKind, Price, Rounding, TaxLine
from hub.domain.rating.compile import ENERGY, GROUPS, MEANING, CompiledTariff
from hub.domain.rating.exact import CONTEXT, spoken, written
from hub.domain.rating.reasons import NAMES, passed_over, why
from hub.domain.rating.sheet import Account, Entry

_ZERO = Decimal(0)
_NOTHING: Sides = (_ZERO, _ZERO)


class SheetWorkings:
    """The lines, taxes and roundings behind one result."""

    def __init__(
        self,
        *,
        entries: Sequence[Entry],
        accounts: Sequence[Account],
        totals: Sequence[Sides | None],
        exact: Sides,
    ) -> None:
        """Keep what is needed.

        `totals` are those of `GROUPS` and the total cost after its limits, all exact; `exact` is the total cost
        before them.
        """
        self._entries = entries
        self._accounts = accounts
        self._totals = totals
        self._exact = exact
        assert totals[-1] is not None
        self._limited = totals[-1]

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """Every entry with its amounts, and what a price limit moved."""
        with localcontext(CONTEXT):
            return _lines(self._entries, self._exact, self._limited)

    @cached_property
    def roundings(self) -> tuple[Rounding, ...]:
        """Every total that had more than four decimals."""
        return tuple(_roundings(self._totals))

    @cached_property
    def taxes(self) -> tuple[TaxLine, ...]:
        """The tax within the total cost by rate; none where it is unknown."""
        with localcontext(CONTEXT):
            return _taxes(self._accounts, self._exact, self._limited)


def _lines(entries: Sequence[Entry], exact: Sides, limited: Sides) -> tuple[Line, ...]:
    writer = _Writer()
    lines = [writer.line(entry) for entry in entries]
    if limited != exact:
        lines.append(_limit_line(less(limited, exact)))
    return tuple(lines)


def _roundings(totals: Sequence[Sides | None]) -> Iterator[Rounding]:
    for group, sides in zip((*GROUPS, CostGroup.LIMIT), totals, strict=True):
        for name, exact in zip(("before_taxes", "after_taxes"), sides or (None, None), strict=True):
            rounded = None if exact is None else round_half_away(exact, OCPI_DECIMALS)
            if exact is not None and rounded is not None and exact != rounded:
                yield Rounding(total=group.value, side=name, exact=exact, rounded=rounded)


class _Writer:
    """Writes lines so that they add up: a line's amount is the difference it makes to its bucket's cut sum."""

    def __init__(self) -> None:
        self._used: dict[int, Decimal] = {}
        self._sums: dict[tuple[CompiledTariff, int], tuple[Decimal, Sides]] = {}

    def line(self, entry: Entry) -> Line:
        kind, slot, quantity, chosen, moment = entry
        refused = () if kind is LineKind.STEP else passed_over(slot, chosen, moment)
        compiled = moment.compiled
        if chosen is None or compiled is None:
            return Line(
                kind=kind,
                group=MEANING[slot][0],
                dimension=MEANING[slot][1],
                quantity=quantity,
                before_taxes=_ZERO,
                after_taxes=_ZERO,
                period=moment.index,
                start=moment.period.start,
                tariff=None if compiled is None else compiled.tariff.id,
                why=why(slot, chosen, moment, refused),
                passed_over=refused,
            )
        key = (compiled, chosen.bucket)
        total, sides = self._sums.get(key, (_ZERO, _NOTHING))
        total += quantity * chosen.price
        grown = sides_of(compiled.buckets[chosen.bucket], total)
        self._sums[key] = (total, grown)
        before, after = less(grown, sides)
        used = self._used.get(slot, _ZERO)
        self._used[slot] = used + quantity
        return Line(
            kind=kind,
            group=chosen.group,
            dimension=chosen.dimension,
            quantity=quantity,
            before_taxes=before,
            after_taxes=after,
            unit_price=chosen.price,
            vat=chosen.vat,
            period=moment.index,
            start=moment.period.start,
            tariff=compiled.tariff.id,
            element=chosen.element,
            component=chosen.component,
            step_size=chosen.step_size,
            why=why(slot, chosen, moment, refused) if kind is not LineKind.STEP else _why_step(entry, used),
            passed_over=refused,
        )


def _why_step(entry: Entry, used: Decimal) -> str:
    """Say what step_size did."""
    _, slot, extra, chosen, _ = entry
    assert chosen is not None
    if slot == ENERGY:
        volumes = (used, used + extra, Decimal(chosen.step_size).scaleb(-3))
        measured, billed, step = (f"{written(kwh)} kWh" for kwh in volumes)
    else:
        measured, billed, step = (spoken(seconds) for seconds in (used, used + extra, Decimal(chosen.step_size)))
    return f"{measured} is billed as {billed}: {NAMES[slot]} comes in steps of {step}"


def _limit_line(moved: Sides) -> Line:
    raised = any(side is not None and side > 0 for side in moved)
    return Line(
        kind=LineKind.LIMIT,
        group=CostGroup.LIMIT,
        dimension=None,
        quantity=Decimal(1),
        before_taxes=moved[0],
        after_taxes=moved[1],
        why=f"the tariff's {'minimum' if raised else 'maximum'} price holds",
    )


def _taxes(accounts: Sequence[Account], exact: Sides, limited: Sides) -> tuple[TaxLine, ...]:
    """Split the tax within the total by rate, so that the rounded parts add up to it exactly."""
    if limited[0] is None or limited[1] is None:
        return ()
    parts: dict[Decimal | None, tuple[Decimal, Decimal]] = {}
    for bucket, sides in accounts:
        base, tax = _base_and_tax(sides)
        so_far = parts.get(bucket.vat, (_ZERO, _ZERO))
        parts[bucket.vat] = (so_far[0] + base, so_far[1] + tax)
    lines = [(vat, False, base, tax) for vat, (base, tax) in parts.items()]
    if limited != exact:
        lines.append((None, True, *_base_and_tax(less(limited, exact))))
    target = Price(
        before_taxes=round_half_away(limited[0], OCPI_DECIMALS), after_taxes=round_half_away(limited[1], OCPI_DECIMALS)
    )
    amounts = [round_half_away(tax, OCPI_DECIMALS) for _, _, _, tax in lines]
    residue = _base_and_tax((target.before_taxes, target.after_taxes))[1] - sum(amounts, _ZERO)
    if residue:
        amounts[max(range(len(amounts)), key=lambda index: abs(amounts[index]))] += residue
    return tuple(
        TaxLine(vat=vat, base=round_half_away(base, OCPI_DECIMALS), amount=amount, limit=limit)
        for (vat, limit, base, _), amount in zip(lines, amounts, strict=True)
    )


def _base_and_tax(sides: Sides) -> tuple[Decimal, Decimal]:
    """Return the base and the tax on it; a total known on both sides has no part that is not."""
    before, after = sides
    assert before is not None
    assert after is not None
    return before, after - before

"""A rated CDR in words that a helpdesk can read to a driver."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from hub.domain.money import OCPI_DECIMALS, minor_unit_exponent, round_half_away
from hub.domain.rating.breakdown import CostGroup, Line, LineKind, Price, RatedCdr
from hub.domain.rating.claim import COST_FIELDS, Claim, Difference
from hub.domain.rating.elsewhere import ZoneEffect
from hub.domain.rating.exact import spoken, written
from hub.domain.rating.json_cdr import ParsedCdr
from hub.domain.rating.policy import PricingPolicy
from hub.domain.rating.zones import zone_named
from hub.domain.tariffs import Dimension

_COST_NAMES = {
    "total_cost": "total",
    "total_fixed_cost": "fees",
    "total_energy_cost": "energy",
    "total_time_cost": "charging time",
    "total_parking_cost": "parking",
    "total_reservation_cost": "reservation",
}
_PER = {Dimension.ENERGY: "per kWh", Dimension.TIME: "per hour", Dimension.PARKING_TIME: "per hour", Dimension.FLAT: ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    """Neighbouring lines under one price, as one."""

    first: Line
    quantity: Decimal
    before: Decimal | None
    after: Decimal | None


def rated_text(
    parsed: ParsedCdr, rated: RatedCdr, difference: Difference, policy: PricingPolicy, effect: ZoneEffect
) -> str:
    """Return everything `roamhub rate` prints."""
    parts = [_heading(parsed, rated), _table(rated), _verdict(parsed, difference, rated, policy, effect)]
    reasons = list(dict.fromkeys(f"  - {_capital(line.why)}." for line in rated.lines if line.why))
    if reasons:
        parts.append("\n".join(["Why these prices", *reasons]))
    if notes := [f"  - {_capital(note.message)}. [{note.code.value}]" for note in (*rated.notes, *difference.notes)]:
        parts.append("\n".join(["Please note", *notes]))
    return "\n\n".join(parts)


def _heading(parsed: ParsedCdr, rated: RatedCdr) -> str:
    session = parsed.session
    zone = zone_named(session.time_zone)
    start, end = session.start.astimezone(zone), session.end.astimezone(zone)
    until = f"{end:%H:%M}" if start.date() == end.date() else f"{end:%A %d %B %Y %H:%M}"
    tariffs = ", ".join(dict.fromkeys(line.tariff for line in rated.lines if line.tariff)) or "none"
    parked = _duration(rated.total_parking_time * 3600)
    lines = [
        f"CDR {parsed.id or '(without an id)'}, priced in {rated.currency}",
        f"  {start:%A %d %B %Y %H:%M} to {until} ({session.time_zone} time), {_duration(rated.total_time * 3600)}",
        f"  {written(rated.total_energy)} kWh charged, {parked} parked without charging",
        f"  tariff {tariffs}; rules {rated.policy} for OCPI {parsed.version.value}",
    ]
    return "\n".join(lines)


def _table(rated: RatedCdr) -> str:
    rows = [("", "", f"{rated.currency} before tax", "with tax")]
    for item in _items(rated.lines):
        line = item.first
        amounts = ("free", "free") if line.kind is LineKind.FREE else _both(item.before, item.after, rated.currency)
        rows.append((_name(line), _quantity(line, item.quantity, rated.currency), *amounts))
    total = rated.total_cost
    rows.append(("Total", "", *_both(total.before_taxes, total.after_taxes, rated.currency)))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        f"  {name:<{widths[0]}}  {what:<{widths[1]}}  {before:>{widths[2]}}  {after:>{widths[3]}}".rstrip()
        for name, what, before, after in rows
    )


def _items(lines: tuple[Line, ...]) -> Iterator[_Item]:
    """Join neighbouring lines that differ in their period alone."""
    pending: dict[tuple[object, ...], _Item] = {}
    for line in lines:
        key = (line.kind, line.group, line.dimension, line.tariff, line.element, line.component)
        item = pending.get(key)
        if item is None:
            item = _Item(first=line, quantity=line.quantity, before=line.before_taxes, after=line.after_taxes)
        else:
            item = _Item(
                first=item.first,
                quantity=item.quantity + line.quantity,
                before=_plus(item.before, line.before_taxes),
                after=_plus(item.after, line.after_taxes),
            )
        pending[key] = item
    yield from pending.values()


def _plus(left: Decimal | None, right: Decimal | None) -> Decimal | None:
    return None if left is None or right is None else left + right


def _name(line: Line) -> str:
    if line.kind is LineKind.LIMIT:
        return "Price limit"
    if line.group is CostGroup.RESERVATION:
        name = "Reservation fee" if line.dimension is Dimension.FLAT else "Reservation"
    else:
        name = {
            Dimension.ENERGY: "Energy",
            Dimension.TIME: "Charging time",
            Dimension.PARKING_TIME: "Parking",
            Dimension.FLAT: "Fee",
            None: "",
        }[line.dimension]
    return f"{name}, rounded up by" if line.kind is LineKind.STEP else name


def _quantity(line: Line, quantity: Decimal, currency: str) -> str:
    if line.dimension is None:
        return line.why
    if line.dimension is Dimension.FLAT:
        return "once"
    amount = f"{written(quantity)} kWh" if line.dimension is Dimension.ENERGY else _duration(quantity)
    if line.unit_price is None:
        return amount
    return f"{amount} at {_money(line.unit_price, currency)} {_PER[line.dimension]}"


_NAME_IT = "Nobody states the time zone: name it with --time-zone."


def _verdict(
    parsed: ParsedCdr, difference: Difference, rated: RatedCdr, policy: PricingPolicy, effect: ZoneEffect
) -> str:
    claim = parsed.claim
    assumed = f"The amounts are those of UTC. {_NAME_IT}" if effect.price and not effect.verdict else ""
    if not any(getattr(claim, name) for name in COST_FIELDS):
        return f"The CDR states no cost to compare with. {assumed}".strip()
    claimed = f"The CDR {_claimed(claim, rated.currency)}."
    within = f"agrees (within {written(policy.tolerance)} {rated.currency})"
    if difference.agrees:
        if effect.verdict:
            return f"{claimed} Undecided: by clocks that show UTC that {within}, by some others it does not. {_NAME_IT}"
        return f"{claimed} That {within}. {assumed}".strip()
    if effect.verdict:
        doubt = "Undecided: by clocks that show UTC that does not agree, by some others it does."
        return "\n".join([f"{claimed} {doubt} {_NAME_IT} By UTC:", *_differences(difference, rated, policy)])
    lines = [f"{claimed} That does not agree:", *_differences(difference, rated, policy)]
    return "\n".join([*lines, assumed] if assumed else lines)


def _claimed(claim: Claim, currency: str) -> str:
    if claim.total_cost is None:
        return "states no total cost, but parts of it"
    return f"{'credits' if claim.credit else 'claims'} {' and '.join(_sides(claim.total_cost, currency))}"


def _differences(difference: Difference, rated: RatedCdr, policy: PricingPolicy) -> Iterator[str]:
    """Yield a line for each cost that is off by more than the tolerance."""
    for name in COST_FIELDS:
        price = difference.costs[name]
        if price is None:
            continue
        for side, value in (("before tax", price.before_taxes), ("with tax", price.after_taxes)):
            if value is not None and abs(value) > policy.tolerance:
                direction = "more" if value > 0 else "less"
                amount = _money(abs(value), rated.currency)
                yield f"  - {_COST_NAMES[name]} {side}: {amount} {rated.currency} {direction} than the tariff says"


def _sides(price: Price, currency: str) -> list[str]:
    sides = ((price.before_taxes, "before tax"), (price.after_taxes, "with tax"))
    return [f"{_money(value, currency)} {currency} {what}" for value, what in sides if value is not None]


def _both(before: Decimal | None, after: Decimal | None, currency: str) -> tuple[str, str]:
    return (
        "unknown" if before is None else _money(before, currency),
        "unknown" if after is None else _money(after, currency),
    )


def _money(value: Decimal, currency: str) -> str:
    """Write an amount with its currency's decimals, and up to four where it has more."""
    text = written(round_half_away(value, OCPI_DECIMALS))
    least = minor_unit_exponent(currency)
    whole, _, decimals = text.partition(".")
    decimals = decimals.ljust(least, "0")
    return f"{whole}.{decimals}" if decimals else whole


def _duration(seconds: Decimal) -> str:
    return spoken(round_half_away(seconds, 0))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]

"""A rated CDR as one JSON object: amounts are strings, nothing is a binary float."""

from decimal import Decimal

from hub.domain.money import OCPI_DECIMALS, round_half_away
from hub.domain.rating.breakdown import Line, Note, Price, RatedCdr
from hub.domain.rating.claim import COST_FIELDS, VOLUME_FIELDS, Claim, Difference
from hub.domain.rating.elsewhere import ZoneEffect
from hub.domain.rating.exact import written
from hub.domain.rating.json_cdr import ParsedCdr
from hub.domain.rating.policy import PricingPolicy
from hub.domain.tariffs import Dimension

Json = dict[str, object]

_UNITS = {Dimension.ENERGY: "kWh", Dimension.TIME: "s", Dimension.PARKING_TIME: "s", Dimension.FLAT: "1"}


def rated_object(
    parsed: ParsedCdr, rated: RatedCdr, difference: Difference, policy: PricingPolicy, effect: ZoneEffect
) -> Json:
    """Return everything `roamhub rate --json` prints."""
    return {
        "cdr": parsed.id,
        "ocpi": parsed.version.value,
        "currency": rated.currency,
        "policy": policy.name,
        **{name: _price(getattr(rated, name)) for name in COST_FIELDS},
        **{name: _four(getattr(rated, name)) for name in VOLUME_FIELDS},
        "taxes": [
            {
                "vat": _exact(tax.vat),
                "base": _four(tax.base),
                "amount": _four(tax.amount),
                "from_price_limit": tax.limit,
            }
            for tax in rated.taxes
        ],
        "lines": [_line(line) for line in rated.lines],
        "roundings": [
            {"total": r.total, "side": r.side, "exact": _exact(r.exact), "rounded": _four(r.rounded)}
            for r in rated.roundings
        ],
        "notes": [_note(note) for note in (*rated.notes, *difference.notes)],
        "claimed": _claimed(parsed.claim),
        "difference": {
            **{name: _price(difference.costs[name]) for name in COST_FIELDS},
            **{name: _four(difference.volumes[name]) for name in VOLUME_FIELDS},
        },
        "tolerance": _exact(policy.tolerance),
        # Neither true nor false where that hangs on what nobody stated.
        "agrees": None if effect.verdict else difference.agrees,
        "depends_on_time_zone": {"price": effect.price, "agrees": effect.verdict},
    }


def _line(line: Line) -> Json:
    return {
        "kind": line.kind.value,
        "total": line.group.value,
        "dimension": None if line.dimension is None else line.dimension.value,
        "period": line.period,
        "start": None if line.start is None else line.start.isoformat().replace("+00:00", "Z"),
        "tariff_id": line.tariff,
        "element": line.element,
        "price_component": line.component,
        "quantity": _exact(line.quantity),
        "unit": None if line.dimension is None else _UNITS[line.dimension],
        "price": _exact(line.unit_price),
        "vat": _exact(line.vat),
        "step_size": line.step_size,
        "before_taxes": _exact(line.before_taxes),
        "after_taxes": _exact(line.after_taxes),
        "why": line.why,
        "passed_over": [
            {"element": entry.element, "restriction": entry.restriction, "why": entry.text}
            for entry in line.passed_over
        ],
    }


def _note(note: Note) -> Json:
    return {"code": note.code.value, "message": note.message, "period": note.period}


def _claimed(claim: Claim) -> Json:
    return {
        **{name: _price(getattr(claim, name)) for name in COST_FIELDS},
        **{name: _four(getattr(claim, name)) for name in VOLUME_FIELDS},
        "credit": claim.credit,
    }


def _price(price: Price | None) -> Json | None:
    if price is None:
        return None
    return {"before_taxes": _four(price.before_taxes), "after_taxes": _four(price.after_taxes)}


def _four(value: Decimal | None) -> str | None:
    """Write a number with exactly four decimals."""
    return None if value is None else f"{round_half_away(value, OCPI_DECIMALS):f}"


def _exact(value: Decimal | None) -> str | None:
    return None if value is None else written(value)

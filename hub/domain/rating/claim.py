"""What a CDR itself says its totals are, and how far that is from ours."""

from dataclasses import dataclass
from decimal import Decimal

from hub.domain.rating.breakdown import Note, NoteCode, Price, RatedCdr
from hub.domain.rating.exact import written

#: The totals of a CDR that are amounts of money, by their OCPI names.
COST_FIELDS = (
    "total_cost",
    "total_fixed_cost",
    "total_energy_cost",
    "total_time_cost",
    "total_parking_cost",
    "total_reservation_cost",
)
#: The totals of a CDR that are volumes: kWh and hours.
VOLUME_FIELDS = ("total_energy", "total_time", "total_parking_time")

_ZERO = Decimal(0)
_NOTHING = Price(before_taxes=_ZERO, after_taxes=_ZERO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The totals of a CDR as its sender states them; None where it states none.

    `credit` says that it is a Credit CDR, whose `total_cost`, and nothing else, is negated (CDRs, Credit CDRs).
    """

    total_cost: Price | None = None
    total_fixed_cost: Price | None = None
    total_energy_cost: Price | None = None
    total_time_cost: Price | None = None
    total_parking_cost: Price | None = None
    total_reservation_cost: Price | None = None
    total_energy: Decimal | None = None
    total_time: Decimal | None = None
    total_parking_time: Decimal | None = None
    credit: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Claimed less rated, per total; None where either side states nothing.

    `agrees` is about the money: every claimed cost is within the tolerance on each side of the tax both know.
    `volumes_agree` is about kWh and hours, which do not decide `agrees`
    but are noted.
    """

    costs: dict[str, Price | None]
    volumes: dict[str, Decimal | None]
    agrees: bool
    notes: tuple[Note, ...] = ()


#: Hours and kWh of four decimals, each rounded by its sender, may differ by so much without meaning anything.
VOLUME_TOLERANCE = Decimal("0.01")


def compare(claim: Claim, rated: RatedCdr, tolerance: Decimal) -> Difference:
    """Compare a claim with our totals; `tolerance` is in the CDR's currency, inclusive.

    A component that does not occur counts as zero when the claim states one.
    """
    costs: dict[str, Price | None] = {}
    for name in COST_FIELDS:
        claimed: Price | None = getattr(claim, name)
        ours: Price = getattr(rated, name) or _NOTHING
        if claimed is None:
            costs[name] = None
            continue
        sign = -1 if claim.credit and name == "total_cost" else 1
        costs[name] = Price(
            before_taxes=_less(claimed.before_taxes, ours.before_taxes, sign),
            after_taxes=_less(claimed.after_taxes, ours.after_taxes, sign),
        )
    volumes = {name: _less(getattr(claim, name), getattr(rated, name), 1) for name in VOLUME_FIELDS}
    notes = [
        Note(
            code=NoteCode.VOLUME_DIFFERS,
            message=f"{name} is off by {written(value)} from the sum of the periods",
        )
        for name, value in volumes.items()
        if value is not None and abs(value) > VOLUME_TOLERANCE
    ]
    if claim.credit:
        message = "this is a credit CDR: its total cost is the negative of the session's"
        notes.append(Note(code=NoteCode.CREDIT_CDR, message=message))
    return Difference(
        costs=costs,
        volumes=volumes,
        agrees=all(_within(price, tolerance) for price in costs.values()),
        notes=tuple(notes),
    )


def _less(claimed: Decimal | None, ours: Decimal | None, sign: int) -> Decimal | None:
    return None if claimed is None or ours is None else claimed - sign * ours


def _within(price: Price | None, tolerance: Decimal) -> bool:
    if price is None:
        return True
    return all(side is None or abs(side) <= tolerance for side in (price.before_taxes, price.after_taxes))

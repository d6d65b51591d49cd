"""What a simulated session costs under the tariffs the simulator uses: one price for energy, a flat fee, VAT.

That is all it can price, and it prices nothing else: `simple_price` gives None for a tariff with restrictions, limits,
or prices for time. Amounts are exact decimals; OCPI's four decimals are met by rounding half away from zero at the end.
"""

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal

from google.type.decimal_pb2 import Decimal as PbDecimal
from roamhub.v1.common_pb2 import Price
from roamhub.v1.tariff_object_pb2 import (
    TARIFF_DIMENSION_TYPE_ENERGY,
    TARIFF_DIMENSION_TYPE_FLAT,
    TAX_INCLUDED_NO,
    TAX_INCLUDED_UNSPECIFIED,
    PriceComponent,
    Tariff,
)

_FOUR = Decimal("0.0001")
_WH = Decimal(1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One price: per kWh or for the session, before VAT.

    Attributes:
        vat: Percentage; None where the tariff names no VAT.
        step_wh: Billing unit of energy; each begun one counts.
    """

    price: Decimal
    vat: Decimal | None
    step_wh: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SimplePrice:
    """All that a tariff the simulator can price says."""

    tariff_id: str
    currency: str
    energy: Component
    flat: Component | None

    def energy_cost(self, kwh: Decimal) -> Price:
        """Return the cost of the energy."""
        steps = (kwh * _WH / self.energy.step_wh).to_integral_value(ROUND_CEILING)
        return _price(self.energy.price * steps * self.energy.step_wh / _WH, self.energy.vat)

    def fixed_cost(self) -> Price | None:
        """Return the flat fee; None when there is none."""
        return None if self.flat is None else _price(self.flat.price, self.flat.vat)

    def total_cost(self, kwh: Decimal) -> Price:
        """Return the sum, rounded as its parts are."""
        parts = [self.energy_cost(kwh), *([fixed] if (fixed := self.fixed_cost()) else [])]
        total = Price(before_taxes=PbDecimal(value=str(sum(Decimal(part.before_taxes.value) for part in parts))))
        if all(part.HasField("after_taxes") for part in parts):
            total.after_taxes.value = str(sum(Decimal(part.after_taxes.value) for part in parts))
        return total


def simple_price(tariff: Tariff) -> SimplePrice | None:
    """Return what a tariff says if the simulator can price it, else None."""
    if len(tariff.elements) != 1 or tariff.HasField("min_price") or tariff.HasField("max_price"):
        return None
    if tariff.tax_included not in {TAX_INCLUDED_UNSPECIFIED, TAX_INCLUDED_NO}:
        return None
    element = tariff.elements[0]
    if element.HasField("restrictions") and element.restrictions.ByteSize():
        return None
    by_type = {component.type: component for component in element.price_components}
    if not by_type.keys() <= {TARIFF_DIMENSION_TYPE_ENERGY, TARIFF_DIMENSION_TYPE_FLAT}:
        return None
    energy, flat = by_type.get(TARIFF_DIMENSION_TYPE_ENERGY), by_type.get(TARIFF_DIMENSION_TYPE_FLAT)
    if energy is None or len(by_type) != len(element.price_components):
        return None
    return SimplePrice(
        tariff_id=tariff.id,
        currency=tariff.currency,
        energy=_component(energy),
        flat=None if flat is None else _component(flat),
    )


def _component(component: PriceComponent) -> Component:
    return Component(
        price=Decimal(component.price.value),
        vat=Decimal(component.vat.value) if component.HasField("vat") else None,
        step_wh=max(1, component.step_size),
    )


def _price(amount: Decimal, vat: Decimal | None) -> Price:
    price = Price(before_taxes=PbDecimal(value=str(_round(amount))))
    if vat is not None:
        price.after_taxes.value = str(_round(amount * (1 + vat / 100)))
    return price


def _round(amount: Decimal) -> Decimal:
    return amount.quantize(_FOUR, rounding=ROUND_HALF_UP)

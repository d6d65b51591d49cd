"""What is odd about a tariff, before it prices anything: each finding has a stable code and the field's path.

Nothing here is refused. A tariff with errors can be rated; it will then not price what its author meant.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from hub.domain.errors import Invalid
from hub.domain.rating.compile import FLAT, CompiledTariff, compile_tariff, slot_of
from hub.domain.rating.exact import written
from hub.domain.rating.gaps import find_gaps
from hub.domain.rating.json_reader import Remark
from hub.domain.rating.policy import ROAMHUB_2026, PricingPolicy
from hub.domain.rating.reach import find_unreachable
from hub.domain.tariffs import (
    Dimension,
    OcpiVersion,
    PriceComponent,
    PriceLimit,
    Restrictions,
    Tariff,
    TariffElement,
    TaxIncluded,
)

_DEAREST = {Dimension.ENERGY: Decimal(5), Dimension.TIME: Decimal(120), Dimension.PARKING_TIME: Decimal(120)}
_LARGEST_STEP = {Dimension.ENERGY: 1000, Dimension.TIME: 3600, Dimension.PARKING_TIME: 3600}
_HIGHEST_VAT = 30


class Severity(StrEnum):
    """How bad a finding is: it prices wrongly, it may surprise, it is worth knowing."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


#: Every code with its severity; public and stable.
CODES = {
    "contradictory_restrictions": Severity.ERROR,
    "equal_times": Severity.WARNING,
    "flat_repeated": Severity.WARNING,
    "gap_in_dates": Severity.INFO,
    "gap_in_power": Severity.WARNING,
    "gap_in_use": Severity.INFO,
    "gap_in_week": Severity.WARNING,
    "impossible_reservation_price": Severity.ERROR,
    "limit_sides_crossed": Severity.ERROR,
    "limits_crossed": Severity.ERROR,
    "missing_power": Severity.WARNING,
    "negative_price": Severity.WARNING,
    "never_valid": Severity.ERROR,
    "no_price": Severity.WARNING,
    "odd_field": Severity.INFO,
    "price_looks_wrong": Severity.WARNING,
    "step_size_large": Severity.INFO,
    "unknown_component": Severity.ERROR,
    "unreachable_element": Severity.ERROR,
    "unusable": Severity.ERROR,
    "vat_absent": Severity.INFO,
    "vat_looks_like_fraction": Severity.WARNING,
    "vat_looks_wrong": Severity.WARNING,
    "vat_on_some": Severity.WARNING,
    "vat_without_tax": Severity.WARNING,
    "window_wraps_its_day": Severity.WARNING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One oddity. `field` is the path within the tariff, such as `elements[3].restrictions`."""

    code: str
    field: str
    message: str

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return CODES[self.code]


def lint(tariff: Tariff, remarks: Sequence[Remark] = (), policy: PricingPolicy = ROAMHUB_2026) -> tuple[Finding, ...]:
    """Return what is odd about a tariff, worst first; `remarks` are what reading its JSON already found."""
    findings = [Finding(code="odd_field", field=remark.field, message=remark.text) for remark in remarks]
    try:
        compiled = compile_tariff(tariff, policy)
    except Invalid as error:
        findings += [Finding(code="unusable", field=v.field, message=v.rule) for v in error.violations]
        return tuple(findings)
    findings += _tariff_findings(tariff)
    for index, element in enumerate(tariff.elements):
        findings += _element_findings(element, f"elements[{index}]")
    findings += [Finding(code=code, field=field, message=message) for code, field, message in _coverage(compiled)]
    order = list(Severity)
    return tuple(sorted(findings, key=lambda finding: order.index(finding.severity)))


def _coverage(compiled: CompiledTariff) -> Iterator[tuple[str, str, str]]:
    yield from find_unreachable(compiled)
    yield from find_gaps(compiled)


def _tariff_findings(tariff: Tariff) -> Iterator[Finding]:
    if not any(element.components for element in tariff.elements):
        yield Finding(code="no_price", field="elements", message="no element prices anything")
    if tariff.start is not None and tariff.end is not None and tariff.start >= tariff.end:
        yield Finding(code="never_valid", field="end_date_time", message="is not after start_date_time")
    yield from _limit_findings(tariff)
    yield from _vat_findings(tariff)
    fees = [
        element
        for element in tariff.elements
        for component in element.components
        if slot_of(component.dimension, element.restrictions.reservation) == FLAT
    ]
    if len(fees) > 1:
        message = f"{len(fees)} flat fees: a session pays the first that becomes active, and only that"
        yield Finding(code="flat_repeated", field="elements", message=message)


def _limit_findings(tariff: Tariff) -> Iterator[Finding]:
    for name, limit in (("min_price", tariff.min_price), ("max_price", tariff.max_price)):
        if limit is not None and _above(limit.before_taxes, limit.after_taxes):
            yield Finding(code="limit_sides_crossed", field=name, message="is higher before taxes than after them")
    least, most = tariff.min_price or PriceLimit(), tariff.max_price or PriceLimit()
    if _above(least.before_taxes, most.before_taxes) or _above(least.after_taxes, most.after_taxes):
        yield Finding(code="limits_crossed", field="min_price", message="is above max_price")


def _above(left: Decimal | None, right: Decimal | None) -> bool:
    return left is not None and right is not None and left > right


def _vat_findings(tariff: Tariff) -> Iterator[Finding]:
    components = [component for element in tariff.elements for component in element.components]
    priced = [component for component in components if component.price]
    rates = [component.vat for component in priced if component.vat is not None]
    if tariff.tax_included is TaxIncluded.NOT_APPLICABLE and any(rates):
        yield Finding(
            code="vat_without_tax", field="tax_included", message="says that no tax applies, yet prices name VAT"
        )
    if rates and len(rates) < len(priced):
        message = "some prices have a VAT rate and others none: none means that no VAT applies"
        yield Finding(code="vat_on_some", field="elements", message=message)
    if priced and not rates and tariff.version is not OcpiVersion.V2_1_1 and tariff.tax_included is None:
        yield Finding(code="vat_absent", field="elements", message="no price has a VAT rate: no VAT applies")


def _element_findings(element: TariffElement, path: str) -> Iterator[Finding]:
    for kind in element.unknown_types:
        yield Finding(code="unknown_component", field=path, message=f"{kind} is no OCPI dimension and prices nothing")
    for number, component in enumerate(element.components):
        yield from _component_findings(component, f"{path}.price_components[{number}]")
        if slot_of(component.dimension, element.restrictions.reservation) is None:
            message = f"a reservation has no {component.dimension.value}"
            yield Finding(
                code="impossible_reservation_price", field=f"{path}.price_components[{number}]", message=message
            )
    yield from _restriction_findings(element.restrictions, f"{path}.restrictions")


def _component_findings(component: PriceComponent, path: str) -> Iterator[Finding]:
    price, vat, dimension = component.price, component.vat, component.dimension
    if price < 0:
        yield Finding(code="negative_price", field=f"{path}.price", message=f"is {written(price)}")
    dearest = _DEAREST.get(dimension)
    if dearest is not None and price > dearest:
        message = f"{written(price)} per {'kWh' if dimension is Dimension.ENERGY else 'hour'}: in cents?"
        yield Finding(code="price_looks_wrong", field=f"{path}.price", message=message)
    if component.step_size > _LARGEST_STEP.get(dimension, component.step_size):
        yield Finding(
            code="step_size_large", field=f"{path}.step_size", message=f"bills in blocks of {component.step_size}"
        )
    if vat is not None and 0 < vat < 1:
        message = f"{written(vat)} % of VAT: {written(vat.scaleb(2))} % meant?"
        yield Finding(code="vat_looks_like_fraction", field=f"{path}.vat", message=message)
    elif vat is not None and vat > _HIGHEST_VAT:
        yield Finding(
            code="vat_looks_wrong", field=f"{path}.vat", message=f"{written(vat)} % is above any rate we know"
        )


def _restriction_findings(restrictions: Restrictions, path: str) -> Iterator[Finding]:
    for low, high in (
        ("min_kwh", "max_kwh"),
        ("min_duration", "max_duration"),
        ("min_current", "max_current"),
        ("min_power", "max_power"),
    ):
        least, most = getattr(restrictions, low), getattr(restrictions, high)
        if least is not None and most is not None and least >= most:
            message = f"{low} {least} is not below {high} {most}: the element never applies"
            yield Finding(code="contradictory_restrictions", field=path, message=message)
    for name in ("max_kwh", "max_duration", "max_power", "max_current"):
        bound = getattr(restrictions, name)
        if bound is not None and bound <= 0:
            message = f"{name} {bound} is not above 0: the element never applies"
            yield Finding(code="contradictory_restrictions", field=path, message=message)
    start, end = restrictions.start_date, restrictions.end_date
    if start is not None and end is not None and start >= end:
        message = f"end_date {end} is exclusive and not after start_date {start}: the element never applies"
        yield Finding(code="contradictory_restrictions", field=path, message=message)
    if restrictions.days is not None and not restrictions.days:
        message = "no day of the week is known: the element never applies"
        yield Finding(code="contradictory_restrictions", field=path, message=message)
    yield from _window_findings(restrictions, path)


def _window_findings(restrictions: Restrictions, path: str) -> Iterator[Finding]:
    start, end = restrictions.start_time, restrictions.end_time
    if start is None or end is None:
        return
    if start == end and (start.hour or start.minute):
        yield Finding(
            code="equal_times", field=path, message=f"starts and ends at {start:%H:%M}: the whole day, or never?"
        )
    elif end < start and (end.hour or end.minute) and restrictions.days is not None and len(restrictions.days) < 7:
        message = f"{start:%H:%M} to {end:%H:%M} wraps midnight, but only the days named count, not the mornings after"
        yield Finding(code="window_wraps_its_day", field=path, message=message)

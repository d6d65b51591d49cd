"""OCPI tariffs in JSON, of 2.1.1, 2.2.1 and 2.3.0, as partners send them; see `json_fields` on how they are read."""

from collections.abc import Mapping
from dataclasses import dataclass

from hub.domain.errors import invalid
from hub.domain.ids import PartyId
from hub.domain.rating.json_fields import currency_of, enum_of, note_unknown, price_of, unwrap
from hub.domain.rating.json_reader import Node, Remark, as_object, load_json
from hub.domain.tariffs import (
    Dimension,
    OcpiVersion,
    PriceComponent,
    PriceLimit,
    ReservationRestriction,
    Restrictions,
    Tariff,
    TariffElement,
    TaxIncluded,
    Weekday,
)

_DIMENSIONS = frozenset(Dimension)
_DEFAULT_STEP = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedTariff:
    """A tariff, and what was odd about its JSON."""

    tariff: Tariff
    remarks: tuple[Remark, ...]


def tariffs_from_json(content: bytes, version: OcpiVersion | None = None) -> tuple[ParsedTariff, ...]:
    """Read a tariff, a list of tariffs, or OCPI's response around either.

    Raises:
        Invalid: It cannot be used; names the field.
    """
    raw = unwrap(load_json(content, "tariff"))
    if isinstance(raw, list):
        if not raw:
            raise invalid("tariff", "must hold at least one tariff")
        return tuple(parse_tariff(as_object(one, f"tariff[{i}]"), version, f"tariff[{i}]") for i, one in enumerate(raw))
    return (parse_tariff(as_object(raw, "tariff"), version, "tariff"),)


def parse_tariff(raw: Mapping[str, object], version: OcpiVersion | None, path: str) -> ParsedTariff:
    """Read one tariff object; without a version its fields show it.

    Raises:
        Invalid: It cannot be used; names the field.
    """
    node = Node(raw=dict(raw), path=path)
    tariff = read_tariff(node, version or tariff_version(raw))
    return ParsedTariff(tariff=tariff, remarks=tuple(node.remarks))


def tariff_version(raw: Mapping[str, object]) -> OcpiVersion:
    """Tell the version by what only 2.3.0 has; nothing tells 2.1.1 from 2.2.1."""
    if raw.get("tax_included") is not None:
        return OcpiVersion.V2_3_0
    limits = [limit for limit in (raw.get("min_price"), raw.get("max_price")) if isinstance(limit, dict)]
    return OcpiVersion.V2_3_0 if any("before_taxes" in limit for limit in limits) else OcpiVersion.V2_2_1


def read_tariff(node: Node, version: OcpiVersion) -> Tariff:
    """Read a tariff of that version; what was odd about it is in the node's remarks.

    Raises:
        Invalid: It cannot be used; names the field.
    """
    currency = currency_of(node)
    if currency is None:
        raise invalid(node.at("currency"), "is required")
    node.need("elements")
    included = enum_of(node, "tax_included")
    if included is not None and included not in frozenset(TaxIncluded):
        node.remark("tax_included", f"{included} is no OCPI value")
        included = None
    elements = tuple(_element(element) for element in node.nodes("elements"))
    tariff = Tariff(
        id=node.text("id") or "",
        currency=currency,
        elements=elements,
        version=version,
        party=_party(node),
        type=enum_of(node, "type"),
        min_price=_limit(node, "min_price"),
        max_price=_limit(node, "max_price"),
        tax_included=None if included is None else TaxIncluded(included),
        start=node.moment("start_date_time"),
        end=node.moment("end_date_time"),
        last_updated=node.moment("last_updated"),
    )
    node.asked |= {"tariff_alt_text", "tariff_alt_url", "energy_mix", "preauthorize_amount"}
    note_unknown(node)
    return tariff


def _party(node: Node) -> PartyId | None:
    country, party = node.text("country_code"), node.text("party_id")
    if country is None or party is None:
        return None
    try:
        return PartyId(country, party)
    except ValueError:
        node.remark("country_code", "with party_id is no OCPI party")
        return None


def _limit(node: Node, name: str) -> PriceLimit | None:
    price = price_of(node, name)
    if price is None:
        return None
    return PriceLimit(before_taxes=price.before_taxes, after_taxes=price.after_taxes)


def _element(node: Node) -> TariffElement:
    node.need("price_components")
    components: list[PriceComponent] = []
    unknown: list[str] = []
    for entry in node.nodes("price_components"):
        kind = enum_of(entry, "type")
        if kind is None:
            raise invalid(entry.at("type"), "is required")
        if kind not in _DIMENSIONS:
            entry.remark("type", f"{kind} is no OCPI dimension and prices nothing")
            unknown.append(kind)
            continue
        components.append(_component(entry, Dimension(kind)))
    inner = node.node("restrictions")
    restrictions = _restrictions(inner) if inner is not None else Restrictions()
    note_unknown(node)
    if restrictions is None:
        # An element that prices some unknown kind of reservation must not price charging.
        return TariffElement(
            components=(), unknown_types=(*unknown, *(component.dimension for component in components))
        )
    return TariffElement(components=tuple(components), restrictions=restrictions, unknown_types=tuple(unknown))


def _component(node: Node, dimension: Dimension) -> PriceComponent:
    price = node.number("price")
    if price is None:
        raise invalid(node.at("price"), "is required")
    step = node.whole("step_size")
    if step is None:
        node.remark("step_size", "is missing; 1 was assumed")
        step = _DEFAULT_STEP
    component = PriceComponent(dimension=dimension, price=price, vat=node.number("vat"), step_size=step)
    note_unknown(node)
    return component


def _restrictions(node: Node) -> Restrictions | None:
    """Read restrictions; None where the reservation they ask for is of an unknown kind."""
    reservation = enum_of(node, "reservation")
    if reservation is not None and reservation not in frozenset(ReservationRestriction):
        node.remark("reservation", f"{reservation} is no OCPI value; the element prices nothing")
        return None
    restrictions = Restrictions(
        start_time=node.clock("start_time"),
        end_time=node.clock("end_time"),
        start_date=node.day("start_date"),
        end_date=node.day("end_date"),
        min_kwh=node.number("min_kwh"),
        max_kwh=node.number("max_kwh"),
        min_current=node.number("min_current"),
        max_current=node.number("max_current"),
        min_power=node.number("min_power"),
        max_power=node.number("max_power"),
        min_duration=node.whole("min_duration"),
        max_duration=node.whole("max_duration"),
        days=_days(node),
        reservation=None if reservation is None else ReservationRestriction(reservation),
    )
    note_unknown(node)
    return restrictions


def _days(node: Node) -> frozenset[Weekday] | None:
    names = node.texts("day_of_week")
    if not names:
        return None
    known = Weekday.__members__
    for name in names:
        if name.upper() not in known:
            node.remark("day_of_week", f"{name} is no day of the week")
    return frozenset(known[name.upper()] for name in names if name.upper() in known)

"""OCPI JSON to what the engine rates: tariffs, CDRs and sessions of 2.1.1, 2.2.1 and 2.3.0, as partners send them.

Reading is tolerant: numbers may be strings, nulls are absent fields, unknown fields are ignored, enums compare
without case. What cannot be used is refused with the path of the field.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from hub.domain.errors import invalid
from hub.domain.ids import PartyId
from hub.domain.rating.breakdown import Price
from hub.domain.rating.claim import COST_FIELDS, Claim
from hub.domain.rating.json_reader import Node, Remark, as_number, as_object, load_json
from hub.domain.rating.session import RatablePeriod, RatableSession, period_of
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedCdr:
    """A CDR or session: what to rate, the tariffs it carries, and what it claims to cost.

    `id` is None where the document has none. `version` is the stated version, or the one its fields show.
    """

    id: str | None
    session: RatableSession
    tariffs: tuple[Tariff, ...]
    claim: Claim
    version: OcpiVersion
    remarks: tuple[Remark, ...]


def parse_version(text: str) -> OcpiVersion:
    """Return the OCPI version of that name.

    Raises:
        Invalid: It is none of those supported.
    """
    try:
        return OcpiVersion(text)
    except ValueError:
        raise invalid("ocpi", f"must be one of {', '.join(OcpiVersion)}") from None


def tariffs_from_json(content: bytes, version: OcpiVersion | None = None) -> tuple[ParsedTariff, ...]:
    """Read a tariff, a list of tariffs, or OCPI's response around either.

    Raises:
        Invalid: It cannot be used; names the field.
    """
    raw = _unwrap(load_json(content, "tariff"))
    if isinstance(raw, list):
        if not raw:
            raise invalid("tariff", "must hold at least one tariff")
        return tuple(parse_tariff(as_object(one, f"tariff[{i}]"), version, f"tariff[{i}]") for i, one in enumerate(raw))
    return (parse_tariff(as_object(raw, "tariff"), version, "tariff"),)


def cdr_from_json(
    content: bytes,
    *,
    version: OcpiVersion | None = None,
    time_zone: str | None = None,
    reservation_expired: bool = False,
) -> ParsedCdr:
    """Read a CDR or session, alone, in a list of one, or in OCPI's response.

    `time_zone` is the IANA zone of the location where the caller knows it; else the document's own, else the offset
    its times are written with, else UTC, and then the session says that it was assumed.

    Raises:
        Invalid: It cannot be used; names the field.
    """
    raw = _unwrap(load_json(content, "cdr"))
    if isinstance(raw, list):
        if len(raw) != 1:
            raise invalid("cdr", "must be one CDR")
        raw = raw[0]
    return parse_cdr(
        as_object(raw, "cdr"), version=version, time_zone=time_zone, reservation_expired=reservation_expired
    )


def _unwrap(raw: object) -> object:
    if isinstance(raw, dict) and "status_code" in raw and "data" in raw:
        return raw["data"]
    return raw


def parse_tariff(raw: Mapping[str, object], version: OcpiVersion | None = None, path: str = "tariff") -> ParsedTariff:
    """Read one tariff object; without a version its fields show it.

    Raises:
        Invalid: It cannot be used; names the field.
    """
    node = Node(raw=dict(raw), path=path)
    tariff = _tariff(node, version or _tariff_version(raw))
    return ParsedTariff(tariff=tariff, remarks=tuple(node.remarks))


def _tariff_version(raw: Mapping[str, object]) -> OcpiVersion:
    if raw.get("tax_included") is not None:
        return OcpiVersion.V2_3_0
    limits = [limit for limit in (raw.get("min_price"), raw.get("max_price")) if isinstance(limit, dict)]
    return OcpiVersion.V2_3_0 if any("before_taxes" in limit for limit in limits) else OcpiVersion.V2_2_1


def _tariff(node: Node, version: OcpiVersion) -> Tariff:
    currency = _currency(node)
    if currency is None:
        raise invalid(node.at("currency"), "is required")
    node.need("elements")
    included = _enum(node, "tax_included")
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
        type=_enum(node, "type"),
        min_price=_limit(node, "min_price"),
        max_price=_limit(node, "max_price"),
        tax_included=None if included is None else TaxIncluded(included),
        start=node.moment("start_date_time"),
        end=node.moment("end_date_time"),
        last_updated=node.moment("last_updated"),
    )
    node.asked |= {"tariff_alt_text", "tariff_alt_url", "energy_mix", "preauthorize_amount"}
    _note_unknown(node)
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


def _currency(node: Node) -> str | None:
    currency = node.text("currency")
    if currency is None:
        return None
    if len(currency) != 3 or not (currency.isascii() and currency.isalpha()):
        raise invalid(node.at("currency"), "must be an ISO 4217 code such as EUR")
    if not currency.isupper():
        node.remark("currency", "is not in upper case")
    return currency.upper()


def _enum(node: Node, name: str) -> str | None:
    text = node.text(name)
    return text.upper() if text else None


def _note_unknown(node: Node) -> None:
    for name in node.unknown():
        node.remark(name, "is no field of OCPI here and was ignored")


def _limit(node: Node, name: str) -> PriceLimit | None:
    price = _price(node, name)
    if price is None:
        return None
    return PriceLimit(before_taxes=price.before_taxes, after_taxes=price.after_taxes)


def _price(node: Node, name: str) -> Price | None:
    """Read a Price of any version: a number (2.1.1), `excl_vat`/`incl_vat`, or `before_taxes` with taxes or limit."""
    value = node.get(name)
    if value is None:
        return None
    if not isinstance(value, dict):
        return Price(before_taxes=as_number(value, node.at(name)), after_taxes=None)
    price = Node(raw=value, path=node.at(name), remarks=node.remarks)
    before = price.number("before_taxes")
    after = price.number("after_taxes")
    taxes = price.get("taxes")
    if before is not None and after is None and taxes is not None:
        amounts = [tax.number("amount") for tax in price.nodes("taxes")]
        after = before + sum((amount for amount in amounts if amount is not None), Decimal(0))
    excluded, included = price.number("excl_vat"), price.number("incl_vat")
    return Price(
        before_taxes=before if before is not None else excluded, after_taxes=after if after is not None else included
    )


def _element(node: Node) -> TariffElement:
    node.need("price_components")
    components: list[PriceComponent] = []
    unknown: list[str] = []
    for entry in node.nodes("price_components"):
        kind = _enum(entry, "type")
        if kind is None:
            raise invalid(entry.at("type"), "is required")
        if kind not in _DIMENSIONS:
            entry.remark("type", f"{kind} is no OCPI dimension and prices nothing")
            unknown.append(kind)
            continue
        components.append(_component(entry, Dimension(kind)))
    inner = node.node("restrictions")
    restrictions = _restrictions(inner) if inner is not None else Restrictions()
    _note_unknown(node)
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
    _note_unknown(node)
    return component


def _restrictions(node: Node) -> Restrictions | None:
    """Read restrictions; None where the reservation they ask for is of an unknown kind."""
    reservation = _enum(node, "reservation")
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
    _note_unknown(node)
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


def parse_cdr(
    raw: Mapping[str, object],
    *,
    version: OcpiVersion | None = None,
    time_zone: str | None = None,
    reservation_expired: bool = False,
) -> ParsedCdr:
    """Read one CDR or session object; see `cdr_from_json`.

    Raises:
        Invalid: It cannot be used; names the field.
    """
    node = Node(raw=dict(raw), path="cdr")
    shown = version or _cdr_version(raw)
    start = node.moment("start_date_time")
    if start is None:
        raise invalid(node.at("start_date_time"), "is required")
    # A tariff can show that it is newer than what the CDR shows; nothing in it shows that it is a 2.1.1 one.
    around = version if version is not None else shown if shown is not OcpiVersion.V2_2_1 else None
    tariffs = tuple(_tariff(tariff, around or _tariff_version(tariff.raw)) for tariff in node.nodes("tariffs"))
    periods = tuple(_period(period) for period in node.nodes("charging_periods"))
    if not periods:
        raise invalid(node.at("charging_periods"), "must hold at least one period")
    zone, assumed = _zone(node, time_zone)
    currency = _currency(node) or (tariffs[0].currency if tariffs else None)
    if currency is None:
        raise invalid(node.at("currency"), "is required")
    session = RatableSession(
        start=start,
        end=_end(node),
        time_zone=zone,
        currency=currency,
        periods=periods,
        reservation_expired=reservation_expired,
        time_zone_assumed=assumed,
    )
    return ParsedCdr(
        id=node.text("id"),
        session=session,
        tariffs=tariffs,
        claim=_claim(node),
        version=shown,
        remarks=tuple(node.remarks),
    )


def _cdr_version(raw: Mapping[str, object]) -> OcpiVersion:
    """Tell the version by what only that version has."""
    total = raw.get("total_cost")
    if isinstance(total, dict):
        return OcpiVersion.V2_3_0 if "before_taxes" in total else OcpiVersion.V2_2_1
    if total is not None or "stop_date_time" in raw or "location" in raw:
        return OcpiVersion.V2_1_1
    tariffs = raw.get("tariffs")
    inner = [tariff for tariff in tariffs if isinstance(tariff, dict)] if isinstance(tariffs, list) else []
    return _tariff_version(inner[0]) if inner else OcpiVersion.V2_2_1


def _end(node: Node) -> datetime:
    """Return the end; of a session under way, when it was last updated."""
    end = node.moment("end_date_time") or node.moment("stop_date_time")
    if end is None and "kwh" in node.raw:
        end = node.moment("last_updated")
    if end is None:
        raise invalid(node.at("end_date_time"), "is required")
    return end


def _zone(node: Node, stated: str | None) -> tuple[str, bool]:
    """Return the zone, and whether it was assumed."""
    if stated is not None:
        return stated, False
    for name in ("cdr_location", "location"):
        place = node.node(name)
        zone = place.text("time_zone") if place is not None else None
        if zone:
            return zone, False
    if zone := node.text("time_zone"):
        return zone, False
    if node.offset is not None:
        minutes = node.offset // timedelta(minutes=1)
        sign = "-" if minutes < 0 else "+"
        return f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}", True
    return "UTC", True


def _period(node: Node) -> RatablePeriod:
    start = node.moment("start_date_time")
    if start is None:
        raise invalid(node.at("start_date_time"), "is required")
    dimensions: list[tuple[str, Decimal]] = []
    for entry in node.nodes("dimensions"):
        kind, volume = _enum(entry, "type"), entry.number("volume")
        if kind is None or volume is None:
            raise invalid(entry.path, "must have a type and a volume")
        dimensions.append((kind, volume))
    return period_of(start, dimensions, tariff_id=node.text("tariff_id"))


def _claim(node: Node) -> Claim:
    energy = node.number("total_energy")
    return Claim(
        **{name: _price(node, name) for name in COST_FIELDS},
        total_energy=energy if energy is not None else node.number("kwh"),
        total_time=node.number("total_time"),
        total_parking_time=node.number("total_parking_time"),
        credit=node.flag("credit"),
    )

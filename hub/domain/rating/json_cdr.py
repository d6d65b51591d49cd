"""OCPI CDRs and sessions in JSON, of 2.1.1, 2.2.1 and 2.3.0; see `json_fields` on how they are read."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from hub.domain.errors import invalid
from hub.domain.rating.claim import COST_FIELDS, Claim
from hub.domain.rating.json_fields import currency_of, enum_of, price_of, unwrap
from hub.domain.rating.json_reader import Node, Remark, as_object, load_json
from hub.domain.rating.json_tariff import read_tariff, tariff_version
from hub.domain.rating.session import RatablePeriod, RatableSession, period_of
from hub.domain.tariffs import OcpiVersion, Tariff


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
    raw = unwrap(load_json(content, "cdr"))
    if isinstance(raw, list):
        if len(raw) != 1:
            raise invalid("cdr", "must be one CDR")
        raw = raw[0]
    return parse_cdr(
        as_object(raw, "cdr"), version=version, time_zone=time_zone, reservation_expired=reservation_expired
    )


def parse_cdr(
    raw: Mapping[str, object],
    *,
    version: OcpiVersion | None,
    time_zone: str | None,
    reservation_expired: bool,
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
    tariffs = tuple(read_tariff(tariff, around or tariff_version(tariff.raw)) for tariff in node.nodes("tariffs"))
    periods = tuple(_period(period) for period in node.nodes("charging_periods"))
    if not periods:
        raise invalid(node.at("charging_periods"), "must hold at least one period")
    zone, assumed = _zone(node, time_zone)
    currency = currency_of(node) or (tariffs[0].currency if tariffs else None)
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
    return tariff_version(inner[0]) if inner else OcpiVersion.V2_2_1


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
        kind, volume = enum_of(entry, "type"), entry.number("volume")
        if kind is None or volume is None:
            raise invalid(entry.path, "must have a type and a volume")
        dimensions.append((kind, volume))
    return period_of(start, dimensions, tariff_id=node.text("tariff_id"))


def _claim(node: Node) -> Claim:
    energy = node.number("total_energy")
    return Claim(
        **{name: price_of(node, name) for name in COST_FIELDS},
        total_energy=energy if energy is not None else node.number("kwh"),
        total_time=node.number("total_time"),
        total_parking_time=node.number("total_parking_time"),
        credit=node.flag("credit"),
    )

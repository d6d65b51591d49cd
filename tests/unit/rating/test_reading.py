"""OCPI JSON as partners send it: what is taken with goodwill, and what is refused by its field."""

import json
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.domain.errors import Invalid
from hub.domain.ids import PartyId
from hub.domain.rating import Price, period_of, policy_named, rate
from hub.domain.rating.json_cdr import ParsedCdr, cdr_from_json
from hub.domain.rating.json_fields import parse_version
from hub.domain.rating.json_reader import as_number, load_json
from hub.domain.rating.json_tariff import ParsedTariff, tariffs_from_json
from hub.domain.tariffs import (
    Dimension,
    OcpiVersion,
    PriceLimit,
    ReservationRestriction,
    Tariff,
    TaxIncluded,
    Weekday,
)

TARIFF: dict[str, Any] = {
    "country_code": "nl",
    "party_id": "abc",
    "id": "T1",
    "currency": "EUR",
    "type": "regular",
    "elements": [
        {
            "price_components": [{"type": "ENERGY", "price": 0.25, "vat": 21, "step_size": 1}],
            "restrictions": {
                "start_time": "08:00",
                "end_time": "24:00",
                "start_date": "2026-01-01",
                "end_date": "2026-02-01T00:00:00",
                "min_kwh": "1.5",
                "max_kwh": 2,
                "min_current": 1,
                "max_current": 2,
                "min_power": 3,
                "max_power": 4,
                "min_duration": 60.0,
                "max_duration": "120",
                "day_of_week": ["monday", "SUNDAY", "Someday"],
                "reservation": "reservation_expires",
            },
        }
    ],
    "min_price": {"excl_vat": 1, "incl_vat": "1.21"},
    "max_price": 10,
    "start_date_time": "2026-01-01T00:00:00+01:00",
    "end_date_time": "2026-12-31T00:00:00.250Z",
    "energy_mix": {"anything": []},
    "last_updated": "2026-01-01T00:00:00",
}
CDR: dict[str, Any] = {
    "id": "c1",
    "start_date_time": "2026-03-04T10:00:00Z",
    "end_date_time": "2026-03-04T11:00:00Z",
    "currency": "EUR",
    "tariffs": [TARIFF],
    "charging_periods": [
        {"start_date_time": "2026-03-04T10:00:00Z", "dimensions": [{"type": "energy", "volume": "20"}], "tariff_id": 7}
    ],
    "total_cost": {"excl_vat": 5, "incl_vat": 6.05},
}


def tariff(**changes: Any) -> ParsedTariff:
    return tariffs_from_json(json.dumps(TARIFF | changes).encode())[0]


def cdr(**changes: Any) -> ParsedCdr:
    return cdr_from_json(json.dumps(CDR | changes).encode())


def restricted(**changes: Any) -> dict[str, Any]:
    raw = deepcopy(TARIFF["elements"])
    raw[0]["restrictions"] |= changes
    return {"elements": raw}


def component(**changes: Any) -> dict[str, Any]:
    raw = deepcopy(TARIFF["elements"])
    raw[0]["price_components"][0] |= changes
    return {"elements": raw}


def test_every_field_of_a_tariff_arrives() -> None:
    parsed = tariff().tariff
    assert (parsed.id, parsed.currency, parsed.type, parsed.party) == ("T1", "EUR", "REGULAR", PartyId("NL", "ABC"))
    assert (parsed.start, parsed.end) == (
        datetime(2025, 12, 31, 23, tzinfo=UTC),
        datetime(2026, 12, 31, 0, 0, 0, 250000, tzinfo=UTC),
    )
    assert parsed.last_updated == datetime(2026, 1, 1, tzinfo=UTC)
    assert parsed.min_price == PriceLimit(before_taxes=Decimal(1), after_taxes=Decimal("1.21"))
    assert parsed.max_price == PriceLimit(before_taxes=Decimal(10))
    (element,) = parsed.elements
    (priced,) = element.components
    assert (priced.dimension, priced.price, priced.vat, priced.step_size) == (
        Dimension.ENERGY,
        Decimal("0.25"),
        Decimal(21),
        1,
    )
    restrictions = element.restrictions
    assert (restrictions.start_time, restrictions.end_time) == (time(8), time(0))
    assert (restrictions.start_date, restrictions.end_date) == (date(2026, 1, 1), date(2026, 2, 1))
    assert (restrictions.min_kwh, restrictions.max_kwh) == (Decimal("1.5"), Decimal(2))
    assert (restrictions.min_current, restrictions.max_current) == (Decimal(1), Decimal(2))
    assert (restrictions.min_power, restrictions.max_power) == (Decimal(3), Decimal(4))
    assert (restrictions.min_duration, restrictions.max_duration) == (60, 120)
    assert restrictions.days == frozenset({Weekday.MONDAY, Weekday.SUNDAY})
    assert restrictions.reservation is ReservationRestriction.RESERVATION_EXPIRES


def test_what_was_odd_is_remarked() -> None:
    remarks = {remark.field: remark.text for remark in tariff().remarks}
    assert set(remarks) == {
        "tariff.start_date_time",
        "tariff.elements[0].restrictions.end_time",
        "tariff.elements[0].restrictions.day_of_week",
    }


@pytest.mark.parametrize(
    ("changes", "version"),
    [
        ({"tax_included": "YES"}, OcpiVersion.V2_3_0),
        ({"min_price": {"before_taxes": 1}}, OcpiVersion.V2_3_0),
        ({}, OcpiVersion.V2_2_1),
    ],
)
def test_a_tariffs_fields_tell_its_version(changes: dict[str, Any], version: OcpiVersion) -> None:
    assert tariff(**changes).tariff.version is version


@pytest.mark.parametrize(
    ("changes", "version"),
    [
        ({}, OcpiVersion.V2_2_1),
        ({"total_cost": {"before_taxes": 5, "taxes": []}}, OcpiVersion.V2_3_0),
        ({"total_cost": 5}, OcpiVersion.V2_1_1),
        ({"total_cost": None, "stop_date_time": "2026-03-04T11:00:00Z"}, OcpiVersion.V2_1_1),
        ({"total_cost": None, "location": {"id": "L1"}}, OcpiVersion.V2_1_1),
        ({"total_cost": None, "tariffs": [TARIFF | {"tax_included": "NO"}]}, OcpiVersion.V2_3_0),
        ({"total_cost": None, "tariffs": []}, OcpiVersion.V2_2_1),
    ],
)
def test_a_cdrs_fields_tell_its_version(changes: dict[str, Any], version: OcpiVersion) -> None:
    parsed = cdr(**changes)
    assert parsed.version is version
    assert all(entry.version is version for entry in parsed.tariffs)


def test_a_stated_version_overrules_the_fields() -> None:
    parsed = cdr_from_json(json.dumps(CDR).encode(), version=OcpiVersion.V2_1_1)
    assert (parsed.version, parsed.tariffs[0].version) == (OcpiVersion.V2_1_1, OcpiVersion.V2_1_1)


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("YES", TaxIncluded.YES),
        ("no", TaxIncluded.NO),
        ("N/A", TaxIncluded.NOT_APPLICABLE),
        ("PERHAPS", None),
        (None, None),
    ],
)
def test_tax_included_is_read(stated: str | None, expected: TaxIncluded | None) -> None:
    assert tariff(tax_included=stated).tariff.tax_included is expected


def test_a_party_that_is_none_is_left_out() -> None:
    assert tariff(country_code="NLD").tariff.party is None
    assert tariff(party_id=None).tariff.party is None


def test_what_is_no_ocpi_dimension_is_kept_by_name() -> None:
    parsed = tariff(**component(type="SESSION_TIME")).tariff
    assert (parsed.elements[0].components, parsed.elements[0].unknown_types) == ((), ("SESSION_TIME",))


def test_an_unknown_reservation_prices_nothing() -> None:
    parsed = tariff(**restricted(reservation="MAYBE")).tariff
    assert (parsed.elements[0].components, parsed.elements[0].unknown_types) == ((), ("ENERGY",))


def test_a_missing_step_size_is_one_and_an_empty_restriction_none() -> None:
    parsed = tariff(**component(step_size=None, vat=None))
    assert parsed.tariff.elements[0].components[0].step_size == 1
    assert parsed.tariff.elements[0].components[0].vat is None
    assert "tariff.elements[0].price_components[0].step_size" in {remark.field for remark in parsed.remarks}
    assert tariff(**restricted(day_of_week=[])).tariff.elements[0].restrictions.days is None
    assert tariff(**restricted(day_of_week="monday")).tariff.elements[0].restrictions.days == frozenset(
        {Weekday.MONDAY}
    )
    assert tariff(**restricted(start_time="")).tariff.elements[0].restrictions.start_time is None
    assert tariff(**restricted(start_time="09:30:00")).tariff.elements[0].restrictions.start_time == time(9, 30)
    assert tariff(**restricted(start_date="")).tariff.elements[0].restrictions.start_date is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"currency": None}, "tariff.currency"),
        ({"currency": "EURO"}, "tariff.currency"),
        ({"currency": "€UR"}, "tariff.currency"),
        ({"elements": None}, "tariff.elements"),
        ({"elements": {}}, "tariff.elements"),
        ({"elements": [5]}, "tariff.elements[0]"),
        ({"elements": [{}]}, "tariff.elements[0].price_components"),
        ({"id": []}, "tariff.id"),
        ({"min_price": "cheap"}, "tariff.min_price"),
        ({"min_price": {"excl_vat": []}}, "tariff.min_price.excl_vat"),
        ({"start_date_time": 5}, "tariff.start_date_time"),
        ({"start_date_time": "2026-13-01T00:00:00Z"}, "tariff.start_date_time"),
        ({"start_date_time": "0001-01-01T00:00:00+01:00"}, "tariff.start_date_time"),
        (component(type=None), "tariff.elements[0].price_components[0].type"),
        (component(price=None), "tariff.elements[0].price_components[0].price"),
        (component(price=True), "tariff.elements[0].price_components[0].price"),
        (component(price="0,25"), "tariff.elements[0].price_components[0].price"),
        (component(price="1e400"), "tariff.elements[0].price_components[0].price"),
        (component(price="9" * 61), "tariff.elements[0].price_components[0].price"),
        (component(step_size=1.5), "tariff.elements[0].price_components[0].step_size"),
        (restricted(start_time="8 o'clock"), "tariff.elements[0].restrictions.start_time"),
        (restricted(end_time="24:01"), "tariff.elements[0].restrictions.end_time"),
        (restricted(end_time="23:60"), "tariff.elements[0].restrictions.end_time"),
        (restricted(start_date="2026-02-30"), "tariff.elements[0].restrictions.start_date"),
        (restricted(start_date="soon"), "tariff.elements[0].restrictions.start_date"),
        (restricted(day_of_week=5), "tariff.elements[0].restrictions.day_of_week"),
        (restricted(day_of_week=[5]), "tariff.elements[0].restrictions.day_of_week"),
        (restricted(max_kwh="NaN"), "tariff.elements[0].restrictions.max_kwh"),
    ],
)
def test_an_unusable_tariff_is_refused_by_the_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as raised:
        tariff(**changes)
    assert raised.value.violations[0].field == field


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"end_date_time": None}, "cdr.end_date_time"),
        ({"credit": "perhaps"}, "cdr.credit"),
        ({"currency": None, "tariffs": []}, "cdr.currency"),
        ({"charging_periods": [{"dimensions": []}]}, "cdr.charging_periods[0].start_date_time"),
        ({"cdr_location": "here"}, "cdr.cdr_location"),
        ({"total_cost": {"before_taxes": 1, "taxes": 5}}, "cdr.total_cost.taxes"),
    ],
)
def test_an_unusable_cdr_is_refused_by_the_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as raised:
        cdr(**changes)
    assert raised.value.violations[0].field == field


def test_a_cdrs_claim_is_read_in_every_version() -> None:
    assert cdr().claim.total_cost == Price(before_taxes=Decimal(5), after_taxes=Decimal("6.05"))
    assert cdr(total_cost=5).claim.total_cost == Price(before_taxes=Decimal(5), after_taxes=None)
    taxed = {"before_taxes": 5, "taxes": [{"name": "GST", "amount": 0.25}, {"name": "QST", "amount": "0.5"}]}
    assert cdr(total_cost=taxed).claim.total_cost == Price(before_taxes=Decimal(5), after_taxes=Decimal("5.75"))
    assert cdr(total_cost={"before_taxes": 5}).claim.total_cost == Price(before_taxes=Decimal(5), after_taxes=None)
    assert cdr(credit="TRUE").claim.credit
    assert not cdr().claim.credit
    assert cdr(total_energy=20, total_time=1, total_parking_time=0).claim.total_energy == 20


def test_a_session_under_way_ends_where_it_was_last_updated() -> None:
    parsed = cdr(end_date_time=None, kwh=12, last_updated="2026-03-04T10:45:00Z")
    assert parsed.session.end == datetime(2026, 3, 4, 10, 45, tzinfo=UTC)
    assert parsed.claim.total_energy == 12


def test_a_missing_currency_is_that_of_the_tariff() -> None:
    assert cdr(currency=None).session.currency == "EUR"


@pytest.mark.parametrize(
    ("changes", "zone", "assumed"),
    [
        ({}, "UTC", True),
        ({"cdr_location": {"time_zone": "Europe/Oslo"}}, "Europe/Oslo", False),
        ({"location": {"time_zone": "Europe/Oslo"}}, "Europe/Oslo", False),
        ({"time_zone": "Europe/Oslo"}, "Europe/Oslo", False),
        ({"start_date_time": "2026-03-04T11:00:00+01:00"}, "+01:00", True),
        ({"start_date_time": "2026-03-04T04:30:00-05:30"}, "-05:30", True),
    ],
)
def test_the_time_zone_is_the_locations_or_assumed(changes: dict[str, Any], zone: str, assumed: bool) -> None:
    session = cdr(**changes).session
    assert (session.time_zone, session.time_zone_assumed) == (zone, assumed)
    assert session.start == datetime(2026, 3, 4, 10, tzinfo=UTC)


def test_a_date_of_single_digits_is_read_as_the_specification_writes_it() -> None:
    assert cdr(start_date_time="1970-1-1T00:00:00Z").session.start == datetime(1970, 1, 1, tzinfo=UTC)


def test_dimensions_given_twice_are_added_or_bounded() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    kinds = ["ENERGY", "TIME", "MIN_POWER", "MAX_POWER", "POWER", "CURRENT", "FLAT", "MAX_CURRENT", "MIN_CURRENT"]
    period = period_of(start, [(kind, Decimal(n)) for n in (2, 1, 3) for kind in kinds])
    falling = period_of(start, [(kind, Decimal(n)) for n in (2, 3, 1) for kind in kinds])
    assert falling == period
    assert (period.energy_kwh, period.time_hours) == (Decimal(6), Decimal(6))
    assert (period.min_power, period.max_power, period.average_power) == (Decimal(1), Decimal(3), Decimal(3))
    assert (period.min_current, period.max_current) == (Decimal(1), Decimal(3))
    assert (period.parking_hours, period.reservation_hours) == (None, None)


def test_noise_of_binary_fractions_is_rounded_off() -> None:
    noisy = cdr(
        charging_periods=[
            {"start_date_time": "2026-03-04T10:00:00Z", "dimensions": [{"type": "ENERGY", "volume": 0.1 + 0.2}]}
        ]
    )
    assert noisy.session.periods[0].energy_kwh == Decimal("0.3")


@pytest.mark.parametrize("content", [b"[]", b'[{"a":1},{"b":2}]', b'"x"', b"5"])
def test_a_cdr_is_one_object(content: bytes) -> None:
    with pytest.raises(Invalid):
        cdr_from_json(content)


def test_a_byte_order_mark_is_skipped() -> None:
    assert load_json(b"\xef\xbb\xbf[1]", "tariff") == [1]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += _paths(inner, (*path, key))
    return found


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(_paths(CDR)), _JSON), min_size=1, max_size=3))
def test_any_field_may_hold_anything_and_only_the_documented_error_is_raised(
    changes: list[tuple[tuple[Any, ...], Any]],
) -> None:
    raw = deepcopy(CDR)
    for path, value in changes:
        target: Any = raw
        try:
            for key in path[:-1]:
                target = target[key]
            target[path[-1]] = value
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took away what this one would have changed
    with suppress(Invalid):
        parsed = cdr_from_json(json.dumps(raw).encode())
        if parsed.tariffs:
            rated = rate(parsed.session, parsed.tariffs)
            assert len(rated.lines) >= 0


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_raise_only_the_documented_error(content: bytes) -> None:
    for read in (cdr_from_json, tariffs_from_json):
        with pytest.raises(Invalid):
            read(content)


def test_a_period_without_its_tariff_id_has_none_and_a_number_is_taken_as_text() -> None:
    assert cdr().session.periods[0].tariff_id == "7"


def test_equal_content_is_equal_whatever_the_record() -> None:
    one, two = tariff().tariff, tariff(last_updated="2026-05-05T00:00:00Z").tariff
    assert one == two
    assert hash(one) == hash(two)
    assert isinstance(one, Tariff)


def _refusal(read: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(Invalid) as raised:
        read()
    (violation,) = raised.value.violations
    return violation.field, violation.rule


TIME = "must be a time such as 2026-01-31T12:00:00Z"


@pytest.mark.parametrize(
    ("changes", "field", "rule"),
    [
        ({"start_date_time": None}, "cdr.start_date_time", "is required"),
        ({"start_date_time": 5}, "cdr.start_date_time", TIME),
        ({"start_date_time": "now"}, "cdr.start_date_time", TIME),
        ({"start_date_time": "2026-02-30T00:00:00Z"}, "cdr.start_date_time", "must be a time that exists"),
        ({"end_date_time": None}, "cdr.end_date_time", "is required"),
        ({"charging_periods": None}, "cdr.charging_periods", "must hold at least one period"),
        ({"charging_periods": {}}, "cdr.charging_periods", "must be a list"),
        ({"charging_periods": [None]}, "cdr.charging_periods[0]", "must be an object"),
        ({"charging_periods": [{}]}, "cdr.charging_periods[0].start_date_time", "is required"),
        (
            {"charging_periods": [{"start_date_time": "2026-03-04T10:00:00Z", "dimensions": [{}, {"type": "TIME"}]}]},
            "cdr.charging_periods[0].dimensions[0]",
            "must have a type and a volume",
        ),
        (
            {"charging_periods": [{"start_date_time": "2026-03-04T10:00:00Z", "dimensions": [{"type": "TIME"}]}]},
            "cdr.charging_periods[0].dimensions[0]",
            "must have a type and a volume",
        ),
        ({"currency": None, "tariffs": None}, "cdr.currency", "is required"),
        ({"currency": "EURO"}, "cdr.currency", "must be an ISO 4217 code such as EUR"),
        ({"credit": 1}, "cdr.credit", "must be true or false"),
        ({"credit": "maybe"}, "cdr.credit", "must be true or false"),
        ({"id": {}}, "cdr.id", "must be a string"),
        ({"total_energy": "much"}, "cdr.total_energy", "must be a number"),
        ({"total_time": []}, "cdr.total_time", "must be a number"),
        ({"total_parking_time": True}, "cdr.total_parking_time", "must be a number"),
        ({"total_energy": 1e15}, "cdr.total_energy", "must be a finite number of sensible size"),
        ({"tariffs": [TARIFF | {"elements": None}]}, "cdr.tariffs[0].elements", "is required"),
        (
            {"tariffs": [TARIFF | restricted(start_time="noon")]},
            "cdr.tariffs[0].elements[0].restrictions.start_time",
            "must be a time of day such as 13:30",
        ),
        (
            {"tariffs": [TARIFF | restricted(end_date="noon")]},
            "cdr.tariffs[0].elements[0].restrictions.end_date",
            "must be a date such as 2026-01-31",
        ),
        (
            {"tariffs": [TARIFF | restricted(min_duration=1.5)]},
            "cdr.tariffs[0].elements[0].restrictions.min_duration",
            "must be a whole number",
        ),
        (
            {"tariffs": [TARIFF | restricted(day_of_week=5)]},
            "cdr.tariffs[0].elements[0].restrictions.day_of_week",
            "must be a list of strings",
        ),
    ],
)
def test_a_refusal_of_a_cdr_says_exactly_this(changes: dict[str, Any], field: str, rule: str) -> None:
    assert _refusal(lambda: cdr(**changes)) == (field, rule)


@pytest.mark.parametrize(
    ("content", "field", "rule"),
    [
        (b"[]", "tariff", "must hold at least one tariff"),
        (b"5", "tariff", "must be an object"),
        (b"[5]", "tariff[0]", "must be an object"),
        (b"[{}]", "tariff[0].currency", "is required"),
        (b"{}", "tariff.currency", "is required"),
        (b'{"currency": "EUR"}', "tariff.elements", "is required"),
        (b'{"currency": "EUR", "elements": [{}]}', "tariff.elements[0].price_components", "is required"),
        (
            b'{"currency": "EUR", "elements": [{"price_components": [{"price": 1}]}]}',
            "tariff.elements[0].price_components[0].type",
            "is required",
        ),
        (
            b'[{"currency": "EUR", "elements": [{"price_components": [{"type": "TIME", "price": null}]}]}]',
            "tariff[0].elements[0].price_components[0].price",
            "is required",
        ),
        (b"\xff", "tariff", "must be UTF-8 text"),
        (b"[" * 100_000, "tariff", "is nested too deeply"),
        (b"{", "tariff", "must be JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (b"NaN", "tariff", "must be JSON: NaN is not a number"),
    ],
)
def test_a_refusal_of_tariffs_says_exactly_this(content: bytes, field: str, rule: str) -> None:
    assert _refusal(lambda: tariffs_from_json(content)) == (field, rule)


@pytest.mark.parametrize(
    ("content", "field", "rule"),
    [
        (b"[]", "cdr", "must be one CDR"),
        (b"[{}, {}]", "cdr", "must be one CDR"),
        (b"5", "cdr", "must be an object"),
        (b"\xff", "cdr", "must be UTF-8 text"),
    ],
)
def test_a_refusal_of_what_is_no_cdr_says_exactly_this(content: bytes, field: str, rule: str) -> None:
    assert _refusal(lambda: cdr_from_json(content)) == (field, rule)


def test_an_unknown_version_or_policy_is_refused_with_those_there_are() -> None:
    assert _refusal(lambda: parse_version("3.0")) == ("ocpi", "must be one of 2.1.1, 2.2.1, 2.3.0")
    assert _refusal(lambda: policy_named("best")) == (
        "policy",
        "must be one of last-time-based-2026, lenient-2026, ocpi-literal-2026, roamhub-2026",
    )


def test_remarks_say_exactly_this() -> None:
    odd = (
        TARIFF
        | component(type="SESSION_TIME", step_size=None)
        | {"currency": "eur", "country_code": "NLD", "tax_included": "maybe", "shape": "round"}
    )
    odd["elements"][0]["restrictions"]["reservation"] = "MAYBE"
    odd["elements"][0]["shape"] = "round"
    (parsed,) = tariffs_from_json(json.dumps([odd]).encode())
    path = "tariff[0].elements[0]"
    assert [(remark.field, remark.text) for remark in parsed.remarks] == [
        ("tariff[0].currency", "is not in upper case"),
        ("tariff[0].tax_included", "MAYBE is no OCPI value"),
        (f"{path}.price_components[0].type", "SESSION_TIME is no OCPI dimension and prices nothing"),
        (f"{path}.restrictions.reservation", "MAYBE is no OCPI value; the element prices nothing"),
        (f"{path}.shape", "is no field of OCPI here and was ignored"),
        ("tariff[0].country_code", "with party_id is no OCPI party"),
        ("tariff[0].start_date_time", "is not in UTC"),
        ("tariff[0].shape", "is no field of OCPI here and was ignored"),
    ]
    restrictions = [remark.text for remark in tariff().remarks]
    assert restrictions == ["24:00 is written 00:00 in OCPI", "Someday is no day of the week", "is not in UTC"]
    stepless = [remark.text for remark in tariff(**component(step_size=None)).remarks]
    assert "is missing; 1 was assumed" in stepless


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-03-04T10:20Z", "2026-03-04T10:20:00"),
        ("2026-03-04T10:20:07Z", "2026-03-04T10:20:07"),
        ("2026-03-04t10:20:07z", "2026-03-04T10:20:07"),
        ("2026-03-04 10:20:07", "2026-03-04T10:20:07"),
        ("2026-03-04T10:20:07.5Z", "2026-03-04T10:20:07.500000"),
        ("2026-03-04T10:20:07.123456789Z", "2026-03-04T10:20:07.123456"),
        ("2026-03-04T10:20:07.000001+0100", "2026-03-04T09:20:07.000001"),
        ("2026-03-04T10:20:07 -01:30", "2026-03-04T11:50:07"),
        ("2026-12-31T23:59:59-00:01", "2027-01-01T00:00:59"),
    ],
)
def test_a_time_is_read_to_the_microsecond(written: str, read: str) -> None:
    start = cdr(start_date_time=written, end_date_time="2028-01-01T00:00:00Z").session.start
    assert start == datetime.fromisoformat(read).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "read"),
    [("23:00", (23, 0)), ("23:59", (23, 59)), ("7:05", (7, 5)), ("24:00", (0, 0)), ("00:00", (0, 0))],
)
def test_every_minute_of_the_day_is_read(written: str, read: tuple[int, int]) -> None:
    (entry,) = tariff(**restricted(end_time=written)).tariff.elements
    assert entry.restrictions.end_time is not None
    assert (entry.restrictions.end_time.hour, entry.restrictions.end_time.minute) == read


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("0.30", "0.30"),
        ("5", "5"),
        (" 1e2 ", "1E+2"),
        ("0.123456789012", "0.123456789012"),
        ("0.1234567890125", "0.123456789013"),
        ("0.1234567890135", "0.123456789014"),
        ("-0.1234567890125", "-0.123456789013"),
        ("0" * 58 + ".5", "0.5"),
    ],
)
def test_a_number_keeps_its_digits_up_to_the_twelfth_decimal(sent: str, read: str) -> None:
    assert str(as_number(sent, "price")) == read
    assert str(as_number(Decimal(sent.strip()), "price")) == read


def test_a_number_of_more_than_60_characters_is_none() -> None:
    assert as_number("0" * 59 + "5", "price") == 5
    assert _refusal(lambda: as_number("0" * 60 + "5", "price")) == ("price", "must be a number")


@pytest.mark.parametrize(
    ("sent", "read"), [("true", True), ("True", True), ("false", False), ("FALSE", False), (True, True), (False, False)]
)
def test_a_flag_may_be_a_word(sent: object, read: bool) -> None:
    assert cdr(credit=sent).claim.credit is read


def test_lists_and_responses_keep_the_version_that_was_stated() -> None:
    for content in (TARIFF, [TARIFF, TARIFF], {"status_code": 1000, "data": TARIFF}):
        parsed = tariffs_from_json(json.dumps(content).encode(), OcpiVersion.V2_1_1)
        assert {entry.tariff.version for entry in parsed} == {OcpiVersion.V2_1_1}


@pytest.mark.parametrize(
    ("stated", "changes", "version", "of_its_tariff"),
    [
        (None, {}, "2.2.1", "2.2.1"),
        (None, {"tariffs": [TARIFF | {"tax_included": "YES"}]}, "2.2.1", "2.3.0"),
        (None, {"tariffs": [TARIFF | {"tax_included": "YES"}], "total_cost": None}, "2.3.0", "2.3.0"),
        (None, {"total_cost": {"before_taxes": 1}}, "2.3.0", "2.3.0"),
        (None, {"total_cost": 1}, "2.1.1", "2.1.1"),
        (None, {"total_cost": None, "stop_date_time": "2026-03-04T11:00:00Z"}, "2.1.1", "2.1.1"),
        (None, {"total_cost": None, "location": {}}, "2.1.1", "2.1.1"),
        ("2.2.1", {"tariffs": [TARIFF | {"tax_included": "YES"}]}, "2.2.1", "2.2.1"),
        ("2.1.1", {"tariffs": [TARIFF | {"tax_included": "YES"}]}, "2.1.1", "2.1.1"),
        ("2.3.0", {}, "2.3.0", "2.3.0"),
    ],
)
def test_the_version_is_as_stated_or_told_by_the_fields(
    stated: str | None, changes: dict[str, Any], version: str, of_its_tariff: str
) -> None:
    parsed = cdr_from_json(json.dumps(CDR | changes).encode(), version=OcpiVersion(stated) if stated else None)
    assert (parsed.version, parsed.tariffs[0].version) == (version, of_its_tariff)


@pytest.mark.parametrize("limit", ["min_price", "max_price"])
def test_a_limit_before_taxes_shows_a_tariff_of_2_3_0(limit: str) -> None:
    other = {"min_price": None, "max_price": None}
    assert tariff(**(other | {limit: {"before_taxes": 1}})).tariff.version is OcpiVersion.V2_3_0
    assert tariff(**(other | {limit: {"excl_vat": 1}})).tariff.version is OcpiVersion.V2_2_1


def test_what_ocpi_has_and_prices_nothing_is_not_remarked_on() -> None:
    described = {
        "tariff_alt_text": [{"language": "en", "text": "Cheap"}],
        "tariff_alt_url": "https://example.com",
        "energy_mix": {"is_green_energy": True},
        "preauthorize_amount": {"before_taxes": 5},
    }
    assert tariff(**described).remarks == tariff().remarks


def test_a_tariff_without_an_id_has_an_empty_one() -> None:
    assert tariff(id=None).tariff.id == ""


def test_a_component_of_an_unknown_type_hides_none_behind_it() -> None:
    known = {"type": "TIME", "price": 1, "step_size": 60}
    (entry,) = tariff(
        elements=[{"price_components": [{"type": "SESSION_TIME", "price": 9}, known, {"type": "LIGHT", "price": 1}]}]
    ).tariff.elements
    assert [(component.dimension, component.step_size) for component in entry.components] == [("TIME", 60)]
    assert entry.unknown_types == ("SESSION_TIME", "LIGHT")


def test_a_cdr_keeps_the_remarks_on_its_tariffs_and_itself() -> None:
    told = [(remark.field, remark.text) for remark in cdr(currency="eur").remarks]
    restrictions = "cdr.tariffs[0].elements[0].restrictions"
    assert told == [
        (f"{restrictions}.end_time", "24:00 is written 00:00 in OCPI"),
        (f"{restrictions}.day_of_week", "Someday is no day of the week"),
        ("cdr.tariffs[0].start_date_time", "is not in UTC"),
        ("cdr.currency", "is not in upper case"),
    ]


def test_every_total_of_a_claim_is_read_under_its_own_name() -> None:
    costs = [
        "total_cost",
        "total_fixed_cost",
        "total_energy_cost",
        "total_time_cost",
        "total_parking_cost",
        "total_reservation_cost",
    ]
    volumes = ["total_energy", "total_time", "total_parking_time"]
    stated: dict[str, Any] = {name: {"excl_vat": n} for n, name in enumerate(costs, start=1)}
    stated |= {name: n for n, name in enumerate(volumes, start=7)}
    claim = cdr(**stated, kwh=99).claim
    assert [getattr(claim, name).before_taxes for name in costs] == [1, 2, 3, 4, 5, 6]
    assert [getattr(claim, name) for name in volumes] == [7, 8, 9]


def test_a_stated_zone_and_expiry_reach_the_session() -> None:
    content = json.dumps(CDR).encode()
    parsed = cdr_from_json(content, time_zone="Europe/Oslo", reservation_expired=True)
    assert (parsed.session.time_zone, parsed.session.time_zone_assumed) == ("Europe/Oslo", False)
    assert parsed.session.reservation_expired
    assert not cdr_from_json(content).session.reservation_expired
    assert (parsed.id, parsed.session.currency) == ("c1", "EUR")
    assert parsed.session.end == datetime(2026, 3, 4, 11, tzinfo=UTC)


def test_a_stop_date_time_ends_a_cdr_of_2_1_1() -> None:
    parsed = cdr(end_date_time=None, stop_date_time="2026-03-04T10:30:00Z")
    assert parsed.session.end == datetime(2026, 3, 4, 10, 30, tzinfo=UTC)

"""OCPI module Tariffs."""

from roamhub.v1 import tariff_object_pb2 as pb

from adapters.ocpi.codec.enums import ClosedWord
from adapters.ocpi.codec.objects.shared import (
    CURRENCY,
    DATE,
    DISPLAY_TEXT,
    ENERGY_MIX,
    INSTANT,
    INT,
    NUMBER,
    OWNER_GAPS,
    TIME,
    URL,
    cistring,
    closed,
    owner,
    words,
)
from adapters.ocpi.codec.tables import Gap, Nested, Row, Table
from adapters.ocpi.codec.words import SINCE_221, UNTIL_221, V221, V230

DAY_OF_WEEK = words("DayOfWeek", "MONDAY TUESDAY WEDNESDAY THURSDAY FRIDAY SATURDAY SUNDAY")
RESERVATION_RESTRICTION_TYPE = words("ReservationRestrictionType", plus_221="RESERVATION RESERVATION_EXPIRES")
TARIFF_DIMENSION_TYPE = words("TariffDimensionType", "ENERGY FLAT PARKING_TIME TIME")
TARIFF_TYPE = words("TariffType", plus_221="AD_HOC_PAYMENT PROFILE_CHEAP PROFILE_FAST PROFILE_GREEN REGULAR")
TAX_INCLUDED = words("TaxIncluded", plus_230="YES NO N/A")

_TAX_NUMBERS = {"YES": pb.TAX_INCLUDED_YES, "NO": pb.TAX_INCLUDED_NO, "N/A": pb.TAX_INCLUDED_NOT_APPLICABLE}

PRICE_COMPONENT = Table(
    name="PriceComponent",
    message=pb.PriceComponent,
    rows=(
        Row(ocpi="type", kind=closed(TARIFF_DIMENSION_TYPE, pb.TariffDimensionType), card="1"),
        Row(ocpi="price", kind=NUMBER, card="1"),
        Row(ocpi="vat", kind=NUMBER, card="?", versions=SINCE_221),
        Row(ocpi="step_size", kind=INT, card="1"),
    ),
)
TARIFF_RESTRICTIONS = Table(
    name="TariffRestrictions",
    message=pb.TariffRestrictions,
    rows=(
        Row(ocpi="start_time", kind=TIME, card="?"),
        Row(ocpi="end_time", kind=TIME, card="?"),
        Row(ocpi="start_date", kind=DATE, card="?"),
        Row(ocpi="end_date", kind=DATE, card="?"),
        Row(ocpi="min_kwh", kind=NUMBER, card="?"),
        Row(ocpi="max_kwh", kind=NUMBER, card="?"),
        Row(ocpi="min_current", kind=NUMBER, card="?", versions=SINCE_221),
        Row(ocpi="max_current", kind=NUMBER, card="?", versions=SINCE_221),
        Row(ocpi="min_power", kind=NUMBER, card="?"),
        Row(ocpi="max_power", kind=NUMBER, card="?"),
        Row(ocpi="min_duration", kind=INT, card="?"),
        Row(ocpi="max_duration", kind=INT, card="?"),
        Row(ocpi="day_of_week", kind=closed(DAY_OF_WEEK, pb.DayOfWeek), card="*"),
        Row(
            ocpi="reservation",
            kind=closed(RESERVATION_RESTRICTION_TYPE, pb.ReservationRestrictionType),
            card="?",
            versions=SINCE_221,
        ),
    ),
)
TARIFF_ELEMENT = Table(
    name="TariffElement",
    message=pb.TariffElement,
    rows=(
        Row(ocpi="price_components", kind=Nested(PRICE_COMPONENT), card="+"),
        Row(ocpi="restrictions", kind=Nested(TARIFF_RESTRICTIONS), card="?"),
    ),
)
PRICE_LIMIT = Table(
    name="PriceLimit",
    message=pb.PriceLimit,
    rows=(
        Row(ocpi="excl_vat", kind=NUMBER, card="1", versions=(V221,), ours="before_taxes"),
        Row(ocpi="incl_vat", kind=NUMBER, card="?", versions=(V221,), ours="after_taxes"),
        Row(ocpi="before_taxes", kind=NUMBER, card="1", versions=(V230,)),
        Row(ocpi="after_taxes", kind=NUMBER, card="?", versions=(V230,)),
    ),
)
_LIMIT = Nested(PRICE_LIMIT, names={V221: "Price"})
TARIFF = Table(
    name="Tariff",
    message=pb.Tariff,
    rows=(
        *owner(),
        Row(ocpi="id", kind=cistring(36), card="1"),
        Row(ocpi="currency", kind=CURRENCY, card="1"),
        Row(ocpi="type", kind=closed(TARIFF_TYPE, pb.TariffType), card="?", versions=SINCE_221),
        Row(ocpi="tariff_alt_text", kind=Nested(DISPLAY_TEXT), card="*"),
        Row(ocpi="tariff_alt_url", kind=URL, card="?"),
        Row(ocpi="min_price", kind=_LIMIT, card="?", versions=SINCE_221),
        Row(ocpi="max_price", kind=_LIMIT, card="?", versions=SINCE_221),
        Row(ocpi="preauthorize_amount", kind=NUMBER, card="?", versions=(V230,)),
        Row(ocpi="elements", kind=Nested(TARIFF_ELEMENT), card="+"),
        Row(
            ocpi="tax_included",
            kind=ClosedWord(words=TAX_INCLUDED, numbers=_TAX_NUMBERS),
            card="1",
            versions=(V230,),
            assume="NO",
        ),
        Row(ocpi="start_date_time", kind=INSTANT, card="?", versions=SINCE_221),
        Row(ocpi="end_date_time", kind=INSTANT, card="?", versions=SINCE_221),
        Row(ocpi="energy_mix", kind=Nested(ENERGY_MIX), card="?"),
        Row(ocpi="last_updated", kind=INSTANT, card="1"),
    ),
    gaps=(
        *OWNER_GAPS,
        Gap(
            ours="tax_included",
            versions=UNTIL_221,
            rule="the prices include taxes, and before 2.3.0 they never do",
            harmless=lambda value: value != pb.TAX_INCLUDED_YES,
        ),
    ),
)

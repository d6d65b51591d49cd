"""What several OCPI modules share: value types, and the small objects nested everywhere."""

from decimal import Context, Decimal
from typing import Protocol

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.message import Message
from roamhub.v1 import common_pb2

from adapters.ocpi.codec.engine import descend, plan_of
from adapters.ocpi.codec.enums import ClosedWord, OpenWord, Words
from adapters.ocpi.codec.jsontext import Json, Number
from adapters.ocpi.codec.tables import Bridge, Gap, Nested, Reading, Row, Table, Writing
from adapters.ocpi.codec.values import DecimalNumber, Flag, Instant, Text, WholeNumber
from adapters.ocpi.codec.words import SINCE_221, V211, V221, V230

NUMBER, FLAG, INSTANT, INT = DecimalNumber(), Flag(), Instant(), WholeNumber()
URL = Text(name="URL", size=255)
TIME = Text(name="string", size=5, pattern="(?:[01][0-9]|2[0-3]):[0-5][0-9]", like="18:15")
DATE = Text(name="string", size=10, pattern="[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])", like="2015-12-24")
CURRENCY = Text(name="string", size=3, pattern="[A-Z]{3}", like="EUR")
COUNTRY = Text(name="string", size=3, pattern="[A-Z]{3}", like="NLD")
LANGUAGE = Text(name="string", size=2, pattern="[A-Za-z]{2}", like="en")
_SUM = Context(prec=100)


def string(size: int, size_211: int | None = None) -> Text:
    """Return OCPI's string of at most `size` characters."""
    return Text(name="string", size=size, size_211=size_211)


def cistring(size: int, size_211: int | None = None) -> Text:
    """Return OCPI's case-insensitive string of at most `size` characters."""
    return Text(name="CiString", size=size, size_211=size_211, ascii=True)


COUNTRY_CODE = cistring(2)
PARTY_ID = cistring(3)


def owner() -> tuple[Row, Row]:
    """Return the rows that say whose an object is; 2.1.1 says that in the URL."""
    return (
        Row(ocpi="country_code", kind=COUNTRY_CODE, card="1", versions=SINCE_221),
        Row(ocpi="party_id", kind=PARTY_ID, card="1", versions=SINCE_221),
    )


OWNER_GAPS = tuple(
    Gap(ours=name, versions=(V211,), rule="is in the URL of 2.1.1", harmless=lambda _: True)
    for name in ("country_code", "party_id")
)


def words(name: str, v211: str = "", plus_221: str = "", plus_230: str = "", *, is_open: bool = False) -> Words:
    """Return the words of an enum: those of 2.1.1, those that 2.2.1 adds and those that 2.3.0 adds."""
    known = {
        V211: tuple(v211.split()),
        V221: tuple(f"{v211} {plus_221}".split()),
        V230: tuple(f"{v211} {plus_221} {plus_230}".split()),
    }
    return Words(name=name, known=known, open_=(V230,) if is_open else ())


class _Enum(Protocol):
    """A generated enum's wrapper."""

    DESCRIPTOR: EnumDescriptor


def closed(of: Words, enum: _Enum) -> ClosedWord:
    """Return the value for a closed enum that the contract has as `enum`, its generated wrapper."""
    values = enum.DESCRIPTOR.values
    prefix = values[0].name.removesuffix("UNSPECIFIED")
    return ClosedWord(words=of, numbers={value.name.removeprefix(prefix): value.number for value in values[1:]})


def opened(of: Words) -> OpenWord:
    """Return the value for an enum that is text in the contract."""
    return OpenWord(words=of)


DISPLAY_TEXT = Table(
    name="DisplayText",
    message=common_pb2.DisplayText,
    rows=(Row(ocpi="language", kind=LANGUAGE, card="1"), Row(ocpi="text", kind=string(512), card="1")),
)

_LATITUDE = Text(name="string", size=10, pattern=r"-?[0-9]{1,2}\.[0-9]{5,7}", like="50.770774")
_LONGITUDE = Text(name="string", size=11, pattern=r"-?[0-9]{1,3}\.[0-9]{5,7}", like="-126.104965")
_POINT = (Row(ocpi="latitude", kind=_LATITUDE, card="1"), Row(ocpi="longitude", kind=_LONGITUDE, card="1"))
GEO_LOCATION = Table(name="GeoLocation", message=common_pb2.GeoLocation, rows=_POINT)
ADDITIONAL_GEO_LOCATION = Table(
    name="AdditionalGeoLocation",
    message=common_pb2.AdditionalGeoLocation,
    rows=(*_POINT, Row(ocpi="name", kind=Nested(DISPLAY_TEXT), card="?")),
)

IMAGE_CATEGORY = words("ImageCategory", "CHARGER ENTRANCE LOCATION NETWORK OPERATOR OTHER OWNER", is_open=True)
IMAGE = Table(
    name="Image",
    message=common_pb2.Image,
    rows=(
        Row(ocpi="url", kind=URL, card="1"),
        Row(ocpi="thumbnail", kind=URL, card="?"),
        Row(ocpi="category", kind=opened(IMAGE_CATEGORY), card="1"),
        Row(ocpi="type", kind=cistring(4), card="1"),
        Row(ocpi="width", kind=WholeNumber(name="int(5)", within=(0, 99999)), card="?"),
        Row(ocpi="height", kind=WholeNumber(name="int(5)", within=(0, 99999)), card="?"),
    ),
)
BUSINESS_DETAILS = Table(
    name="BusinessDetails",
    message=common_pb2.BusinessDetails,
    rows=(
        Row(ocpi="name", kind=string(100), card="1"),
        Row(ocpi="website", kind=URL, card="?"),
        Row(ocpi="logo", kind=Nested(IMAGE), card="?"),
    ),
)

ENERGY_SOURCE_CATEGORY = words("EnergySourceCategory", "NUCLEAR GENERAL_FOSSIL COAL GAS GENERAL_GREEN SOLAR WIND WATER")
ENVIRONMENTAL_IMPACT_CATEGORY = words("EnvironmentalImpactCategory", "NUCLEAR_WASTE CARBON_DIOXIDE", is_open=True)
ENERGY_SOURCE = Table(
    name="EnergySource",
    message=common_pb2.EnergySource,
    rows=(
        Row(ocpi="source", kind=closed(ENERGY_SOURCE_CATEGORY, common_pb2.EnergySourceCategory), card="1"),
        Row(ocpi="percentage", kind=NUMBER, card="1"),
    ),
)
ENVIRONMENTAL_IMPACT = Table(
    name="EnvironmentalImpact",
    message=common_pb2.EnvironmentalImpact,
    rows=(
        Row(ocpi="source", kind=opened(ENVIRONMENTAL_IMPACT_CATEGORY), card="1", versions=(V211,), ours="category"),
        Row(ocpi="category", kind=opened(ENVIRONMENTAL_IMPACT_CATEGORY), card="1", versions=SINCE_221),
        Row(ocpi="amount", kind=NUMBER, card="1"),
    ),
)
ENERGY_MIX = Table(
    name="EnergyMix",
    message=common_pb2.EnergyMix,
    rows=(
        Row(ocpi="is_green_energy", kind=FLAG, card="1"),
        Row(ocpi="energy_sources", kind=Nested(ENERGY_SOURCE), card="*"),
        Row(ocpi="environ_impact", kind=Nested(ENVIRONMENTAL_IMPACT), card="*"),
        Row(ocpi="supplier_name", kind=string(64), card="?"),
        Row(ocpi="energy_product_name", kind=string(64), card="?"),
    ),
)

REGULAR_HOURS = Table(
    name="RegularHours",
    message=common_pb2.RegularHours,
    rows=(
        Row(ocpi="weekday", kind=WholeNumber(name="int(1)", within=(1, 7)), card="1"),
        Row(ocpi="period_begin", kind=TIME, card="1"),
        Row(ocpi="period_end", kind=TIME, card="1"),
    ),
)
EXCEPTIONAL_PERIOD = Table(
    name="ExceptionalPeriod",
    message=common_pb2.ExceptionalPeriod,
    rows=(
        Row(ocpi="period_begin", kind=INSTANT, card="1"),
        Row(ocpi="period_end", kind=INSTANT, card="1"),
    ),
)
HOURS = Table(
    name="Hours",
    message=common_pb2.Hours,
    rows=(
        # 2.1.1 wants either this or the weekly hours.
        Row(ocpi="twentyfourseven", kind=FLAG, card="?", versions=(V211,)),
        Row(ocpi="twentyfourseven", kind=FLAG, card="1", versions=SINCE_221),
        Row(ocpi="regular_hours", kind=Nested(REGULAR_HOURS), card="*"),
        Row(ocpi="exceptional_openings", kind=Nested(EXCEPTIONAL_PERIOD), card="*"),
        Row(ocpi="exceptional_closings", kind=Nested(EXCEPTIONAL_PERIOD), card="*"),
    ),
)

TAX_AMOUNT = Table(
    name="TaxAmount",
    message=common_pb2.TaxAmount,
    rows=(
        Row(ocpi="name", kind=string(255), card="1", versions=(V230,)),
        Row(ocpi="account_number", kind=string(255), card="?", versions=(V230,)),
        Row(ocpi="percentage", kind=NUMBER, card="?", versions=(V230,)),
        Row(ocpi="amount", kind=NUMBER, card="1", versions=(V230,)),
    ),
)


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except ArithmeticError:
        return None


def _read_gross(price: Message, value: Json, reading: Reading) -> bool:  # noqa: ARG001
    assert isinstance(price, common_pb2.Price)
    price.after_taxes.value = str(NUMBER.reader(V221)(value))
    return True


def _write_gross(price: Message, writing: Writing) -> Json:
    """Return the amount with VAT: as stated, or the sum of amount and taxes."""
    assert isinstance(price, common_pb2.Price)
    if price.HasField("after_taxes"):
        if price.taxes:
            writing.note("2.2.1 says what the taxes come to, not which they are")
        return NUMBER.writer(V221)(price.after_taxes)
    parts = [_decimal(price.before_taxes.value), *(_decimal(tax.amount.value) for tax in price.taxes)]
    if len(parts) == 1:
        return None
    writing.note("2.2.1 says what the taxes come to, not which they are")
    total = Decimal(0)
    for part in parts:
        if part is None:
            return None
        total = _SUM.add(total, part)
    return Number(format(total, "f"))


def _read_taxes(price: Message, value: Json, reading: Reading) -> bool:
    assert isinstance(price, common_pb2.Price)
    descend(TAX_AMOUNT, price.taxes, value, reading, "", many=True)
    return True


def _write_taxes(price: Message, writing: Writing) -> Json:
    """Return the taxes: as listed, or one `VAT` that makes up the difference between the two amounts."""
    assert isinstance(price, common_pb2.Price)
    plan = plan_of(TAX_AMOUNT, V230)
    if price.taxes:
        return [plan.write(tax, writing.below(f"[{index}]")) for index, tax in enumerate(price.taxes)]
    before, after = _decimal(price.before_taxes.value), _decimal(price.after_taxes.value)
    if before is None or after is None or before == after:
        return None
    writing.note("2.3.0 names its taxes; assumed VAT", "[0].name", assumed=True)
    return [{"name": "VAT", "amount": Number(format(_SUM.subtract(after, before), "f"))}]


_BOTH = frozenset({"after_taxes", "taxes"})
PRICE = Table(
    name="Price",
    message=common_pb2.Price,
    rows=(
        Row(ocpi="excl_vat", kind=NUMBER, card="1", versions=(V221,), ours="before_taxes"),
        Row(
            ocpi="incl_vat",
            kind=Bridge(name="number", read=_read_gross, write=_write_gross, covers=_BOTH),
            card="?",
            versions=(V221,),
            ours="after_taxes, or before_taxes and the taxes added up",
        ),
        Row(ocpi="before_taxes", kind=NUMBER, card="1", versions=(V230,)),
        Row(
            ocpi="taxes",
            kind=Bridge(name="TaxAmount", read=_read_taxes, write=_write_taxes, covers=_BOTH, table=TAX_AMOUNT),
            card="*",
            versions=(V230,),
            ours="taxes, or after_taxes less before_taxes as VAT",
        ),
    ),
)


def net_amount(target: str) -> Bridge:
    """Return the bridge from the bare number of 2.1.1, an amount without VAT, to the Price in `target`."""

    def read(message: Message, value: Json, reading: Reading) -> bool:
        getattr(message, target).before_taxes.value = NUMBER.reader(reading.version)(value)
        return True

    def write(message: Message, writing: Writing) -> Json:
        if not message.HasField(target):
            return None
        price: common_pb2.Price = getattr(message, target)
        if price.taxes or price.HasField("after_taxes"):
            writing.note("2.1.1 says nothing of taxes")
        if not price.HasField("before_taxes"):
            return None
        return NUMBER.writer(writing.version)(price.before_taxes)

    return Bridge(name="number", read=read, write=write, covers=frozenset({target}))


def cost(name: str, card: str, *, since_221: bool = False) -> tuple[Row, ...]:
    """Return the rows of an amount of money: a Price, in 2.1.1 a bare number."""
    price = Row(ocpi=name, kind=Nested(PRICE), card=card, versions=SINCE_221)
    if since_221:
        return (price,)
    net = Row(ocpi=name, kind=net_amount(name), card=card, versions=(V211,), ours=f"{name}.before_taxes")
    return (net, price)

"""Values: how one JSON value of OCPI becomes the value of one protobuf field, and back.

A value compiles to two functions for one version. The reading one returns what the field takes, raises `Repaired` when
a rule is broken but the meaning plain, and `Refused` when there is no meaning. The writing one returns JSON, raises
`Repaired` when the version says it less exactly, and `Refused` when it cannot say it. The sound case raises nothing and
costs next to nothing.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Protocol

from adapters.ocpi.codec.jsontext import Json, Number
from adapters.ocpi.codec.words import V211, Refused, Repaired, Version

Read = Callable[[object], object]
Write = Callable[[object], Json]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INT32 = range(-(2**31), 2**31)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_DIGITS_MAX = 40
_EXPONENT_MAX = 30
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:[.,](\d+))?(?:([Zz])|([+-])(\d\d):?(\d\d))?", re.ASCII)


class Value(Protocol):
    """One type of OCPI's tables, such as `CiString(36)`."""

    def label(self, version: Version, /) -> str:
        """Return what OCPI's tables call it in that version."""

    def reader(self, version: Version, /) -> Read:
        """Return the function from JSON to the field."""

    def writer(self, version: Version, /) -> Write:
        """Return the function from the field to JSON."""


def _same(value: object) -> Json:
    return value  # type: ignore[return-value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A string; `ascii` for CiString, which holds printable ASCII only. `size_211` where 2.1.1 has another limit.

    `free` text may be empty: its field has presence. Elsewhere empty means absent, so an empty string is refused.
    """

    name: str
    size: int
    size_211: int | None = None
    ascii: bool = False
    pattern: str | None = None
    like: str = ""
    free: bool = False

    def label(self, version: Version) -> str:
        """Return such as `string(255)`."""
        return self.name if self.name == "URL" else f"{self.name}({self._size(version)})"

    def _size(self, version: Version) -> int:
        return self.size_211 if self.size_211 and version is V211 else self.size

    def reader(self, version: Version) -> Read:
        """Return the function that takes a JSON string, or a number as its text."""
        size, only_ascii, free, check = self._size(version), self.ascii, self.free, self._check
        matches = re.compile(self.pattern, re.ASCII).fullmatch if self.pattern else None

        def read(value: object) -> object:
            if type(value) is not str:
                if isinstance(value, Number):
                    raise Repaired(value.text, ("", "must be a JSON string, not a number"))
                raise Refused("must be a JSON string")
            if not value and not free:
                raise Refused("must not be empty")
            if len(value) > size or not value.isascii() or (only_ascii and not value.isprintable()):
                check(value, size)
            if matches and not matches(value):
                raise Repaired(value, ("", f"must look like {self.like}"))
            return value

        return read

    def _check(self, value: str, size: int) -> None:
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Refused("must be well-formed Unicode") from None
        rules = []
        if len(value) > size:
            rules.append(("", f"must be at most {size} characters"))
        if self.ascii and not (value.isascii() and value.isprintable()):
            rules.append(("", "must be printable ASCII"))
        if rules:
            raise Repaired(value, *rules)

    def writer(self, version: Version) -> Write:
        """Return the function that gives the string."""
        size = self._size(version)

        def write(value: object) -> Json:
            if len(value) > size:  # type: ignore[arg-type]
                raise Repaired(value, ("", f"is longer than the {size} characters of {version}"))
            return _same(value)

        return write


@dataclass(frozen=True, slots=True)
class DecimalNumber:
    """OCPI's number, as `google.type.Decimal`: the text goes in and comes out as it was."""

    def label(self, _version: Version) -> str:
        """Return `number`."""
        return "number"

    def reader(self, _version: Version) -> Read:
        """Return the function that gives the decimal's text."""
        return self._read

    def _read(self, value: object) -> object:
        if isinstance(value, Number):
            text = value.text
            if len(text) > _DIGITS_MAX or "e" in text or "E" in text:
                _bound(text)
            return text
        if type(value) is str and _NUMBER.fullmatch(value):
            _bound(value)
            raise Repaired(value, ("", "must be a JSON number, not a string"))
        if type(value) is float:
            raise TypeError("parse JSON with adapters.ocpi.codec.loads: a float has lost what was sent")
        if type(value) is int:
            return str(value)
        raise Refused("must be a JSON number")

    def writer(self, _version: Version) -> Write:
        """Return the function from the decimal's text to a JSON number."""
        return self._write

    def _write(self, value: object) -> Json:
        text: str = value.value  # type: ignore[attr-defined]
        if _NUMBER.fullmatch(text):
            return Number(text)
        raise Refused("is not a number")


def _bound(text: str) -> None:
    """Refuse numbers that only harm: more digits or larger exponents than any quantity of the field has."""
    mantissa, _, exponent = text.lower().partition("e")
    if len(mantissa) > _DIGITS_MAX or len(exponent) > 4 or abs(int(exponent or 0)) > _EXPONENT_MAX:
        raise Refused(f"must have at most {_DIGITS_MAX} digits and an exponent of at most {_EXPONENT_MAX}")


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeNumber:
    """OCPI's int, as `int32`. `within` are the bounds OCPI gives, both inclusive."""

    name: str = "int"
    within: tuple[int, int] | None = None

    def label(self, _version: Version) -> str:
        """Return such as `int(5)`."""
        return self.name

    def reader(self, _version: Version) -> Read:
        """Return the function that takes a JSON number without a fraction."""
        within = self.within

        def read(value: object) -> object:
            rules = []
            match value:
                case Number(text=text):
                    pass
                case str() if _NUMBER.fullmatch(value):
                    text = value
                    rules.append(("", "must be a JSON number, not a string"))
                case int() if type(value) is int:
                    text = str(value)
                case _:
                    raise Refused("must be a whole number")
            if len(text) < 12 and text.removeprefix("-").isdigit():
                whole = int(text)
            else:
                _bound(text)
                exact = Number(text).value
                whole = int(exact)
                if whole != exact:
                    raise Refused("must be a whole number")
            if whole not in _INT32:
                raise Refused("must fit 32 bits")
            if within and not within[0] <= whole <= within[1]:
                rules.append(("", f"must be {within[0]} to {within[1]}"))
            if rules:
                raise Repaired(whole, *rules)
            return whole

        return read

    def writer(self, _version: Version) -> Write:
        """Return the function that gives the number."""
        return _same


@dataclass(frozen=True, slots=True)
class Flag:
    """OCPI's boolean."""

    def label(self, _version: Version) -> str:
        """Return `boolean`."""
        return "boolean"

    def reader(self, _version: Version) -> Read:
        """Return the function that takes a JSON boolean, or its word as a string."""
        return self._read

    def _read(self, value: object) -> object:
        if value is True or value is False:
            return value
        if isinstance(value, str) and value.lower() in ("true", "false"):
            raise Repaired(value.lower() == "true", ("", "must be a JSON boolean, not a string"))
        raise Refused("must be a JSON boolean")

    def writer(self, _version: Version) -> Write:
        """Return the function that gives the boolean."""
        return _same


@dataclass(frozen=True, slots=True)
class Instant:
    """OCPI's DateTime, as `google.protobuf.Timestamp`; without a zone it is UTC."""

    def label(self, _version: Version) -> str:
        """Return `DateTime`."""
        return "DateTime"

    def reader(self, _version: Version) -> Read:
        """Return the function that gives (seconds since 1970, nanoseconds)."""
        return self._read

    def _read(self, value: object) -> object:
        if type(value) is str:
            return _instant(value)
        raise Refused("must be a JSON string")

    def writer(self, _version: Version) -> Write:
        """Return the function from the timestamp to its text, in UTC, with 0, 3, 6 or 9 decimals."""
        return self._write

    def _write(self, value: object) -> Json:
        seconds: int = value.seconds  # type: ignore[attr-defined]
        nanos: int = value.nanos  # type: ignore[attr-defined]
        try:
            whole = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
        except OverflowError:
            raise Refused("is outside the years 1 to 9999") from None
        return f"{whole.zfill(19)}{_fraction(nanos)}Z"


def _fraction(nanos: int) -> str:
    if nanos == 0:
        return ""
    digits = f"{nanos:09}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f".{digits}"


@lru_cache(maxsize=8192)
def _instant(text: str) -> tuple[int, int]:
    found = _INSTANT.fullmatch(text)
    if not found:
        raise Refused("must look like 2015-06-29T20:39:09Z")
    date, time, fraction, zulu, sign, hours, minutes = found.groups()
    rules = []
    try:
        moment = datetime.fromisoformat(f"{date}T{time}").replace(tzinfo=UTC)
        if sign:
            offset = timedelta(hours=int(hours), minutes=int(minutes))
            moment = moment.replace(tzinfo=timezone(offset if sign == "+" else -offset)).astimezone(UTC)
            rules.append(("", "must be in UTC"))
    except (ValueError, OverflowError):
        raise Refused("must be a time of the calendar") from None
    fraction = fraction or ""
    if len(fraction) > 9:
        rules.append(("", "must have at most 9 decimals; the rest is cut"))
    if "T" not in text or zulu == "z" or "," in text:
        rules.append(("", "must look like 2015-06-29T20:39:09Z"))
    read = (int((moment - _EPOCH).total_seconds()), int(fraction[:9].ljust(9, "0")))
    if rules:
        raise Repaired(read, *rules)
    return read

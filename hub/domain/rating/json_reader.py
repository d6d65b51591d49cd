"""Reading JSON as partners send it: numbers as numbers or strings, nulls for absent, fields nobody knows."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation

from hub.domain.errors import invalid
from hub.domain.rating.exact import CONTEXT, usable

_DEEPEST_DECIMALS = 12
_FINEST = Decimal(1).scaleb(-_DEEPEST_DECIMALS)
_LONGEST_NUMBER = 60
_MOMENT = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?\s*(Z|z|[+-]\d{2}:?\d{2})?", re.ASCII
)
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::\d{2})?", re.ASCII)
_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})", re.ASCII)


def load_json(content: bytes, path: str) -> object:
    """Parse a JSON document in UTF-8; every number becomes an exact Decimal.

    Raises:
        Invalid: It is not UTF-8, not JSON, holds NaN or Infinity, or is nested too deeply.
    """
    try:
        text = content.decode("utf-8-sig")
        return json.loads(text, parse_float=Decimal, parse_int=Decimal, parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise invalid(path, "must be UTF-8 text") from None
    except (ValueError, InvalidOperation) as error:
        raise invalid(path, f"must be JSON: {error}") from None
    except RecursionError:
        raise invalid(path, "is nested too deeply") from None


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not a number")


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """Something read with goodwill: the field's path and what was odd about it."""

    field: str
    text: str


@dataclass(slots=True, kw_only=True)
class Node:
    """One JSON object being read, with its path for messages; `offset` remembers a non-UTC offset of its times."""

    raw: dict[str, object]
    path: str
    remarks: list[Remark] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)
    offset: timedelta | None = None

    def at(self, name: str) -> str:
        """Return the path of a field."""
        return f"{self.path}.{name}" if self.path else name

    def get(self, name: str) -> object:
        """Return a field's value; None where it is absent or null."""
        self.asked.add(name)
        return self.raw.get(name)

    def need(self, name: str) -> object:
        """Return a field's value.

        Raises:
            Invalid: It is absent or null.
        """
        value = self.get(name)
        if value is None:
            raise invalid(self.at(name), "is required")
        return value

    def remark(self, name: str, text: str) -> None:
        """Remember something odd."""
        self.remarks.append(Remark(field=self.at(name), text=text))

    def node(self, name: str) -> "Node | None":
        """Return an object field."""
        value = self.get(name)
        return None if value is None else self._child(value, self.at(name))

    def nodes(self, name: str) -> Iterator["Node"]:
        """Yield the objects of a list field; none where it is absent."""
        value = self.get(name)
        if value is None:
            return
        if not isinstance(value, list):
            raise invalid(self.at(name), "must be a list")
        for index, entry in enumerate(value):
            yield self._child(entry, f"{self.at(name)}[{index}]")

    def _child(self, value: object, path: str) -> "Node":
        return Node(raw=as_object(value, path), path=path, remarks=self.remarks)

    def text(self, name: str) -> str | None:
        """Return a string field; a number is taken as its digits, as some senders write ids."""
        value = self.get(name)
        if value is None:
            return None
        if isinstance(value, Decimal):
            return str(value)
        if not isinstance(value, str):
            raise invalid(self.at(name), "must be a string")
        return value.strip()

    def texts(self, name: str) -> list[str] | None:
        """Return a list of strings; a single string counts as a list of one."""
        value = self.get(name)
        if value is None:
            return None
        entries = [value] if isinstance(value, str) else value
        if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
            raise invalid(self.at(name), "must be a list of strings")
        return [entry.strip() for entry in entries if isinstance(entry, str)]

    def flag(self, name: str) -> bool:
        """Return a boolean field, False where it is absent."""
        value = self.get(name)
        if value is None or isinstance(value, bool):
            return bool(value)
        if isinstance(value, str) and value.lower() in {"true", "false"}:
            return value.lower() == "true"
        raise invalid(self.at(name), "must be true or false")

    def number(self, name: str) -> Decimal | None:
        """Return a number field; digits beyond the twelfth decimal are noise of binary fractions and rounded off."""
        value = self.get(name)
        return None if value is None else as_number(value, self.at(name))

    def whole(self, name: str) -> int | None:
        """Return a whole number field."""
        value = self.number(name)
        if value is None:
            return None
        if value != value.to_integral_value():
            raise invalid(self.at(name), "must be a whole number")
        return int(value)

    def moment(self, name: str) -> datetime | None:
        """Return a DateTime field in UTC; without a zone it is UTC, as OCPI says."""
        value = self.get(name)
        if value is None:
            return None
        match = _MOMENT.fullmatch(value.strip()) if isinstance(value, str) else None
        if match is None:
            raise invalid(self.at(name), "must be a time such as 2026-01-31T12:00:00Z")
        try:
            instant, offset = _instant(match)
        except (ValueError, OverflowError):
            raise invalid(self.at(name), "must be a time that exists") from None
        if offset:
            self.offset = offset
            self.remark(name, "is not in UTC")
        return instant

    def clock(self, name: str) -> time | None:
        """Return a time of day; 24:00 is 00:00, the end of the day."""
        value = self.text(name)
        if value is None or not value:
            return None
        match = _CLOCK.fullmatch(value)
        hour, minute = (int(part) for part in match.groups()) if match else (99, 99)
        if (hour, minute) == (24, 0):
            self.remark(name, "24:00 is written 00:00 in OCPI")
            hour = 0
        if hour > 23 or minute > 59:
            raise invalid(self.at(name), "must be a time of day such as 13:30")
        return time(hour, minute)

    def day(self, name: str) -> date | None:
        """Return a calendar date."""
        value = self.text(name)
        if value is None or not value:
            return None
        match = _DATE.match(value)
        try:
            if match is not None:
                return date(*(int(part) for part in match.groups()))
        except ValueError:
            pass
        raise invalid(self.at(name), "must be a date such as 2026-01-31")

    def unknown(self) -> Iterator[str]:
        """Yield the fields nobody asked for."""
        yield from (name for name in self.raw if name not in self.asked)


def as_object(value: object, path: str) -> dict[str, object]:
    """Return the value as a JSON object.

    Raises:
        Invalid: It is none.
    """
    if not isinstance(value, dict):
        raise invalid(path, "must be an object")
    return value


def as_number(value: object, path: str) -> Decimal:
    """Return a number that was sent as a number or as a string.

    Raises:
        Invalid: It is neither, not finite, or of absurd size.
    """
    if isinstance(value, str):
        text = value.strip()
        try:
            value = Decimal(text) if len(text) <= _LONGEST_NUMBER else None
        except InvalidOperation:
            value = None
    if not isinstance(value, Decimal):
        raise invalid(path, "must be a number")
    if not usable(value):
        raise invalid(path, "must be a finite number of sensible size")
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -_DEEPEST_DECIMALS:
        return value.quantize(_FINEST, context=CONTEXT)
    return value


def _instant(match: re.Match[str]) -> tuple[datetime, timedelta]:
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    local = datetime(
        int(year),
        int(month),
        int(day),
        int(hour),
        int(minute),
        int(second or 0),
        int((fraction or "0").ljust(6, "0")[:6]),
        tzinfo=UTC,
    )
    if zone is None or zone in "Zz":
        return local, timedelta(0)
    digits = zone[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    if zone[0] == "-":
        offset = -offset
    return local - offset, offset

"""Reading requests: each function turns one part of a message into a domain value or says which field breaks what rule.

Fields are named by their path in the request. A reader collects every violation it finds before it raises, so that a
partner mends a message once.
"""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.decimal_pb2 import Decimal as PbDecimal
from roamhub.v1 import common_pb2

from hub.domain.errors import Invalid, Violation
from hub.domain.ids import PartyId, read_party
from hub.domain.money import parse_decimal

T = TypeVar("T")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ID_MAX = 39
#: An idempotency key (AIP-155).
UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
#: An object of a partner's as it is stored, serialised.
DOCUMENT_BYTES_MAX = 3 * 1024 * 1024
_EXTENSIONS_BYTES_MAX = 64 * 1024
_EARLIEST = -62_135_596_800
#: The last second of the year 9999, in seconds since 1970.
LATEST = 253_402_300_799


class Reader:
    """Collects the violations of one message; `done` raises when there are any."""

    def __init__(self, path: str = "") -> None:
        self._path = f"{path}." if path else ""
        self.violations: list[Violation] = []

    def refuse(self, field: str, rule: str) -> None:
        """Note that a field breaks a rule."""
        self.violations.append(Violation(field=self._path + field, rule=rule))

    def done(self) -> None:
        """Raise Invalid when anything was noted."""
        if self.violations:
            raise Invalid(self.violations)

    def party(self, field: str, country_code: str, party_id: str) -> PartyId:
        """Read a party; the field is the path of the message that holds the two parts, "" for the message itself."""
        try:
            return read_party(country_code, party_id)
        except ValueError as error:
            self.refuse(field or "party_id", str(error))
            return _NOBODY

    def id(self, field: str, text: str, longest: int = _ID_MAX) -> str:
        """Read a foreign id: 1 to `longest` printable characters."""
        if not text:
            self.refuse(field, "is required")
        elif len(text) > longest:
            self.refuse(field, f"must have at most {longest} characters")
        elif not text.isprintable():
            self.refuse(field, "must hold printable characters only")
        return text

    def optional_id(self, field: str, text: str, longest: int = _ID_MAX) -> str:
        """Read a foreign id that may be absent."""
        return self.id(field, text, longest) if text else text

    def ids(self, fields: Sequence[str], texts: Sequence[str], longest: int) -> None:
        """Check several ids at once: a look at all of them tells whether each has to be looked at."""
        if not all(texts) or max(map(len, texts)) > longest or not "".join(texts).isprintable():
            for field, text in zip(fields, texts, strict=True):
                self.id(field, text, longest)

    def time(self, field: str, stamp: Timestamp) -> datetime:
        """Read an instant: required, to the microsecond, within the years 1 to 9999."""
        seconds, nanos = stamp.seconds, stamp.nanos
        # A Timestamp that is absent and one at the epoch read the same; no fact of ours is that old.
        if not (seconds or nanos):
            self.refuse(field, "is required")
            return _EPOCH
        if not is_instant(seconds, nanos):
            self.refuse(field, "must be a time within the years 1 to 9999")
            return _EPOCH
        return time_from_seconds(seconds, nanos)

    def optional_time(self, field: str, owner: Message) -> datetime | None:
        """Read an instant that narrows a list; None when it is absent. The epoch is as good as any other."""
        name = field.rpartition(".")[2]
        stamp: Timestamp = getattr(owner, name)
        if not owner.HasField(name):
            return None
        return self.time(field, stamp) if stamp.seconds or stamp.nanos else _EPOCH

    def decimal(self, field: str, number: PbDecimal, *, required: bool = True) -> Decimal:
        """Read an exact decimal."""
        text = number.value
        try:
            if text:
                return parse_decimal(text)
            if required:
                self.refuse(field, "is required")
        except ValueError as error:
            self.refuse(field, str(error))
        return Decimal(0)

    def request_id(self, text: str) -> str:
        """Read the idempotency key: a UUID, required where money or CDRs move (AIP-155)."""
        if not UUID.fullmatch(text):
            self.refuse(
                "request_id", "must be a UUID, such as 0f8fad5b-d9cb-469f-a165-70867728950e" if text else "is required"
            )
        return text.lower()

    def document(self, content: bytes) -> bytes:
        """Return what will be stored, if it fits, with what the hub says of it, into one message to whoever reads it.

        Clients take messages of 4 MiB. What is larger could be submitted, and never be listed or watched.
        """
        if len(content) > DOCUMENT_BYTES_MAX:
            violation = Violation(
                field=self._path[:-1] or "request", rule=f"must take at most {DOCUMENT_BYTES_MAX} bytes"
            )
            self.violations.append(violation)
        return content

    def extensions(self, field: str, text: str) -> None:
        """Check what a sender said beyond the contract: the text of a JSON object, at most 64 KiB; empty for none."""
        if not text:
            return
        if len(text.encode()) > _EXTENSIONS_BYTES_MAX:
            self.refuse(field, f"must have at most {_EXTENSIONS_BYTES_MAX} bytes")
            return
        try:
            known = isinstance(json.loads(text, parse_constant=_no_constant), dict)
        except (ValueError, RecursionError):
            known = False
        if not known:
            self.refuse(field, "must be the text of a JSON object")

    def one_of(self, field: str, number: int, known: dict[int, T], fallback: T) -> T:
        """Read an enum: a value the contract defines, other than UNSPECIFIED."""
        if number == 0:
            self.refuse(field, "is required")
        elif number not in known:
            self.unknown(field, number)
        return known.get(number, fallback)

    def unknown(self, field: str, number: int) -> None:
        """Note that an enum has no such value, unless the field is refused already."""
        if all(violation.field != self._path + field for violation in self.violations):
            self.refuse(field, f"{number} is no value of this enum")


_NOBODY = PartyId("ZZ", "ZZZ")


def _no_constant(name: str) -> None:
    """Refuse NaN and the infinities, which Python reads and JSON does not know."""
    raise ValueError(name)


def is_currency(text: str) -> bool:
    """Say whether a text can be an ISO 4217 code: three capital letters."""
    return len(text) == 3 and text.isascii() and text.isalpha() and text.isupper()


def is_country(text: str) -> bool:
    """Say whether a text can be an ISO 3166-1 code in capital letters: alpha-3, or alpha-2 as some send it."""
    return 2 <= len(text) <= 3 and text.isascii() and text.isalpha() and text.isupper()


def is_instant(seconds: int, nanos: int) -> bool:
    """Say whether the two parts of a Timestamp are such, and within the years 1 to 9999."""
    return _EARLIEST <= seconds <= LATEST and 0 <= nanos < 1_000_000_000


def time_from_pb(stamp: Timestamp) -> datetime:
    """Return an instant to the microsecond; finer parts are cut off."""
    return time_from_seconds(stamp.seconds, stamp.nanos)


def time_from_seconds(seconds: int, nanos: int) -> datetime:
    """Return the instant of a Timestamp's two parts; raises OverflowError outside the years 1 to 9999."""
    # By position: by name a timedelta takes half as long again.
    return _EPOCH + timedelta(0, seconds, nanos // 1000)


def time_to_pb(instant: datetime) -> Timestamp:
    """Return the message of an aware instant."""
    stamp = Timestamp()
    fill_time(stamp, instant)
    return stamp


def fill_time(stamp: Timestamp, instant: datetime) -> None:
    """Write an aware instant into a message."""
    delta = instant - _EPOCH
    stamp.seconds = delta.days * 86_400 + delta.seconds
    stamp.nanos = delta.microseconds * 1000


def micros_of(instant: datetime) -> int:
    """Return whole microseconds since 1970 of an aware instant, such as a page token holds."""
    return (instant - _EPOCH) // timedelta(microseconds=1)


def instant_of(micros: int) -> datetime:
    """Return the aware instant so many microseconds after 1970; raises OverflowError outside the years 1 to 9999."""
    return _EPOCH + timedelta(microseconds=micros)


def party_to_pb(party: PartyId | None) -> common_pb2.PartyKey | None:
    """Return the message of a party; None stays None, an absent field."""
    return None if party is None else common_pb2.PartyKey(country_code=party.country_code, party_id=party.party_id)

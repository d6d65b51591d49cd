"""Open Charge Metering Format (OCMF 1.0 to 1.4): `OCMF|{payload}|{signature}`.

What is signed are the payload's bytes as they came, between the first and the last `|`; they are never written anew.
A key twice in one object is refused, as two readers could see two documents in it.
"""

import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hub.domain.meter.model import (
    Event,
    Format,
    MalformedMeterData,
    MeterDocument,
    Reading,
    Reason,
    SignedUser,
    Sync,
    UserKind,
)
from hub.domain.meter.text import DOCUMENT_BYTES_MAX, from_base64, from_hex, number

HEADER = b"OCMF|"
DEFAULT_ALGORITHM = "ECDSA-secp256r1-SHA256"

_READINGS_MAX = 1000
_TEXT_MAX = 256
#: TX by OCMF's letters; a reading without one takes that of the reading before.
_EVENTS = {
    "B": Event.BEGIN,
    "C": Event.DURING,
    "S": Event.DURING,
    "T": Event.DURING,
    "X": Event.EXCEPTION,
    "E": Event.END,
    "L": Event.END,
    "R": Event.END,
    "A": Event.END,
    "P": Event.END,
}
#: IT by what a CDR says as well. An EVCOID (DIN 91286) is a contract too, but written in another way than an eMAID.
_USERS = {"ISO14443": UserKind.TOKEN, "ISO15693": UserKind.TOKEN, "EMAID": UserKind.CONTRACT}
_INHERITED = ("TM", "TX", "RI", "RU", "EF", "ST")
_KWH = {"kwh": Decimal(1), "wh": Decimal("0.001")}
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,6}))?(?:Z|([+-])(\d\d):?(\d\d))(?: ?([UISR]))?", re.ASCII
)
_PAGE = re.compile(r"([TF])(\d{1,18})", re.ASCII)
#: The energy registers of OBIS: value group C of 1 (import), or OCMF's B0 to B3 (import, total and of the transaction).
_IMPORTED = re.compile(
    r"(?:[0-9a-z]{1,2}-[0-9a-z]{1,2}:)?0?(?:1|b[0-3])\.0?8\.[0-9a-z]{1,2}(?:[*.][0-9a-z]{1,3})?", re.ASCII
)


def parse_ocmf(data: bytes, *, carried_key: str = "", transaction: str = "") -> MeterDocument:
    """Read one OCMF document.

    Raises:
        MalformedMeterData: It is none, or exceeds a bound.
    """
    data = data.strip()
    if len(data) > DOCUMENT_BYTES_MAX:
        raise MalformedMeterData(Reason.TOO_LARGE)
    end = data.rfind(b"|")
    if not data.startswith(HEADER) or end < len(HEADER):
        raise MalformedMeterData
    signed = data[len(HEADER) : end]
    payload, seal = _load(signed), _load(data[end + 1 :])
    page = _PAGE.fullmatch(_text(payload, "PG"))
    return MeterDocument(
        format=Format.OCMF,
        algorithm=_text(seal, "SA") or DEFAULT_ALGORITHM,
        signed=signed,
        signature=_signature(seal),
        carried_key=carried_key,
        transaction=transaction,
        meter="/".join(_text(payload, name) for name in ("GS", "MS")),
        session=tuple(_text(payload, name) for name in ("IT", "ID", "CT", "CI")),
        pagination=int(page[2]) if page else None,
        readings=tuple(_readings(payload)),
        user=_user(payload),
    )


def _user(payload: dict[str, object]) -> SignedUser | None:
    """Return who was identified; nobody was where the meter says that none was assigned (IS)."""
    kind, name = _USERS.get(_text(payload, "IT").upper()), _text(payload, "ID")
    return None if kind is None or not name or payload.get("IS") is False else SignedUser(kind, name)


def _load(data: bytes) -> dict[str, object]:
    try:
        value = json.loads(
            data.decode(), parse_float=Decimal, parse_int=Decimal, parse_constant=_refuse, object_pairs_hook=_unique
        )
    except (ValueError, ArithmeticError, RecursionError):
        raise MalformedMeterData from None
    if not isinstance(value, dict):
        raise MalformedMeterData
    return value


def _refuse(name: str) -> object:
    raise ValueError(name)


def _unique(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    pairs = list(pairs)
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _text(fields: dict[str, object], name: str) -> str:
    """Return a field as text; numbers by their digits, as some devices write ids."""
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, (str, Decimal)) or len(str(value)) > _TEXT_MAX:
        raise MalformedMeterData
    return str(value)


def _signature(seal: dict[str, object]) -> bytes:
    stated, text = _text(seal, "SE").lower(), seal.get("SD")
    if not isinstance(text, str):
        raise MalformedMeterData(Reason.SIGNATURE_MALFORMED)
    try:
        if stated in {"", "hex"}:
            return from_hex(text)
        if stated == "base64":
            return from_base64(text)
    except MalformedMeterData:
        pass
    raise MalformedMeterData(Reason.SIGNATURE_MALFORMED)


def _readings(payload: dict[str, object]) -> Iterator[Reading]:
    raw = payload.get("RD")
    if not isinstance(raw, list) or len(raw) > _READINGS_MAX:
        raise MalformedMeterData
    before: dict[str, object] = {}
    for fields in raw:
        if not isinstance(fields, dict):
            raise MalformedMeterData
        whole = {**{name: before[name] for name in _INHERITED if name in before}, **fields}
        yield _reading(whole)
        before = whole


def _reading(fields: dict[str, object]) -> Reading:
    letter = _text(fields, "TX")
    if letter and letter not in _EVENTS:
        raise MalformedMeterData
    time, sync = _time(_text(fields, "TM"))
    register = _text(fields, "RI").lower()
    return Reading(
        event=_EVENTS.get(letter),
        time=time,
        sync=sync,
        register=register,
        energy_kwh=_energy(fields, register),
        good=_text(fields, "ST") == "G",
        flagged=bool(_text(fields, "EF").strip()),
    )


def _energy(fields: dict[str, object], register: str) -> Decimal | None:
    factor = _KWH.get(_text(fields, "RU").lower())
    if factor is None or (register and not _IMPORTED.fullmatch(register)) or fields.get("RV") is None:
        return None
    return number(fields["RV"]) * factor


def _time(text: str) -> tuple[datetime | None, Sync]:
    if not text:
        return None, Sync.UNKNOWN
    match = _TIME.fullmatch(text)
    if match is None:
        raise MalformedMeterData
    *parts, fraction, sign, hours, minutes, sync = match.groups()
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    year, month, day, hour, minute, second = (int(part) for part in parts)
    try:
        local = datetime(year, month, day, hour, minute, second, int((fraction or "0").ljust(6, "0")), tzinfo=UTC)
        time = local + offset if sign == "-" else local - offset
    except (ValueError, OverflowError):
        raise MalformedMeterData from None
    return time, Sync(sync or "U")

"""EDL40 as SML telegram (Smart Message Language 1): the fields of the data set stand in a list response.

Supported is the telegram of meters that sign on secp192r1. Others add fields to the data set that are not public, or
sign another one (ISA); they are told by their signature's length and their registers, and reported as unsupported.
"""

from collections.abc import Mapping

from hub.domain.meter.edl import DataSet, event_of, read_data_set
from hub.domain.meter.model import Format, MalformedMeterData, MeterDocument, Reason
from hub.domain.meter.text import DOCUMENT_BYTES_MAX

HEADER = bytes.fromhex("1b1b1b1b01010101")

_ESCAPE = b"\x1b" * 4
_DEPTH_MAX = 12
_LENGTH_BYTES_MAX = 4
_LIST_RESPONSE = 0x0701
_OCTETS, _INTEGER, _UNSIGNED, _LIST = 0, 5, 6, 7
_LOCAL_TIME = 3
#: 48 bytes of r and s, two of the log book.
_SIGNATURE_BYTES = 50

_REGISTER = bytes.fromhex("0100011100ff")
_CONTRACT = bytes.fromhex("8182815401ff")
_SECONDS_INDEX = bytes.fromhex("810060080001")
_PAGINATION = bytes.fromhex("8180817101ff")

Item = bytes | int | list["Item"] | None


def parse_sml(data: bytes, *, carried_key: str = "", transaction: str = "", context: str = "") -> MeterDocument:
    """Read one telegram.

    Raises:
        MalformedMeterData: It is none, exceeds a bound, or is of a kind that is not supported.
    """
    if len(data) > DOCUMENT_BYTES_MAX:
        raise MalformedMeterData(Reason.TOO_LARGE)
    server, values, signature = _list_response(data)
    if len(signature) != _SIGNATURE_BYTES or _REGISTER not in values:
        raise MalformedMeterData(Reason.FORMAT_UNSUPPORTED)
    reading, contract = _entry(values, _REGISTER), _entry(values, _CONTRACT)
    data_set = DataSet(
        server=server,
        local_seconds=_local_seconds(reading[2]),
        status=_number(reading[1]),
        seconds_index=_number(_listed(_listed(_entry(values, _SECONDS_INDEX)[5], 2)[1], 2)[1]),
        pagination=_number(_entry(values, _PAGINATION)[5]),
        register=_REGISTER,
        unit=_number(reading[3]),
        scaler=_number(reading[4]),
        value=_number(reading[5]),
        log_book=int.from_bytes(signature[-2:]),
        contract=_octets(contract[5]),
        presented=_local_seconds(contract[2]),
    )
    return read_data_set(
        data_set.to_bytes(),
        signature,
        method="ECDSA192SHA256",
        key=carried_key,
        transaction=transaction,
        event=event_of(context),
        form=Format.EDL40,
    )


def _list_response(data: bytes) -> tuple[bytes, Mapping[bytes, list[Item]], bytes]:
    """Return server id, values by their OBIS code, and the signature over the list."""
    end = data.find(_ESCAPE, len(HEADER))
    if not data.startswith(HEADER) or end < 0:
        raise MalformedMeterData
    at, body = len(HEADER), data[:end]
    while at < len(body):
        message, at = _item(body, at)
        if not isinstance(message, list) or len(message) < 4:
            continue  # padding between messages
        choice = _listed(message[3], 2)
        if choice[0] == _LIST_RESPONSE:
            response = _listed(choice[1], 7)
            entries = [_listed(entry, 7) for entry in _listed(response[4], 1)]
            values = {_octets(entry[0]): entry for entry in entries}
            if len(values) != len(entries):
                raise MalformedMeterData
            return _octets(response[1]), values, _octets(response[5])
    raise MalformedMeterData


def _item(data: bytes, at: int, depth: int = 0) -> tuple[Item, int]:
    """Return the item at a position, and the position after it."""
    if at >= len(data) or depth > _DEPTH_MAX:
        raise MalformedMeterData
    kind, length, head = data[at] >> 4 & 7, data[at] & 0xF, 1
    if not data[at]:
        return None, at + 1
    while data[at + head - 1] & 0x80:
        if head == _LENGTH_BYTES_MAX or at + head >= len(data):
            raise MalformedMeterData
        length = length << 4 | data[at + head] & 0xF
        head += 1
    if kind == _LIST:
        items: list[Item] = []
        at += head
        for _ in range(length):
            item, at = _item(data, at, depth + 1)
            items.append(item)
        return items, at
    content = data[at + head : at + length]
    if length < head or len(content) != length - head:
        raise MalformedMeterData
    if kind == _OCTETS:
        return content, at + length
    if kind in {_INTEGER, _UNSIGNED}:
        return int.from_bytes(content, signed=kind == _INTEGER), at + length
    return None, at + length


def _entry(values: Mapping[bytes, list[Item]], code: bytes) -> list[Item]:
    entry = values.get(code)
    if entry is None:
        raise MalformedMeterData
    return entry


def _listed(item: Item, least: int) -> list[Item]:
    if not isinstance(item, list) or len(item) < least:
        raise MalformedMeterData
    return item


def _number(item: Item) -> int:
    if not isinstance(item, int):
        raise MalformedMeterData
    return item


def _octets(item: Item) -> bytes:
    if not isinstance(item, bytes):
        raise MalformedMeterData
    return item


def _local_seconds(item: Item) -> int:
    """Return what the clock on the wall shows: the time with both its offsets, of zone and of summer, in minutes."""
    kind, time = _listed(item, 2)[:2]
    if kind != _LOCAL_TIME:
        raise MalformedMeterData
    seconds, zone, summer = (_number(part) for part in _listed(time, 3)[:3])
    return seconds + 60 * (zone + summer)

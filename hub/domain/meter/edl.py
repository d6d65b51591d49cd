"""EDL40, the signed data set of 320 bytes, as XML carries it; `sml` reads it from telegrams.

A data set holds, little-endian unless said: server id (10 bytes), local time (4), status (1), seconds index (4),
pagination (4), OBIS code (6), unit (1), scaler (1), value (8), log book number (2, big-endian), contract id (128) and
the local time of its presentation (4); the rest is padding. `signedMeterValue` carries it as it is, Mennekes' files and
SML telegrams carry its fields, from which it is put together again. It does not say whether a transaction begins or
ends with it: that comes from the container, unsigned, so that pages, contract id and its time must confirm it.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from hub.domain.meter.markup import Element
from hub.domain.meter.model import (
    Entry,
    Event,
    Format,
    MalformedMeterData,
    MeterDocument,
    Reading,
    Reason,
    Unread,
)
from hub.domain.meter.text import from_base64, from_hex, number, squeezed

DATA_SET_BYTES = 320

_CONTRACT_BYTES = 128
_FIELDS = struct.Struct(f"<10s I B I I 6s B b q 2s {_CONTRACT_BYTES}s I")
_IMPORT_REGISTERS = {"0100010800ff", "0100011100ff"}
_WATT_HOURS = 0x1E
#: The status bytes of documents that are known to be accepted for billing; what else the bits mean is not public.
_GOOD = frozenset({0x08, 0x88})
_METHODS = {"ECDSA192SHA256": ("ECDSA-secp192r1-SHA256", 24), "ECDSA256SHA256": ("ECDSA-secp256r1-SHA256", 32)}
_STEPS = {
    "begin": Event.BEGIN,
    "start": Event.BEGIN,
    "intermediate": Event.DURING,
    "update": Event.DURING,
    "end": Event.END,
    "stop": Event.END,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """The fields of a data set, to be put together; of a longer status its last byte counts."""

    server: bytes
    local_seconds: int
    status: int
    seconds_index: int
    pagination: int
    register: bytes
    unit: int
    scaler: int
    value: int
    log_book: int
    contract: bytes
    presented: int

    def to_bytes(self) -> bytes:
        """Return the bytes that the meter signed; raises MalformedMeterData where a field does not fit."""
        if len(self.server) != 10 or len(self.register) != 6 or len(self.contract) > _CONTRACT_BYTES:
            raise MalformedMeterData
        try:
            packed = _FIELDS.pack(
                self.server,
                self.local_seconds,
                self.status & 0xFF,
                self.seconds_index,
                self.pagination,
                self.register,
                self.unit,
                self.scaler,
                self.value,
                self.log_book.to_bytes(2),
                self.contract,
                self.presented,
            )
        except (struct.error, OverflowError):
            raise MalformedMeterData from None
        return packed.ljust(DATA_SET_BYTES, b"\x00")


def event_of(context: str) -> Event | None:
    """Return what a container says of a document: `Transaction.Begin`, `Start`, `End`; None for other words."""
    return _STEPS.get(context.strip().lower().removeprefix("transaction."))


def read_data_set(
    data: bytes, signature: bytes, *, method: str, key: str, transaction: str, event: Event | None, form: Format
) -> MeterDocument:
    """Return the document that a data set is; raises MalformedMeterData."""
    if len(data) != DATA_SET_BYTES:
        raise MalformedMeterData
    algorithm, size = _METHODS.get(method, (method, 0))
    if size and len(signature) not in {2 * size, 2 * size + 2}:
        raise MalformedMeterData(Reason.SIGNATURE_MALFORMED)
    server, _, status, _, page, register, unit, scaler, value, _, contract, presented = _FIELDS.unpack_from(data)
    energy = None
    if register.hex() in _IMPORT_REGISTERS and unit == _WATT_HOURS:
        energy = number(Decimal(value).scaleb(min(max(scaler, -20), 20) - 3))
    reading = Reading(event=event, register=register.hex(), energy_kwh=energy, good=status in _GOOD)
    return MeterDocument(
        format=form,
        algorithm=algorithm,
        signed=data,
        # Two bytes after it repeat the log book number.
        signature=signature[: 2 * size] if size else signature,
        carried_key=key,
        transaction=transaction,
        meter=server.hex(),
        session=(contract.hex(), str(presented)),
        pagination=page,
        readings=(reading,),
    )


def parse_signed_meter_value(root: Element, *, carried_key: str, transaction: str, context: str) -> MeterDocument:
    """Read a `signedMeterValue` element; raises MalformedMeterData."""
    try:
        signature = _binary(root, "meterValueSignature")
    except MalformedMeterData:
        raise MalformedMeterData(Reason.SIGNATURE_MALFORMED) from None
    return read_data_set(
        _binary(root, "encodedMeterValue"),
        signature,
        method=root.said("signatureMethod"),
        key=carried_key or root.said("publicKey"),
        transaction=transaction,
        event=event_of(context),
        form=Format.EDL40,
    )


def _binary(root: Element, name: str) -> bytes:
    child = root.child(name)
    if child is None:
        raise MalformedMeterData
    return (from_hex if child.attributes.get("encoding") in {"hex", "plain"} else from_base64)(child.text)


def read_charging_processes(processes: list[Element]) -> Iterator[Entry]:
    """Yield the documents of Mennekes' `ChargingProcess` elements: begin and end of each."""
    for place, process in enumerate(processes):
        for name, event in (("MeasurementStart", Event.BEGIN), ("MeasurementEnd", Event.END)):
            try:
                measurement = process.child(name)
                if measurement is not None:
                    yield _measurement(process, measurement, event, str(place))
            except MalformedMeterData as error:
                yield Unread(format=Format.MENNEKES, reason=error.reason)


def _measurement(process: Element, measurement: Element, event: Event, transaction: str) -> MeterDocument:
    try:
        signature = from_hex(measurement.said("Signature"))
    except MalformedMeterData:
        raise MalformedMeterData(Reason.SIGNATURE_MALFORMED) from None
    server, contract = from_hex(process.said("ServerId")), from_hex(process.said("CustomerIdent"))
    data = DataSet(
        server=server,
        local_seconds=_local_seconds(measurement.said("Timestamp")),
        status=_whole(measurement, "MeterStatus"),
        seconds_index=_whole(measurement, "SecondIndex"),
        pagination=_whole(measurement, "Pagination"),
        register=bytes.fromhex("0100011100ff"),
        unit=_WATT_HOURS,
        scaler=_whole(measurement, "Scaler"),
        value=_whole(measurement, "Value"),
        log_book=_whole(measurement, "EventCounter"),
        contract=contract,
        presented=_local_seconds(process.said("TimestampCustomerIdent")),
    )
    return read_data_set(
        data.to_bytes(),
        signature,
        method="ECDSA192SHA256",
        key=squeezed(process.said("PublicKey")),
        transaction=transaction,
        event=event,
        form=Format.MENNEKES,
    )


def _whole(parent: Element, name: str) -> int:
    value = number(parent.said(name))
    if value != value.to_integral_value():
        raise MalformedMeterData
    return int(value)


def _local_seconds(text: str) -> int:
    """Return what the clock on the wall shows, as seconds since 1970."""
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())
    except (ValueError, OverflowError):
        raise MalformedMeterData from None

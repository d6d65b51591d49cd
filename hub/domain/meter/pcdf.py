"""Porsche Charging Data Format (PCDF): one line of `128.8.0(NAME:value)...`, a whole transaction each.

What is signed is the text before `(SG:`. `RV` is the transaction's energy, not a register: it is read as a register
that stood at zero. Its times name no zone and are not used. `BV:0` is the meter's own word against billing.
"""

import re

from hub.domain.meter.model import Event, Format, MalformedMeterData, MeterDocument, Reading, Reason
from hub.domain.meter.text import DOCUMENT_BYTES_MAX, from_hex, number

HEADER = b"128.8.0("
ALGORITHM = "ECDSA-secp256r1-SHA256"

_REGISTER = "128.8.0"
_FIELD = re.compile(r"\(([A-Z]{2,3}):([^()]{0,256})\)")
_LINE = re.compile(r"128\.8\.0(?:\([A-Z]{2,3}:[^()]{0,256}\)){1,40}")
_ENERGY = re.compile(r"([0-9.]{1,20})\*(k?Wh)")


def parse_pcdf(data: bytes, *, carried_key: str = "", transaction: str = "") -> MeterDocument:
    """Read one PCDF document.

    Raises:
        MalformedMeterData: It is none, or exceeds a bound.
    """
    data = data.strip()
    if len(data) > DOCUMENT_BYTES_MAX:
        raise MalformedMeterData(Reason.TOO_LARGE)
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError:
        raise MalformedMeterData from None
    if not _LINE.fullmatch(text):
        raise MalformedMeterData
    pairs = _FIELD.findall(text)
    fields = dict(pairs)
    if len(fields) != len(pairs) or pairs[-1][0] != "SG":
        raise MalformedMeterData
    try:
        signature = from_hex(fields["SG"])
    except MalformedMeterData:
        raise MalformedMeterData(Reason.SIGNATURE_MALFORMED) from None
    energy = _ENERGY.fullmatch(fields.get("RV", ""))
    if energy is None:
        raise MalformedMeterData
    kwh = number(energy[1]).scaleb(-3 if energy[2] == "Wh" else 0)
    return MeterDocument(
        format=Format.PCDF,
        algorithm=ALGORITHM,
        signed=data[: data.index(b"(SG:")],
        signature=signature,
        carried_key=carried_key or fields.get("PK", ""),
        transaction=transaction,
        meter=fields.get("HW", ""),
        session=(fields.get("SI", ""),),
        readings=(
            Reading(event=Event.BEGIN, register=_REGISTER, energy_kwh=kwh * 0),
            Reading(event=Event.END, register=_REGISTER, energy_kwh=kwh),
        ),
        refusal=None if fields.get("BV") == "1" else Reason.BILLING_NOT_ALLOWED,
    )

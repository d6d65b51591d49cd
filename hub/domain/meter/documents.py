"""What a file, or a text in a CDR, holds: one entry per document, in order, whatever the container.

Containers are SAFE's XML (`value` elements of `signedData` and `publicKey`), Mennekes' XML, and bare text with a
document a line. Nothing here raises: what cannot be read is an `Unread` in its place.
"""

import re
from collections.abc import Iterator
from itertools import islice

from hub.domain.meter.edl import parse_signed_meter_value, read_charging_processes
from hub.domain.meter.markup import Element, parse_xml
from hub.domain.meter.model import Entry, Format, MalformedMeterData, Reason, Signature, Unread
from hub.domain.meter.ocmf import HEADER as OCMF_HEADER
from hub.domain.meter.ocmf import parse_ocmf
from hub.domain.meter.pcdf import HEADER as PCDF_HEADER
from hub.domain.meter.pcdf import parse_pcdf
from hub.domain.meter.sml import HEADER as SML_HEADER
from hub.domain.meter.sml import parse_sml
from hub.domain.meter.text import decodings

FILE_BYTES_MAX = 8 * 1024 * 1024
DOCUMENTS_MAX = 1000

_XML_STARTS = (b"<", b"\xff\xfe", b"\xfe\xff")
_FORMATS = (("OCMF", Format.OCMF), ("PCDF", Format.PCDF), ("EDL", Format.EDL40), ("SML", Format.EDL40))
_PACKED = re.compile(rb"[0-9A-Za-z+/=\s]{8,}")


def read_documents(content: bytes) -> tuple[Entry, ...]:
    """Return the documents of a file; one `Unread` where there are none, or more than is read."""
    if len(content) > FILE_BYTES_MAX:
        return (Unread(format=Format.NONE, reason=Reason.TOO_LARGE),)
    entries = tuple(islice(_of_file(content), DOCUMENTS_MAX + 1))
    if len(entries) > DOCUMENTS_MAX:
        return (Unread(format=Format.NONE, reason=Reason.TOO_LARGE),)
    return entries or (Unread(format=Format.NONE, reason=Reason.NOT_A_METER_DOCUMENT),)


def read_value(text: bytes, *, carried_key: str = "", context: str = "") -> tuple[Entry, ...]:
    """Return the documents of one text that a CDR carries: plain, Base64 or hex; usually one."""
    if len(text) > FILE_BYTES_MAX:
        return (Unread(format=Format.NONE, reason=Reason.TOO_LARGE),)
    entry = _document(text, carried_key=carried_key, context=context)
    if isinstance(entry, Unread) and entry.reason is Reason.NOT_A_METER_DOCUMENT:
        container = next((each for each in _meanings(text.strip()) if each.startswith(b"<")), b"")
        return read_documents(container)
    return (entry,)


def _of_file(content: bytes) -> Iterator[Entry]:
    content = content.removeprefix(b"\xef\xbb\xbf").strip() if not content.startswith(_XML_STARTS) else content
    if content.startswith(_XML_STARTS):
        try:
            root = parse_xml(content)
        except MalformedMeterData as error:
            yield Unread(format=Format.NONE, reason=error.reason)
            return
        yield from _of_tree(root)
        return
    lines = [line for line in content.splitlines() if line.strip()]
    whole = content.startswith(OCMF_HEADER) and not all(line.startswith(OCMF_HEADER) for line in lines)
    for text in [content] if whole else lines:
        yield _document(text)


def _of_tree(root: Element) -> Iterator[Entry]:
    processes = root.every("ChargingProcess")
    if processes:
        yield from read_charging_processes(processes)
        return
    for element in root.every("value", "signedData", "signedMeterValue"):
        try:
            yield _of_value(element)
        except MalformedMeterData as error:
            yield Unread(format=Format.NONE, reason=error.reason)


def _of_value(element: Element) -> Entry:
    """Return the document of a `value`, or of what stands without one."""
    if element.name == "signedMeterValue":
        return _signed_meter_value(element, carried_key="", transaction="", context="")
    data = element.child("signedData") if element.name == "value" else element
    if data is None:
        raise MalformedMeterData(Reason.NOT_A_METER_DOCUMENT)
    return _document(
        data.text.encode(),
        carried_key=element.said("publicKey"),
        transaction=element.attributes.get("transactionId", ""),
        context=element.attributes.get("context", ""),
        stated=data.attributes.get("format", ""),
    )


def _document(
    text: bytes,
    *,
    carried_key: str = "",
    transaction: str = "",
    context: str = "",
    stated: str = "",
) -> Entry:
    """Return the document that a text is, plain or packed."""
    form = next((form for word, form in _FORMATS if word in stated.upper()), Format.NONE)
    try:
        for data in _meanings(text.strip()):
            if data.startswith(OCMF_HEADER):
                form = Format.OCMF
                return parse_ocmf(data, carried_key=carried_key, transaction=transaction)
            if data.startswith(PCDF_HEADER):
                form = Format.PCDF
                return parse_pcdf(data, carried_key=carried_key, transaction=transaction)
            if data.startswith(b"<"):
                root = parse_xml(data)
                if root.name == "signedMeterValue":
                    return _signed_meter_value(root, carried_key=carried_key, transaction=transaction, context=context)
            if data.startswith(SML_HEADER):
                form = Format.EDL40
                return parse_sml(data, carried_key=carried_key, transaction=transaction, context=context)
    except MalformedMeterData as error:
        known = error.reason is Reason.FORMAT_UNSUPPORTED
        signature = Signature.UNSUPPORTED if known else Signature.MALFORMED
        return Unread(format=form, reason=error.reason, signature=signature)
    reason = Reason.NOT_A_METER_DOCUMENT if form is Format.NONE else Reason.DOCUMENT_MALFORMED
    return Unread(format=form, reason=reason)


def _signed_meter_value(root: Element, *, carried_key: str, transaction: str, context: str) -> Entry:
    try:
        return parse_signed_meter_value(root, carried_key=carried_key, transaction=transaction, context=context)
    except MalformedMeterData as error:
        return Unread(format=Format.EDL40, reason=error.reason)


def _meanings(text: bytes) -> Iterator[bytes]:
    """Yield a text as it is, and what it holds where it may be packed: containers label it wrongly too often."""
    yield text
    if _PACKED.fullmatch(text):
        yield from (each.strip() for each in decodings(text.decode("ascii")))

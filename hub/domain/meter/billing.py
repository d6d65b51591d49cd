"""From signatures to verdicts: a valid signature is not yet something to bill by.

Billable is what belongs to a transaction that has its begin and its end, all parts valid under one trusted key, every
status good and no error flagged, pages growing from begin to end, and energy that a charging point could deliver.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from hub.domain.meter.model import (
    Entry,
    Event,
    Measured,
    MeterDocument,
    Reading,
    Reason,
    Signature,
    SignatureCheck,
    Sync,
    Unread,
    Verdict,
)

#: The most that one charging point delivers, in kilowatts: megawatt charging ends below 4,000.
_POWER_KW_MAX = Decimal(5000)
#: The most that one transaction delivers, in kilowatt-hours: more than any vehicle's battery holds.
_ENERGY_KWH_MAX = Decimal(20_000)
_ALGORITHM_MAX = 64
#: Clocks that show the time of day: one that is relative counts from anywhere.
_SET = frozenset({Sync.INFORMATIVE, Sync.SYNCHRONISED})


@dataclass(frozen=True, slots=True)
class _Part:
    """A document with its place and what its signature brought."""

    index: int
    document: MeterDocument
    check: SignatureCheck


def judge(entries: Sequence[Entry], checks: Sequence[SignatureCheck | None]) -> tuple[Verdict, ...]:
    """Return a verdict per entry, in order.

    Args:
        entries: The documents as they came.
        checks: What verifying the signature of each brought; None for what could not be read.
    """
    seen: set[bytes] = set()
    parts: list[_Part] = []
    verdicts: dict[int, Verdict] = {}
    for index, (entry, check) in enumerate(zip(entries, checks, strict=True)):
        if isinstance(entry, Unread) or check is None:
            verdicts[index] = _unread(index, entry)
        elif entry.signed in seen:
            verdicts[index] = _verdict(_Part(index, entry, check), [Reason.DUPLICATE])
        elif not any(reading.event for reading in entry.readings):
            verdicts[index] = _verdict(_Part(index, entry, check), [Reason.NO_TRANSACTION])
        else:
            if check.signature is Signature.VALID:
                seen.add(entry.signed)
            parts.append(_Part(index, entry, check))
    for transaction in _transactions(parts):
        measured, reasons = _examine(transaction)
        first = min(part.index for part in transaction)
        for part in transaction:
            own = [*_own_reasons(part, transaction), *reasons]
            verdicts[part.index] = _verdict(part, own, transaction=first, measured=measured)
    return tuple(verdicts[index] for index in range(len(entries)))


def _unread(index: int, entry: Entry) -> Verdict:
    reason = entry.reason if isinstance(entry, Unread) else Reason.DOCUMENT_MALFORMED
    signature = entry.signature if isinstance(entry, Unread) else Signature.MALFORMED
    return Verdict(
        index=index, format=entry.format, algorithm=None, signature=signature, billable=False, reasons=(reason,)
    )


def _verdict(
    part: _Part, reasons: Sequence[Reason], *, transaction: int | None = None, measured: Measured | None = None
) -> Verdict:
    own = [part.check.reason] if part.check.reason else []
    every = tuple(dict.fromkeys([*own, *reasons]))
    return Verdict(
        index=part.index,
        format=part.document.format,
        algorithm=_shown(part.document.algorithm),
        signature=part.check.signature,
        billable=not every,
        reasons=every,
        transaction=transaction,
        energy_kwh=None if every or measured is None else measured.energy_kwh,
        key=part.check.key,
        measured=measured,
    )


def _shown(algorithm: str) -> str:
    """Return a stated algorithm without what could harm a terminal or a log."""
    return "".join(char if char.isascii() and char.isprintable() else "?" for char in algorithm[:_ALGORITHM_MAX])


def _transactions(parts: Sequence[_Part]) -> Iterator[list[_Part]]:
    """Yield the documents of each transaction: alone where one holds begin and end, else from begin to end.

    Parts belong together by what is signed, meter and session, and within that by page; what the container calls the
    transaction only separates further.
    """
    apart: dict[tuple[object, ...], list[_Part]] = {}
    for part in parts:
        document = part.document
        if document.has(Event.BEGIN) and document.has(Event.END):
            yield [part]
        else:
            key = (document.format, document.transaction, document.meter, document.session)
            apart.setdefault(key, []).append(part)
    for several in apart.values():
        current: list[_Part] = []
        for part in sorted(several, key=lambda each: -1 if (page := each.document.pagination) is None else page):
            if current and part.document.has(Event.BEGIN):
                yield current
                current = []
            current.append(part)
            if part.document.has(Event.END):
                yield current
                current = []
        if current:
            yield current


def _own_reasons(part: _Part, transaction: Sequence[_Part]) -> Iterator[Reason]:
    if part.document.refusal is not None:
        yield part.document.refusal
    others = [other for other in transaction if other is not part]
    if any(other.check.signature is not Signature.VALID or other.document.refusal for other in others):
        yield Reason.OTHER_PART_NOT_VALID


def _examine(transaction: Sequence[_Part]) -> tuple[Measured | None, list[Reason]]:
    """Return what the transaction's readings say, where its signatures hold, and what forbids to bill it."""
    readings = [reading for part in transaction for reading in part.document.readings]
    found: list[Reason] = []
    if len({part.check.key for part in transaction if part.check.key}) > 1:
        found.append(Reason.KEYS_DIFFER)
    events = {reading.event for reading in readings}
    for event, reason in ((Event.BEGIN, Reason.BEGIN_MISSING), (Event.END, Reason.END_MISSING)):
        if event not in events:
            found.append(reason)
    if Event.EXCEPTION in events:
        found.append(Reason.EXCEPTION_RECORDED)
    if not all(reading.good for reading in readings):
        found.append(Reason.STATUS_NOT_GOOD)
    if any(reading.flagged for reading in readings):
        found.append(Reason.ERROR_FLAGS)
    found.extend(_pages(transaction))
    if Reason.BEGIN_MISSING in found or Reason.END_MISSING in found:
        return None, found
    measured, more = _measure(readings)
    if any(part.check.signature is not Signature.VALID for part in transaction):
        measured = None
    return measured, found + more


def _pages(transaction: Sequence[_Part]) -> Iterator[Reason]:
    if len(transaction) == 1:
        return
    pages = [part.document.pagination for part in transaction]
    known = [page for page in pages if page is not None]
    if len(known) < len(pages):
        yield Reason.PAGINATION_MISSING
    elif any(later <= earlier for earlier, later in pairwise(known)):
        yield Reason.PAGINATION_NOT_MONOTONE


def _measure(readings: Sequence[Reading]) -> tuple[Measured | None, list[Reason]]:
    """Return what the first register of imported energy that begin and end share has counted."""
    counted = [reading for reading in readings if reading.energy_kwh is not None and reading.event is not None]
    ends = {reading.register for reading in counted if reading.event is Event.END}
    register = next((each.register for each in counted if each.event is Event.BEGIN and each.register in ends), None)
    if register is None:
        return None, [Reason.NO_ENERGY_REGISTER]
    series = [reading for reading in counted if reading.register == register]
    events = [reading.event for reading in series]
    inner = events[1:-1]
    if events[0] is not Event.BEGIN or events[-1] is not Event.END or {Event.BEGIN, Event.END} & set(inner):
        return None, [Reason.RECORDS_OUT_OF_ORDER]
    values = [reading.energy_kwh for reading in series if reading.energy_kwh is not None]
    found: list[Reason] = []
    if any(later < earlier for earlier, later in pairwise(values)):
        found.append(Reason.ENERGY_RUNS_BACKWARDS)
    times = [reading.time for reading in series if reading.time is not None and reading.sync is not Sync.UNKNOWN]
    if any(later < earlier for earlier, later in pairwise(times)):
        found.append(Reason.TIME_RUNS_BACKWARDS)
    energy = values[-1] - values[0]
    most = _ENERGY_KWH_MAX
    if len(times) == len(series) and Reason.TIME_RUNS_BACKWARDS not in found:
        seconds = max((times[-1] - times[0]).total_seconds(), 1)
        most = min(most, _POWER_KW_MAX * int(seconds + 1) / 3600)
    if energy > most:
        found.append(Reason.ENERGY_IMPLAUSIBLE)
    if Reason.ENERGY_RUNS_BACKWARDS in found:
        return None, found
    finest = min(_exponent(values[0]), _exponent(values[-1]))
    return Measured(
        energy_kwh=energy,
        resolution_kwh=Decimal(1).scaleb(finest),
        begin=series[0].time if series[0].sync in _SET else None,
        end=series[-1].time if series[-1].sync in _SET else None,
    ), found


def _exponent(value: Decimal) -> int:
    """Return the power of ten of the last digit of a finite number."""
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int), "numbers are read as finite ones"
    return exponent

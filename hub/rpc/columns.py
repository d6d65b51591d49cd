"""What a CDR has many of, read as plain lists: the same bytes by a schema of our own.

Every message inside a message that Python looks at is an object made for the look: seven for a charging period of two
dimensions, and that is most of what reading a CDR costs. Protobuf promises that a parser merges the occurrences of a
message where its schema has one, and appends to the lists inside. So by a schema with one charging period, whose fields
are lists, the bytes of all periods come as lists: all seconds, all volumes.

Such lists have no entry where a sender left a field at its default, and do not tell where a period ends. So only
usual periods are read from them, and what they lack is never guessed: `hub.rpc.period_wire` reads all others.
"""

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.decimal_pb2 import Decimal as PbDecimal
from roamhub.v1 import cdr_object_pb2, session_object_pb2

from hub.domain.cdrs.periods import PeriodSums, ReportedPeriods, instant, total
from hub.rpc.period_wire import read_periods
from hub.rpc.wire import is_instant

_USUAL = [int(session_object_pb2.CDR_DIMENSION_TYPE_ENERGY), int(session_object_pb2.CDR_DIMENSION_TYPE_TIME)]
#: Volumes as nearly all are written, one after the other; none that is a number is too large to add.
_PLAIN = re.compile(r"([0-9.]{1,16} )*[0-9.]{1,16}")


class Periods(NamedTuple):
    """Sound charging periods: what is asked of each CDR, and what returns the periods themselves."""

    sums: PeriodSums
    tariff_ids: Sequence[str]
    reported: Callable[[], ReportedPeriods]


class CdrColumns:
    """The lists of a serialised CDR.

    Attributes:
        tariffs: The tariffs inside, each serialised.
    """

    __slots__ = ("_document", "_periods", "tariffs")

    def __init__(self, document: bytes) -> None:
        """Read a CDR of the contract."""
        read = _LISTS.FromString(document)
        self._document, self._periods = document, read.charging_periods
        self.tariffs: list[bytes] = read.tariffs[:]

    def usual_periods(self, periods: Sequence[session_object_pb2.ChargingPeriod]) -> Periods | None:
        """Read the charging periods, which are given as messages too, where each reports its energy and its time.

        Returns:
            None where they are of another kind, or anything is odd about them.
        """
        starts, tariff_ids = self._starts(len(periods)), self._periods.tariff_id[:]
        if starts is None or len(tariff_ids) not in {0, len(starts)}:
            return None
        dimensions = self._periods.dimensions
        texts = dimensions.volume.value[:]
        if dimensions.type[:] != _USUAL * len(starts):
            return None
        # As many volumes as types may be of different dimensions, where one lacks this and one that.
        if not len(texts) == 2 * len(starts) == len(_COUNTS.FromString(self._document).charging_periods.dimensions):
            return None
        if not _PLAIN.fullmatch(" ".join(texts)):
            return None
        try:
            volumes = list(map(Decimal, texts))
        except ArithmeticError:
            return None
        first, last = instant(min(starts)), instant(max(starts))
        sums = PeriodSums(len(starts), first, last, total(volumes[0::2]), total(volumes[1::2]))
        return Periods(sums, tariff_ids, partial(_spread, starts, volumes, tariff_ids, periods))

    def _starts(self, many: int) -> list[int] | None:
        """Return the starts of so many periods in microseconds since 1970; None unless all are there and are times."""
        seconds, nanos = self._periods.start_date_time.seconds[:], self._periods.start_date_time.nanos[:]
        if not many or len(seconds) != many or len(nanos) not in {0, many}:
            return None
        if not (is_instant(min(seconds), min(nanos, default=0)) and is_instant(max(seconds), max(nanos, default=0))):
            return None
        if nanos:
            return [second * 1_000_000 + nano // 1000 for second, nano in zip(seconds, nanos, strict=True)]
        return [second * 1_000_000 for second in seconds]


def _spread(
    starts: list[int],
    volumes: list[Decimal],
    tariff_ids: list[str],
    periods: Sequence[session_object_pb2.ChargingPeriod],
) -> ReportedPeriods:
    """Return usual periods; a look at the messages tells whether each dimension is of the period it seems to be of."""
    many = len(starts)
    if any(len(period.dimensions) != 2 for period in periods[:]):
        read = read_periods(periods)
        assert read is not None
        return read
    nothing = (None,) * many
    ids = tuple(tariff_ids) or ("",) * many
    return ReportedPeriods(tuple(starts), tuple(volumes[0::2]), tuple(volumes[1::2]), nothing, ids)


_BYTES, _TEXT = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES, descriptor_pb2.FieldDescriptorProto.TYPE_STRING
_INT32, _INT64 = descriptor_pb2.FieldDescriptorProto.TYPE_INT32, descriptor_pb2.FieldDescriptorProto.TYPE_INT64


def _schema() -> descriptor_pb2.FileDescriptorProto:
    """Return the contract's messages under its field numbers, but scalars and bytes are lists, and messages are one."""
    file = descriptor_pb2.FileDescriptorProto(name="columns.proto", package="columns", syntax="proto3")

    def add(name: str, like: Descriptor, **fields: "str | descriptor_pb2.FieldDescriptorProto.Type.ValueType") -> None:
        made = file.message_type.add(name=name)
        for each, kind in fields.items():
            field = made.field.add(name=each, number=like.fields_by_name[each].number)
            if isinstance(kind, str):
                field.type, field.type_name = field.TYPE_MESSAGE, f".columns.{kind}"
            else:
                field.type, field.label = kind, field.LABEL_REPEATED

    cdr, period = cdr_object_pb2.Cdr.DESCRIPTOR, session_object_pb2.ChargingPeriod.DESCRIPTOR
    add("Numbers", PbDecimal.DESCRIPTOR, value=_TEXT)
    add("Times", Timestamp.DESCRIPTOR, seconds=_INT64, nanos=_INT32)
    add("Dimensions", session_object_pb2.CdrDimension.DESCRIPTOR, type=_INT32, volume="Numbers")
    add("Periods", period, start_date_time="Times", dimensions="Dimensions", tariff_id=_TEXT)
    add("Lists", cdr, tariffs=_BYTES, charging_periods="Periods")
    add("PeriodCounts", period, dimensions=_BYTES)
    add("Counts", cdr, charging_periods="PeriodCounts")
    return file


_pool = descriptor_pool.DescriptorPool()
_pool.Add(_schema())
_LISTS: Any = message_factory.GetMessageClass(_pool.FindMessageTypeByName("columns.Lists"))
_COUNTS: Any = message_factory.GetMessageClass(_pool.FindMessageTypeByName("columns.Counts"))

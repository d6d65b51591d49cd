"""What accepted charges occupy, in one narrow table.

A row is found by its owner and its slot: four days of time in the high bits, 48 bits of a token's or an EVSE's hash
below them. So what is written and compared in one season lies together, and what is old can be dropped as one range.
A span has a row in each of its slots, one for most of them.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Select,
    and_,
    bindparam,
    column,
    delete,
    func,
    literal_column,
    or_,
    select,
    tuple_,
)

from hub.app.directory import Directory
from hub.app.ports.spans import Occupied, Shared
from hub.domain.cdrs.spans import TOLERANCE, Span, overlap, twins
from hub.domain.ids import ObjectId, PartyId
from hub.store.cdr_documents import read_span
from hub.store.keys import by_party
from hub.store.select_keys import SelectKeys
from hub.store.session import Session
from hub.store.statements import Row, SelectIn, Statement
from hub.store.tables.cdrs import CdrRow
from hub.store.tables.spans import ChargeSpanRow
from hub.store.types import to_micros

_ROW = ChargeSpanRow.__table__  # type: ignore[attr-defined]
_CDR = CdrRow.__table__  # type: ignore[attr-defined]

_SLOT = 4 * 86_400_000_000
_HASH = (1 << 48) - 1


#: Nobody charges so often; of more charges in one slot some may be missed where a credit comes with them.
_MOST = 4_096


def _met(wanted: CTE) -> Select[Row]:
    """Return the keys that meet anything at all: of nearly all charges none does."""
    row = _ROW.c
    common = and_(row.start_time < wanted.c.end_time, row.end_time > wanted.c.start_time)
    met = and_(row.owner == wanted.c.owner, row.slot == wanted.c.slot, or_(common, _twin(wanted)))
    # As a scalar: PostgreSQL may answer EXISTS by reading the whole table.
    return select(wanted.c.place).where(
        select(row.idx).where(met).suffix_with("LIMIT 1").scalar_subquery().is_not(None)
    )


def _found(wanted: CTE) -> Select[Row]:
    """Return, for each key, any one charge that overlaps and any one that is a twin; see `overlap` and `twins`."""
    row = _ROW.c
    tolerance: ColumnElement[int] = literal_column(str(TOLERANCE))
    same = and_(row.owner == wanted.c.owner, row.slot == wanted.c.slot)
    overlapping = and_(
        row.start_time < wanted.c.end_time - tolerance,
        row.end_time > wanted.c.start_time + tolerance,
        row.end_time - row.start_time > tolerance,
        wanted.c.end_time - wanted.c.start_time > tolerance,
    )
    any_one = [
        # The newest first: a card that many use has always just been used.
        select(row.idx).where(same, condition).order_by(row.idx.desc()).suffix_with("LIMIT 1").scalar_subquery()
        for condition in (overlapping, _twin(wanted))
    ]
    return select(wanted.c.place, *any_one)


def _twin(wanted: CTE) -> ColumnElement[bool]:
    return and_(_ROW.c.twin == wanted.c.twin, func.abs(_ROW.c.start_time - wanted.c.start_time) <= wanted.c.near)


_WANTED: list[ColumnElement[object]] = [
    column(name, BigInteger()) for name in ("owner", "slot", "place", "start_time", "end_time", "twin", "near")
]
_MEET = SelectKeys(_WANTED, _met)
_FIND = SelectKeys(_WANTED, _found)
_SLOT_ROWS = Statement(
    select(_ROW.c.idx, _ROW.c.start_time, _ROW.c.end_time, _ROW.c.twin)
    .where(_ROW.c.owner == bindparam("owner_"), _ROW.c.slot == bindparam("slot_"))
    .limit(bindparam("most"))
)
_REMOVE = Statement(
    delete(_ROW).where(
        _ROW.c.owner == bindparam("owner_"), _ROW.c.slot == bindparam("slot_"), _ROW.c.idx == bindparam("idx_")
    )
)
_OLDEST = Statement(
    select(_ROW.c.idx).where(_ROW.c.owner == bindparam("owner_"), _ROW.c.slot < bindparam("slot_")).limit(1)
)
_OLD = (
    select(_ROW.c.owner, _ROW.c.slot, _ROW.c.idx)
    .where(_ROW.c.owner == bindparam("owner_"), _ROW.c.slot < bindparam("slot_"))
    .order_by(_ROW.c.slot, _ROW.c.idx)
    .limit(bindparam("most"))
)
_REMOVE_OLD = Statement(delete(_ROW).where(tuple_(_ROW.c.owner, _ROW.c.slot, _ROW.c.idx).in_(_OLD)))
_NAMES = SelectIn(select(_CDR.c.idx, _CDR.c.emsp, _CDR.c.id_as_sent).where(_CDR.c.cpo == bindparam("cpo_")), _CDR.c.idx)
_DOCUMENTS = SelectIn(
    select(_CDR.c.id_as_sent, _CDR.c.idx, _CDR.c.document).where(
        _CDR.c.cpo == bindparam("cpo_"), literal_column("credit = 0")
    ),
    _CDR.c.cdr_id,
)


def slots(span: Span, key: int) -> Iterator[int]:
    """Yield the slots in which a span has rows, given the hash of its token or of its EVSE."""
    for season in range(span.start // _SLOT, span.end // _SLOT + 1):
        yield season << 48 | key & _HASH


class StoredSpans:
    """Implements `hub.app.ports.spans.Spans`."""

    def __init__(self, session: Session, directory: Callable[[], Directory]) -> None:
        self._session = session
        self._directory = directory

    def neighbours(self, spans: Sequence[Span], apart_from: Collection[int]) -> Mapping[int, Shared]:
        """Return what spans share with charges on record."""
        connection = self._session.connection
        keys = self._keys(spans)
        met = {row[0] for row in _MEET.all(connection, keys)} if keys else set()
        if not met:
            return {}
        found: dict[int, list[int | None]] = {}
        for place, other, twin in _FIND.all(connection, [key for key in keys if key[2] in met]):
            number, kind = divmod(place, 2)
            if other in apart_from or twin in apart_from:
                hits = self._others(keys, place, spans[number], apart_from)
            else:
                hits = other, twin
            for part, idx in zip((kind, 2), hits, strict=True):
                if idx is not None:
                    found.setdefault(number, [None, None, None])[part] = idx
        return {number: Shared(*shared) for number, shared in found.items()}

    def _keys(self, spans: Sequence[Span]) -> list[Row]:
        """Return the keys of every slot in which something may touch a span; places are even for tokens."""
        keys: list[Row] = []
        parties = self._directory().parties
        for number, (cpo, emsp, token, evse, twin, start, end, near) in enumerate(spans):
            payer, owner = parties[emsp].number, parties[cpo].number
            for season in range((start - near) // _SLOT, max(end, start + near) // _SLOT + 1):
                high = season << 48
                keys.append((payer, high | token & _HASH, 2 * number, start, end, twin, near))
                keys.append((owner, high | evse & _HASH, 2 * number + 1, start, end, twin, near))
        return keys

    def _others(
        self, keys: Iterable[Row], place: int, span: Span, apart_from: Collection[int]
    ) -> tuple[int | None, int | None]:
        """Look at all that is in the slots of one key: what was found of it does not count."""
        other = twin = None
        for owner, slot, at, *_ in keys:
            if at == place:
                for idx, start, end, twin_hash in _SLOT_ROWS.all(self._session.connection, (owner, slot, _MOST)):
                    there = span._replace(start=start, end=end, twin=twin_hash)
                    if idx not in apart_from:
                        other = idx if overlap(there, span) else other
                        twin = idx if twins(span, there) else twin
        return other, twin

    def names(self, cpo: PartyId, emsp: PartyId, indexes: Collection[int]) -> Mapping[int, str]:
        """Return the ids of charges between two parties."""
        parties = self._directory().parties
        rows = _NAMES.all(self._session.connection, indexes, (parties[cpo].number,))
        return {idx: name for idx, payer, name in rows if payer == parties[emsp].number}

    def of(self, charges: Iterable[ObjectId]) -> Mapping[ObjectId, Occupied]:
        """Return what charges say that they occupy."""
        found: dict[ObjectId, Occupied] = {}
        for cpo, number, folded in by_party(charges, self._directory()):
            for name, idx, document in _DOCUMENTS.all(self._session.connection, folded, (number,)):
                span = read_span(bytes(document))
                if span is not None:
                    found[ObjectId(cpo, name)] = Occupied(span, idx)
        return found

    def add(self, charges: Iterable[Occupied]) -> None:
        """Record what charges occupy."""
        parties = self._directory().parties
        insert = self._session.insert
        for (cpo, emsp, token, evse, twin, start, end, _), idx in charges:
            payer, owner = parties[emsp].number, parties[cpo].number
            for season in range(start // _SLOT, end // _SLOT + 1):
                high = season << 48
                insert(ChargeSpanRow, (payer, high | token & _HASH, idx, start, end, twin))
                insert(ChargeSpanRow, (owner, high | evse & _HASH, idx, start, end, twin))

    def remove(self, charges: Iterable[Occupied]) -> None:
        """Forget what charges occupied."""
        parties = self._directory().parties
        _REMOVE.run_each(
            self._session.connection,
            [
                (parties[owner].number, slot, idx)
                for span, idx in charges
                for owner, key in ((span.emsp, span.token), (span.cpo, span.evse))
                for slot in slots(span, key)
            ],
        )

    def has_before(self, owner: PartyId, instant: datetime) -> bool:
        """Say whether a party has rows in slots that ended before an instant."""
        return bool(_OLDEST.all(self._session.connection, (self._directory().parties[owner].number, _first(instant))))

    def remove_before(self, owner: PartyId, instant: datetime, limit: int) -> int:
        """Delete a party's rows in slots that ended before an instant."""
        chosen = self._directory().parties[owner].number, _first(instant), limit
        return _REMOVE_OLD.run(self._session.connection, chosen)


def _first(instant: datetime) -> int:
    """Return the least slot that holds this instant or later ones."""
    return to_micros(instant) // _SLOT << 48

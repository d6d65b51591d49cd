"""Tariffs on record, every version of them."""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime

from sqlalchemy import Select, and_, bindparam, column, delete, func, select
from sqlalchemy.sql.selectable import CTE

from hub.app.directory import Directory
from hub.domain.ids import ObjectId, PartyId
from hub.domain.tariffs import HeldTariff, TariffRecord, TariffVersion
from hub.store.keys import by_party
from hub.store.select_keys import SelectKeys
from hub.store.session import Session
from hub.store.statements import Row, SelectIn, Statement
from hub.store.tables.tariffs import TariffRow, TariffVersionRow
from hub.store.types import UtcMicros, from_micros, to_micros

_TARIFF = TariffRow.__table__  # type: ignore[attr-defined]
_VERSION = TariffVersionRow.__table__  # type: ignore[attr-defined]

_IS_NEWEST = and_(
    _VERSION.c.party == _TARIFF.c.party,
    _VERSION.c.tariff == _TARIFF.c.tariff,
    _VERSION.c.valid_from == _TARIFF.c.valid_from,
)
_HELD = SelectIn(
    select(
        _TARIFF.c.tariff,
        _TARIFF.c.last_updated,
        _TARIFF.c.digest,
        _TARIFF.c.valid_from,
        _TARIFF.c.removed,
        _VERSION.c.recorded_time,
    )
    .join(_VERSION, _IS_NEWEST)
    .where(_TARIFF.c.party == bindparam("party_")),
    _TARIFF.c.tariff,
)
_NEWEST = (
    select(_TARIFF.c.tariff, _VERSION.c.document, _VERSION.c.valid_from, _VERSION.c.recorded_time)
    .join(_VERSION, _IS_NEWEST)
    .where(_TARIFF.c.removed == 0, _TARIFF.c.party == bindparam("party_"))
)
_RECORDS = SelectIn(_NEWEST, _TARIFF.c.tariff)
_PAGE = Statement(
    _NEWEST.where(_TARIFF.c.tariff > bindparam("after"), _TARIFF.c.last_updated >= bindparam("since"))
    .order_by(_TARIFF.c.tariff)
    .limit(bindparam("most"))
)
_DELETE = Statement(
    delete(_TARIFF).where(_TARIFF.c.party == bindparam("party_"), _TARIFF.c.tariff == bindparam("tariff_"))
)
_EARLIEST = -(1 << 62)


def _in_force(keys: CTE, *, known: bool = False) -> Select[Row]:
    """Return the select of versions in force; with `known`, of those recorded by then, and that time as last column."""
    other = _VERSION.alias("other")
    candidates = select(func.max(other.c.valid_from)).where(
        other.c.party == keys.c.party, other.c.tariff == keys.c.tariff, other.c.valid_from <= keys.c.instant
    )
    columns = [keys.c.party, keys.c.tariff, keys.c.instant, _VERSION.c.document, _VERSION.c.valid_from]
    columns.append(_VERSION.c.recorded_time)
    if known:
        columns.append(keys.c.known)
        candidates = candidates.where(other.c.recorded_time <= keys.c.known)
    newest = candidates.scalar_subquery()
    return select(*columns).select_from(
        keys.join(
            _VERSION,
            and_(
                _VERSION.c.party == keys.c.party,
                _VERSION.c.tariff == keys.c.tariff,
                _VERSION.c.valid_from == newest,
            ),
        )
    )


def _in_force_as_known(keys: CTE) -> Select[Row]:
    return _in_force(keys, known=True)


_AT = [_VERSION.c.party, _VERSION.c.tariff, column("instant", UtcMicros)]
_AS_OF = SelectKeys(_AT, _in_force)
_AS_KNOWN = SelectKeys([*_AT, column("known", UtcMicros)], _in_force_as_known)


class StoredTariffs:
    """Implements `hub.app.ports.tariffs.Tariffs`."""

    def __init__(self, session: Session, directory: Callable[[], Directory]) -> None:
        self._session = session
        self._directory = directory

    def held(self, ids: Iterable[ObjectId]) -> dict[ObjectId, HeldTariff]:
        """Return what new versions are compared with."""
        return {
            ObjectId(party, folded): HeldTariff(
                last_updated=from_micros(last_updated),
                digest=bytes(digest),
                valid_from=from_micros(valid_from),
                removed=bool(removed),
                recorded=from_micros(recorded),
            )
            for party, number, group in by_party(ids, self._directory())
            for folded, last_updated, digest, valid_from, removed, recorded in _HELD.all(
                self._session.connection, group, (number,)
            )
        }

    def add(self, versions: Sequence[TariffVersion]) -> None:
        """Record versions."""
        parties, recorded = self._directory().parties, to_micros(self._session.now)
        newest: dict[tuple[int, str], HeldTariff] = {}
        for version in versions:
            key = parties[version.id.party].number, version.id.folded
            newest[key] = version.held
            row = (*key, to_micros(version.held.valid_from), recorded, version.document)
            self._session.insert(TariffVersionRow, row)
        _DELETE.run_each(self._session.connection, list(newest))
        for key, held in newest.items():
            times = to_micros(held.last_updated), held.digest, to_micros(held.valid_from)
            self._session.insert(TariffRow, (*key, *times, int(held.removed)))

    def records(self, ids: Iterable[ObjectId]) -> dict[ObjectId, TariffRecord]:
        """Return the newest version of those that are not removed."""
        return {
            record.id: record
            for party, number, group in by_party(ids, self._directory())
            for record in (
                _record(ObjectId(party, row[0]), row[1:])
                for row in _RECORDS.all(self._session.connection, group, (number,))
            )
        }

    def page(self, owner: PartyId, *, after: str, updated_since: datetime | None, limit: int) -> Sequence[TariffRecord]:
        """Return one owner's tariffs with a greater folded id."""
        party = self._directory().parties.get(owner)
        if party is None:
            return []
        since = _EARLIEST if updated_since is None else to_micros(updated_since)
        rows = _PAGE.all(self._session.connection, (party.number, after, since, limit))
        return [_record(ObjectId(owner, row[0]), row[1:]) for row in rows]

    def as_known(self, ids: Iterable[ObjectId], instant: datetime, known: datetime) -> dict[ObjectId, TariffRecord]:
        """Return the versions in force at an instant, by what was recorded by another."""
        return {key: record for (key, _, _), record in self.told([(each, instant, known) for each in ids]).items()}

    def told(
        self, wanted: Collection[tuple[ObjectId, datetime, datetime]]
    ) -> dict[tuple[ObjectId, datetime, datetime], TariffRecord]:
        """Return `as_known` for each tariff, instant and time of knowing."""
        parties = self._directory().parties
        keys = {
            (parties[each.party].number, each.folded, to_micros(instant), to_micros(known)): (each, instant, known)
            for each, instant, known in wanted
            if each.party in parties
        }
        if not keys:
            return {}
        rows = _AS_KNOWN.all(self._session.connection, list(keys))
        found = ((keys[*row[:3], row[6]], row) for row in rows if row[3])
        return {key: _record(key[0], row[3:6]) for key, row in found}

    def as_of(self, wanted: Collection[tuple[ObjectId, datetime]]) -> dict[tuple[ObjectId, datetime], TariffRecord]:
        """Return the version of each tariff that was in force at each instant."""
        parties = self._directory().parties
        keys = {
            (parties[each.party].number, each.folded, to_micros(instant)): (each, instant)
            for each, instant in wanted
            if each.party in parties
        }
        if not keys:
            return {}
        rows = _AS_OF.all(self._session.connection, list(keys))
        return {keys[row[:3]]: _record(keys[row[:3]][0], row[3:]) for row in rows if row[3]}


def _record(key: ObjectId, row: Row) -> TariffRecord:
    document, valid_from, recorded = row
    return TariffRecord(
        id=key, document=bytes(document), valid_from=from_micros(valid_from), recorded=from_micros(recorded)
    )

"""Registered keys of meters."""

from collections.abc import Callable, Collection, Mapping, Sequence

from sqlalchemy import and_, bindparam, or_, select, update

from hub.app.directory import Directory
from hub.app.ports.meter import MeterKeyFilter
from hub.domain.ids import PartyId
from hub.domain.locations import EvseKey
from hub.domain.meter.keys import KeyClaim, KeyMaterial, MeterKey
from hub.domain.parties import Party
from hub.store.select_keys import SelectKeys
from hub.store.session import Session
from hub.store.statements import Row, Statement
from hub.store.tables.meter import MeterKeyRow
from hub.store.types import from_micros, to_micros

_ROW = MeterKeyRow.__table__  # type: ignore[attr-defined]

_EVSE = [_ROW.c.party, _ROW.c.location, _ROW.c.evse]
_OF_EVSES = SelectKeys(
    _EVSE,
    lambda keys: select(*_ROW.c).select_from(keys.join(_ROW, and_(*(c == keys.c[c.key] for c in _EVSE)))),
)
_GET = Statement(select(*_ROW.c).where(_ROW.c.party == bindparam("party_"), _ROW.c.id == bindparam("id_")))
_END = Statement(
    update(_ROW)
    .where(_ROW.c.party == bindparam("party_"), _ROW.c.id == bindparam("id_"))
    .values(valid_until=bindparam("new_until"), revoked=bindparam("new_revoked"), reason=bindparam("new_reason"))
)


class StoredMeterKeys:
    """Implements `hub.app.ports.meter.MeterKeys`."""

    def __init__(self, session: Session, directory: Callable[[], Directory]) -> None:
        self._session = session
        self._directory = directory

    def of_evses(self, evses: Collection[EvseKey]) -> dict[EvseKey, list[MeterKey]]:
        """Return all registrations of these EVSEs."""
        parties, numbers = self._directory().parties, self._directory().by_number
        wanted = [(parties[key.party].number, key.location, key.evse) for key in evses if key.party in parties]
        # A list of keys is padded, so that a row may come back several times.
        rows = {row[:2]: row for row in _OF_EVSES.all(self._session.connection, wanted)} if wanted else {}
        found: dict[EvseKey, list[MeterKey]] = {}
        for _, row in sorted(rows.items()):
            key = _key(row, numbers)
            found.setdefault(key.claim.evse, []).append(key)
        return found

    def get(self, party: PartyId, key_id: str) -> MeterKey | None:
        """Return one registration."""
        directory = self._directory()
        owner = directory.parties.get(party)
        rows = _GET.all(self._session.connection, (owner.number, key_id)) if owner else []
        return _key(rows[0], directory.by_number) if rows else None

    def add(self, key: MeterKey) -> None:
        """Record a new registration."""
        claim = key.claim
        evse = claim.evse
        self._session.insert(
            MeterKeyRow,
            (
                self._directory().parties[claim.party].number,
                key.id,
                evse.location,
                evse.evse,
                claim.location_id,
                claim.evse_uid,
                claim.material.curve,
                claim.material.spki,
                to_micros(claim.valid_from),
                to_micros(claim.valid_until) if claim.valid_until else None,
                to_micros(key.registered),
                to_micros(key.revoked) if key.revoked else None,
                key.reason,
            ),
        )

    def end(self, key: MeterKey) -> None:
        """Record that the validity was cut short."""
        assert key.claim.valid_until is not None
        assert key.revoked is not None
        number = self._directory().parties[key.claim.party].number
        changed = _END.run(
            self._session.connection,
            (to_micros(key.claim.valid_until), to_micros(key.revoked), key.reason, number, key.id),
        )
        assert changed == 1, "only what is registered ends"

    def page(self, party: PartyId, wanted: MeterKeyFilter, *, after: str, limit: int) -> Sequence[MeterKey]:
        """Return one owner's registrations with a greater id."""
        directory = self._directory()
        owner = directory.parties.get(party)
        if owner is None:
            return []
        query = select(*_ROW.c).where(_ROW.c.party == owner.number, _ROW.c.id > after)
        if wanted.location:
            query = query.where(_ROW.c.location == wanted.location)
        if wanted.evse:
            query = query.where(_ROW.c.evse == wanted.evse)
        if wanted.valid_at is not None:
            ends = or_(_ROW.c.valid_until.is_(None), _ROW.c.valid_until > wanted.valid_at)
            query = query.where(_ROW.c.valid_from <= wanted.valid_at, ends)
        rows = self._session.connection.execute(query.order_by(_ROW.c.id).limit(limit))
        return [_from_columns(tuple(row), directory.by_number) for row in rows]


def _key(row: Row, numbers: Mapping[int, Party]) -> MeterKey:
    """Return the key of a row in stored form."""
    *start, valid_from, valid_until, registered, revoked, reason = row
    times = [
        None if micros is None else from_micros(micros) for micros in (valid_from, valid_until, registered, revoked)
    ]
    return _from_columns((*start, *times, reason), numbers)


def _from_columns(row: Row, numbers: Mapping[int, Party]) -> MeterKey:
    party, key_id, _, _, location_id, evse_uid, curve, spki, valid_from, valid_until, registered, revoked, reason = row
    return MeterKey(
        id=key_id,
        claim=KeyClaim(
            party=numbers[party].id,
            location_id=location_id,
            evse_uid=evse_uid,
            material=KeyMaterial(curve=curve, spki=bytes(spki)),
            valid_from=valid_from,
            valid_until=valid_until,
        ),
        registered=registered,
        revoked=revoked,
        reason=reason,
    )

"""Locations on record: documents, and beside them the narrow tables that states, searches and checks work on."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, bindparam, delete, exists, func, or_, select, update

from hub.app.directory import Directory
from hub.app.ports.locations import ConnectorFilter
from hub.domain.geo import Box, stripe
from hub.domain.ids import ObjectId, PartyId, fold
from hub.domain.locations import (
    Evse,
    EvseFacts,
    EvseKey,
    EvseState,
    HeldLocation,
    Location,
    LocationRecord,
    Offer,
    StateAt,
)
from hub.store.keys import by_party
from hub.store.offers import LocationOffers, Offered, StoredOffers, offer, offers_of
from hub.store.select_keys import SelectKeys
from hub.store.session import Session
from hub.store.statements import Row, SelectIn, Statement
from hub.store.tables.locations import ConnectorRow, EvseRow, EvseStateRow, LocationRow
from hub.store.types import from_micros, to_micros

_LOCATION = LocationRow.__table__  # type: ignore[attr-defined]
_EVSE = EvseRow.__table__  # type: ignore[attr-defined]
_STATE = EvseStateRow.__table__  # type: ignore[attr-defined]
_CONNECTOR = ConnectorRow.__table__  # type: ignore[attr-defined]

_HELD = SelectIn(
    select(_LOCATION.c.location, _LOCATION.c.last_updated, _LOCATION.c.digest).where(
        _LOCATION.c.party == bindparam("party_")
    ),
    _LOCATION.c.location,
)
_DOCUMENTS = SelectIn(
    select(_LOCATION.c.location, _LOCATION.c.last_updated, _LOCATION.c.document).where(
        _LOCATION.c.party == bindparam("party_")
    ),
    _LOCATION.c.location,
)
_TIME_ZONES = SelectIn(
    select(_LOCATION.c.location, _LOCATION.c.time_zone).where(_LOCATION.c.party == bindparam("party_")),
    _LOCATION.c.location,
)
#: The join of an EVSE with its state.
_OF_EVSE = and_(_STATE.c.party == _EVSE.c.party, _STATE.c.number == _EVSE.c.number)
_STATES_OF = SelectIn(
    select(_EVSE.c.location, _EVSE.c.evse, _STATE.c.state, _STATE.c.last_updated)
    .join(_STATE, _OF_EVSE)
    .where(_EVSE.c.party == bindparam("party_")),
    _EVSE.c.location,
)
_NUMBERS_OF = SelectIn(
    select(_EVSE.c.location, _EVSE.c.evse, _EVSE.c.number).where(_EVSE.c.party == bindparam("party_")),
    _EVSE.c.location,
)
_LAST_NUMBER = Statement(
    select(func.coalesce(func.max(_STATE.c.number), 0)).where(_STATE.c.party == bindparam("party_"))
)
_KEY = [_EVSE.c.party, _EVSE.c.location, _EVSE.c.evse]
_STATES = SelectKeys(
    _KEY,
    lambda keys: select(
        _EVSE.c.location, _EVSE.c.evse, _EVSE.c.number, _STATE.c.state, _STATE.c.last_updated
    ).select_from(keys.join(_EVSE, and_(*(column == keys.c[column.key] for column in _KEY))).join(_STATE, _OF_EVSE)),
)
_FACTS = SelectKeys(
    _KEY,
    lambda keys: select(
        *(keys.c[column.key] for column in _KEY),
        _LOCATION.c.time_zone,
        _EVSE.c.number,
        _CONNECTOR.c.connector,
        _CONNECTOR.c.power,
        _CONNECTOR.c.tariffs,
        _CONNECTOR.c.since,
    ).select_from(
        keys.join(_LOCATION, and_(*(_LOCATION.c[column.key] == keys.c[column.key] for column in _KEY[:2])))
        .outerjoin(_EVSE, and_(*(column == keys.c[column.key] for column in _KEY)))
        .outerjoin(_CONNECTOR, and_(*(_CONNECTOR.c[column.key] == column for column in _KEY)))
    ),
)
_SET_STATE = Statement(
    update(_STATE)
    .where(_STATE.c.party == bindparam("party_"), _STATE.c.number == bindparam("number_"))
    .values(state=bindparam("new_state"), last_updated=bindparam("new_time"))
)
_DELETE_CONNECTORS = Statement(
    delete(_CONNECTOR).where(_CONNECTOR.c.party == bindparam("party_"), _CONNECTOR.c.location == bindparam("location_"))
)
_DELETE_EVSE = Statement(delete(_EVSE).where(*(column == bindparam(f"{column.key}_") for column in _KEY)))
_DELETE_STATE = Statement(
    delete(_STATE).where(_STATE.c.party == bindparam("party_"), _STATE.c.number == bindparam("number_"))
)
_PAGE_COLUMNS = select(_LOCATION.c.location, _LOCATION.c.last_updated, _LOCATION.c.document).where(
    _LOCATION.c.party == bindparam("party_"), _LOCATION.c.location > bindparam("after")
)
_PAGE = Statement(_PAGE_COLUMNS.order_by(_LOCATION.c.location).limit(bindparam("most")))
_PAGE_SINCE = Statement(
    _PAGE_COLUMNS.where(
        or_(
            _LOCATION.c.last_updated >= bindparam("since"),
            exists().where(
                _EVSE.c.party == _LOCATION.c.party,
                _EVSE.c.location == _LOCATION.c.location,
                _OF_EVSE,
                _STATE.c.last_updated >= bindparam("evse_since"),
            ),
        )
    )
    .order_by(_LOCATION.c.location)
    .limit(bindparam("most"))
)


class StoredLocations(StoredOffers):
    """Implements `hub.app.ports.locations.Locations`."""

    def __init__(self, session: Session, directory: Callable[[], Directory]) -> None:
        super().__init__(session, directory)
        #: Numbers of EVSEs, as this transaction has read them; what is read to compare is written next.
        self._numbers: dict[tuple[int, str, str], int] = {}

    def held(self, ids: Iterable[ObjectId]) -> dict[ObjectId, HeldLocation]:
        """Return what new versions are compared with."""
        found: dict[ObjectId, HeldLocation] = {}
        for party, number, group in by_party(ids, self._directory()):
            rows = _HELD.all(self._session.connection, group, (number,))
            states = self._states_of(number, [row[0] for row in rows])
            for folded, last_updated, digest in rows:
                found[ObjectId(party, folded)] = HeldLocation(
                    last_updated=from_micros(last_updated), digest=bytes(digest), states=states.get(folded, {})
                )
        return found

    def _states_of(self, number: int, locations: Collection[str]) -> dict[str, dict[str, StateAt]]:
        """Return what all EVSEs of one owner's locations do, by folded location id, then folded uid."""
        found: dict[str, dict[str, StateAt]] = defaultdict(dict)
        if locations:
            for location, evse, state, changed in _STATES_OF.all(self._session.connection, locations, (number,)):
                found[location][evse] = StateAt(EvseState(state), from_micros(changed))
        return found

    def put(self, locations: Collection[Location]) -> None:
        """Insert or replace locations."""
        connection, directory = self._session.connection, self._directory()
        numbers: dict[tuple[int, str], dict[str, int]] = defaultdict(dict)
        offers: dict[int, Mapping[str, LocationOffers]] = {}
        last: dict[int, int] = {}
        for _, owner, ids in by_party((location.id for location in locations), directory):
            for folded, evse, number in _NUMBERS_OF.all(connection, ids, (owner,)):
                numbers[owner, folded][evse] = number
            offers[owner] = offers_of(self._session, owner, ids)
            last[owner] = _LAST_NUMBER.all(connection, (owner,))[0][0]
        _DELETE_CONNECTORS.run_each(connection, list(numbers))
        gone: list[tuple[Row, Row]] = []
        for location in locations:
            owner, folded = directory.parties[location.id.party].number, location.id.folded
            known = numbers.get((owner, folded), {})
            offered = offers[owner][folded].renewed(self._session, location)
            vanished = known.keys() - location.states().keys() if known else ()
            gone += [((owner, folded, evse), (owner, known[evse])) for evse in vanished]
            for evse in location.evses:
                number = known.get(fold(evse.uid))
                if number is None:
                    number = last[owner] = last[owner] + 1
                self._put_evse(owner, folded, number, evse, offered)
            self._put_location(owner, location)
        _DELETE_EVSE.run_each(connection, [evse for evse, _ in gone])
        _DELETE_STATE.run_each(connection, [state for _, state in gone])

    def _put_location(self, owner: int, location: Location) -> None:
        self._session.upsert(
            LocationRow,
            (
                owner,
                location.id.folded,
                to_micros(location.last_updated),
                location.point.latitude,
                location.point.longitude,
                stripe(location.point.latitude),
                location.time_zone,
                location.digest,
                location.document,
            ),
        )

    def _put_evse(self, owner: int, location: str, number: int, evse: Evse, offered: Offered) -> None:
        uid = fold(evse.uid)
        state, changed = evse.now
        self._session.upsert(EvseRow, (owner, location, uid, number, evse.evse_id))
        self._session.upsert(EvseStateRow, (owner, number, int(state), to_micros(changed)))
        for connector in evse.connectors:
            name = fold(connector.id)
            power, *terms = offered[uid, name]
            kind = connector.standard, int(connector.power_type)
            self._session.insert(ConnectorRow, (owner, location, uid, name, *kind, power, *terms))

    def records(self, ids: Iterable[ObjectId]) -> dict[ObjectId, LocationRecord]:
        """Return those that are on record."""
        found: dict[ObjectId, LocationRecord] = {}
        for party, number, group in by_party(ids, self._directory()):
            rows = _DOCUMENTS.all(self._session.connection, group, (number,))
            states = self._states_of(number, group)
            for row in rows:
                record = _record(party, row, states)
                found[record.id] = record
        return found

    def page(
        self, owner: PartyId, *, after: str, updated_since: datetime | None, limit: int
    ) -> Sequence[LocationRecord]:
        """Return one owner's locations with a greater folded id."""
        party = self._directory().parties.get(owner)
        if party is None:
            return []
        if updated_since is None:
            rows = _PAGE.all(self._session.connection, (party.number, after, limit))
        else:
            since = to_micros(updated_since)
            rows = _PAGE_SINCE.all(self._session.connection, (party.number, after, since, since, limit))
        states = self._states_of(party.number, [row[0] for row in rows])
        return [_record(owner, row, states) for row in rows]

    def within(self, boxes: Sequence[Box], wanted: ConnectorFilter) -> Iterator[tuple[PartyId, str, int, int]]:
        """Return owner, folded id and place of what lies in the boxes and has a connector as wanted."""
        owners = self._directory().by_number
        place = [_LOCATION.c.party, _LOCATION.c.location, _LOCATION.c.latitude, _LOCATION.c.longitude]
        for box in boxes:
            query = select(*place).where(
                _LOCATION.c.stripe.in_(box.stripes),
                _LOCATION.c.longitude.between(box.west, box.east),
                _LOCATION.c.latitude.between(box.south, box.north),
                exists().where(*_offers(wanted)),
            )
            for number, folded, latitude, longitude in self._session.connection.execute(query):
                yield owners[number].id, folded, latitude, longitude

    def states(self, party: PartyId, evses: Collection[tuple[str, str]]) -> dict[tuple[str, str], StateAt]:
        """Return what those EVSEs do that are on record."""
        known = self._directory().parties.get(party)
        if known is None or not evses:
            return {}
        found: dict[tuple[str, str], StateAt] = {}
        for location, evse, number, state, at in _STATES.all(
            self._session.connection, [(known.number, *key) for key in evses]
        ):
            self._numbers[known.number, location, evse] = number
            found[location, evse] = StateAt(EvseState(state), from_micros(at))
        return found

    def set_states(self, party: PartyId, states: Mapping[tuple[str, str], StateAt]) -> None:
        """Write what EVSEs do."""
        owner, numbers = self._directory().parties[party].number, self._numbers
        if any((owner, *key) not in numbers for key in states):
            self.states(party, states)
        _SET_STATE.run_each(
            self._session.connection,
            [(int(state), to_micros(at), owner, numbers[owner, *key]) for key, (state, at) in states.items()],
        )

    def evses(self, keys: Collection[EvseKey]) -> dict[EvseKey, EvseFacts | None]:
        """Return the facts about EVSEs; None for one that its location, which is on record, does not have."""
        parties = self._directory().parties
        wanted = {(parties[key.party].number, key.location, key.evse): key for key in keys if key.party in parties}
        found: dict[EvseKey, EvseFacts | None] = {}
        connectors: dict[EvseKey, dict[str, Offer]] = {}
        # A row for each connector, at least one for each EVSE, whose number is null where there is no such EVSE.
        for row in _FACTS.all(self._session.connection, wanted):
            owner, location, evse, time_zone, number, connector, *offered = row
            key = wanted[owner, location, evse]
            if key not in found:
                connectors[key] = {}
                found[key] = None if number is None else EvseFacts(time_zone, connectors[key])
            if connector is not None:
                connectors[key][connector] = offer(*offered)
        return found

    def time_zones(self, ids: Collection[ObjectId]) -> dict[ObjectId, str]:
        """Return the zones of those locations that are on record."""
        found: dict[ObjectId, str] = {}
        for party, number, group in by_party(ids, self._directory()):
            rows = _TIME_ZONES.all(self._session.connection, group, (number,))
            found |= {ObjectId(party, folded): zone for folded, zone in rows}
        return found


def _record(owner: PartyId, row: Row, states: Mapping[str, Mapping[str, StateAt]]) -> LocationRecord:
    folded, last_updated, document = row
    return LocationRecord(
        id=ObjectId(owner, folded),
        last_updated=from_micros(last_updated),
        document=bytes(document),
        states=states.get(folded, {}),
    )


def _offers(wanted: ConnectorFilter) -> list[ColumnElement[bool]]:
    """Return the conditions on an EVSE of the location at hand, and on one connector of it."""
    conditions: list[ColumnElement[bool]] = [
        _EVSE.c.party == _LOCATION.c.party,
        _EVSE.c.location == _LOCATION.c.location,
        _OF_EVSE,
        _STATE.c.state == int(EvseState.AVAILABLE) if wanted.available else _STATE.c.state != int(EvseState.REMOVED),
    ]
    if wanted == ConnectorFilter(available=wanted.available):
        return conditions
    conditions += [_CONNECTOR.c[column.key] == column for column in _KEY]
    if wanted.power_min:
        conditions.append(_CONNECTOR.c.power >= wanted.power_min)
    if wanted.standards:
        conditions.append(_CONNECTOR.c.standard.in_(sorted(wanted.standards)))
    if wanted.power_types:
        conditions.append(_CONNECTOR.c.power_type.in_(sorted(map(int, wanted.power_types))))
    return conditions

"""What connectors offer, now and before: their power, and the tariffs that they name.

A version of a location says what each of its connectors offers from then on. Only where that differs from what the
connector offered before, what it offered is kept.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from functools import lru_cache

from sqlalchemy import CTE, Select, and_, bindparam, column, func, select, union_all

from hub.app.directory import Directory
from hub.domain.ids import fold
from hub.domain.locations import Connector, ConnectorKey, Location, Offer
from hub.store.select_keys import SelectKeys
from hub.store.session import Session
from hub.store.statements import Row, SelectIn, Statement
from hub.store.tables.locations import ConnectorRow, FormerOfferRow
from hub.store.types import UtcMicros, from_micros, to_micros

_NOW = ConnectorRow.__table__  # type: ignore[attr-defined]
_FORMER = FormerOfferRow.__table__  # type: ignore[attr-defined]

_OF_LOCATIONS = SelectIn(
    select(
        _NOW.c.location, _NOW.c.evse, _NOW.c.connector, _NOW.c.power, _NOW.c.tariffs, _NOW.c.since, _NOW.c.recorded_time
    ).where(_NOW.c.party == bindparam("party_")),
    _NOW.c.location,
)
_KEY = [_FORMER.c.party, _FORMER.c.location, _FORMER.c.evse, _FORMER.c.connector]


def _in_force(keys: CTE) -> Select[Row]:
    other = _FORMER.alias("other")
    newest = (
        select(func.max(other.c.since))
        .where(*(other.c[each.key] == keys.c[each.key] for each in _KEY), other.c.since <= keys.c.instant)
        .scalar_subquery()
    )
    return select(*keys.c, _FORMER.c.power, _FORMER.c.tariffs, _FORMER.c.since).select_from(
        keys.join(_FORMER, and_(*(each == keys.c[each.key] for each in _KEY), _FORMER.c.since == newest))
    )


_FORMER_AT = SelectKeys([*_KEY, column("instant", UtcMicros)], _in_force)
_EVER = union_all(
    *(
        select(table.c.power, table.c.tariffs, table.c.since).where(
            *(table.c[each.key] == bindparam(f"{each.key}_") for each in _KEY),
            table.c.since <= bindparam("instant"),
            table.c.recorded_time <= bindparam("known"),
        )
        for table in (_NOW, _FORMER)
    )
)
_AS_KNOWN = Statement(_EVER.order_by(column("since").desc()).limit(1))

#: What a connector is written with: power, tariffs, since when, and when that was recorded.
_Terms = tuple[int, str, int, int]
#: The same by the folded ids of EVSE and connector.
Offered = Mapping[tuple[str, str], _Terms]


class LocationOffers:
    """What the connectors of one location offered before a new version of it."""

    def __init__(self, owner: int, location: str) -> None:
        self._key = owner, location
        self._known: dict[tuple[str, str], _Terms] = {}

    def learn(self, evse: str, connector: str, terms: _Terms) -> None:
        """Take note of what a connector offers; ids are folded."""
        self._known[evse, connector] = terms

    def renewed(self, session: Session, location: Location) -> Offered:
        """Return what each connector offers by the new version; what one no longer offers is kept apart."""
        told, recorded = to_micros(location.last_updated), to_micros(session.now)
        renewed: dict[tuple[str, str], _Terms] = {}
        for evse in location.evses:
            for connector in evse.connectors:
                key = fold(evse.uid), fold(connector.id)
                power, tariffs = connector.power or 0, _to_text(connector.tariff_ids)
                known = self._known.get(key)
                if known is not None and known[:2] == (power, tariffs):
                    renewed[key] = known
                    continue
                # What was never published before may have been there for longer than its location's message.
                since = told if self._known else min(told, _changed(connector, told))
                renewed[key] = power, tariffs, since, recorded
        for key, (power, tariffs, since, known_since) in self._known.items():
            if key not in renewed or since < renewed[key][2]:
                session.upsert(FormerOfferRow, (*self._key, *key, since, power, tariffs, known_since))
        return renewed


def offers_of(session: Session, owner: int, locations: Collection[str]) -> Mapping[str, LocationOffers]:
    """Return what the connectors of one owner's locations offer, by folded location id."""
    found = {location: LocationOffers(owner, location) for location in locations}
    for location, evse, connector, *terms in _OF_LOCATIONS.all(session.connection, locations, (owner,)):
        found[location].learn(evse, connector, tuple(terms))
    return found


class StoredOffers:
    """The part of `hub.app.ports.locations.Locations` that asks what connectors offered."""

    def __init__(self, session: Session, directory: Callable[[], Directory]) -> None:
        self._session = session
        self._directory = directory

    def former_offers(
        self, wanted: Collection[tuple[ConnectorKey, datetime]]
    ) -> dict[tuple[ConnectorKey, datetime], Offer]:
        """Return what connectors offered at an instant, of what they no longer offer."""
        parties = self._directory().parties
        keys = {
            (parties[key.evse.party].number, *key.evse[1:], key.connector, to_micros(instant)): (key, instant)
            for key, instant in wanted
            if key.evse.party in parties
        }
        if not keys:
            return {}
        return {keys[row[:5]]: offer(*row[5:]) for row in _FORMER_AT.all(self._session.connection, list(keys))}

    def offer_as_known(self, connector: ConnectorKey, instant: datetime, known: datetime) -> Offer | None:
        """Return what a connector offered at an instant, by what was recorded by another."""
        owner = self._directory().parties.get(connector.evse.party)
        if owner is None:
            return None
        chosen = (owner.number, *connector.evse[1:], connector.connector, to_micros(instant), to_micros(known))
        rows = _AS_KNOWN.all(self._session.connection, chosen * 2)
        return offer(*rows[0]) if rows else None


@lru_cache(maxsize=4_096)
def offer(power: int, tariffs: str, since: int) -> Offer:
    """Return what a connector's row says that it offers; connectors of one location mostly offer the same."""
    return Offer(power or None, tuple(tariffs.split("\n")) if tariffs else (), from_micros(since))


def _to_text(tariff_ids: Iterable[str]) -> str:
    """Return folded ids, one a line, each once; what no id can be is left out."""
    return "\n".join(dict.fromkeys(fold(each) for each in tariff_ids if each and each.isprintable()))


def _changed(connector: Connector, otherwise: int) -> int:
    return otherwise if connector.last_updated is None else to_micros(connector.last_updated)

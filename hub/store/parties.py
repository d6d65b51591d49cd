"""Parties, and the directory that is read from them."""

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import Connection, bindparam, func, select, update

from hub.app.directory import Directory
from hub.domain.ids import PartyId
from hub.domain.parties import Party, PartyState, Role
from hub.store.agreements import all_agreements, changed_agreements
from hub.store.session import Session
from hub.store.statements import Row, Statement, insert_into
from hub.store.tables.parties import PartyRow
from hub.store.trust import revoked_serials

_ROW = PartyRow.__table__  # type: ignore[attr-defined]
#: The columns after the key, in their order: an UPDATE takes its parameters in the order of the table.
_CHANGING = [column for column in _ROW.c if not column.primary_key]
_ALL = Statement(select(*_ROW.c).order_by(_ROW.c.number))
_LAST = Statement(select(func.coalesce(func.max(_ROW.c.number), 0)))
_REPLACE = Statement(
    update(_ROW)
    .where(_ROW.c.number == bindparam("number_"))
    .values({column.name: bindparam(f"new_{column.name}") for column in _CHANGING})
)


def party_from_row(row: Row) -> Party:
    """Return the party that a whole row holds."""
    number, country_code, party_id, roles, platform, state, endpoint, document = row
    return Party(
        id=PartyId(country_code, party_id),
        number=number,
        roles=frozenset(Role(role) for role in roles.split(",") if role),
        platform=platform,
        state=PartyState(state),
        endpoint=endpoint,
        document=bytes(document),
    )


def party_to_row(party: Party) -> Row:
    """Return the whole row of a party."""
    return (
        party.number,
        party.id.country_code,
        party.id.party_id,
        ",".join(sorted(party.roles)),
        party.platform,
        str(party.state),
        party.endpoint,
        party.document,
    )


def load_directory(connection: Connection, version: int, before: Directory | None = None) -> Directory:
    """Read the directory.

    Args:
        connection: Where it is read.
        version: The version that the connection sees.
        before: What is held already. When it is older, only what has changed of the agreements is read: there may be
            thousands, and most changes concern one.
    """
    parties = [party_from_row(row) for row in _ALL.all(connection)]
    by_number, revoked = {party.number: party for party in parties}, revoked_serials(connection)
    if before is None or before.version >= version:
        agreements = all_agreements(connection, by_number)
        return Directory.of(version=version, parties=parties, agreements=agreements, revoked=revoked)
    changed = changed_agreements(connection, by_number, before.version)
    return before.followed_by(version=version, parties=parties, agreements=changed, revoked=revoked)


class StoredParties:
    """Implements `hub.app.ports.parties.Parties`."""

    def __init__(self, session: Session, directory: Callable[[], Directory], changed: Callable[[], None]) -> None:
        self._session = session
        self._directory = directory
        self._changed = changed

    def find(self, party: PartyId) -> Party | None:
        """Return the party, or None."""
        return self._directory().parties.get(party)

    def save(self, party: Party) -> Party:
        """Insert or replace; a new party gets the next number."""
        connection = self._session.connection
        if party.number == 0:
            party = replace(party, number=int(_LAST.all(connection)[0][0]) + 1)
        # No delete and insert: other rows refer to this one.
        row = party_to_row(party)
        if not _REPLACE.run(connection, (*row[1:], party.number)):
            insert_into(PartyRow).run(connection, row)
        self._changed()
        return party

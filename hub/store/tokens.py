"""Tokens on record."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, delete, or_, select

from hub.app.directory import Directory
from hub.domain.ids import PartyId
from hub.domain.parties import Party
from hub.domain.tokens import Token, TokenKey, Whitelist
from hub.store.select_keys import SelectKeys
from hub.store.session import Session
from hub.store.statements import Row, SelectIn, Statement
from hub.store.tables.tokens import TokenRow
from hub.store.types import from_micros, to_micros

_ROW = TokenRow.__table__  # type: ignore[attr-defined]
_KEY = (_ROW.c.emsp, _ROW.c.uid, _ROW.c.type)
_EARLIEST = -(1 << 62)


def _of_keys(*columns: ColumnElement[Any]) -> SelectKeys:
    """Return the select of these columns of the tokens with certain keys."""
    return SelectKeys(
        _KEY,
        lambda keys: select(*columns).select_from(keys.join(_ROW, and_(*(part == keys.c[part.key] for part in _KEY)))),
    )


_FIND = _of_keys(*_ROW.c)
_FIND_KEYS = _of_keys(*_KEY)
_BY_UID = SelectIn(select(*_ROW.c), _ROW.c.uid)
_PAGE = Statement(
    select(*_ROW.c)
    .where(
        _ROW.c.emsp == bindparam("emsp_"),
        # The first condition is what the index walks from; the second drops the types already shown of that uid.
        _ROW.c.uid >= bindparam("from_uid"),
        or_(_ROW.c.uid > bindparam("after_uid"), _ROW.c.type > bindparam("after_type")),
        _ROW.c.last_updated >= bindparam("since"),
    )
    .order_by(_ROW.c.uid, _ROW.c.type)
    .limit(bindparam("most"))
)
_DELETE = Statement(
    delete(_ROW).where(
        _ROW.c.emsp == bindparam("emsp_"), _ROW.c.uid == bindparam("uid_"), _ROW.c.type == bindparam("type_")
    )
)


class StoredTokens:
    """Implements `hub.app.ports.tokens.Tokens`."""

    def __init__(self, session: Session, directory: Callable[[], Directory]) -> None:
        self._session = session
        self._directory = directory

    def find_many(self, keys: Collection[TokenKey]) -> Mapping[TokenKey, Token]:
        """Return those of these tokens that are published."""
        parties, numbers = self._directory().parties, self._directory().by_number
        wanted = [(parties[key.emsp].number, key.uid, key.type) for key in keys if key.emsp in parties]
        rows = _FIND.all(self._session.connection, wanted)
        return {token.key: token for token in (_token(row, numbers) for row in rows)}

    def published(self, keys: Collection[TokenKey]) -> frozenset[TokenKey]:
        """Return the keys of those of these tokens that are published."""
        parties = self._directory().parties
        wanted = {(parties[key.emsp].number, key.uid, key.type): key for key in keys if key.emsp in parties}
        return frozenset(wanted[row] for row in _FIND_KEYS.all(self._session.connection, wanted))

    def find_by_uid(self, uids: Collection[str]) -> Mapping[str, Sequence[Token]]:
        """Return every token with one of these folded uids."""
        numbers = self._directory().by_number
        found: dict[str, list[Token]] = {}
        for row in _BY_UID.all(self._session.connection, set(uids)):
            found.setdefault(row[1], []).append(_token(row, numbers))
        return found

    def page(
        self, emsp: PartyId, *, after: tuple[str, str], updated_since: datetime | None, limit: int
    ) -> Sequence[Token]:
        """Return one eMSP's tokens after a folded uid and type, in that order."""
        directory = self._directory()
        party = directory.parties.get(emsp)
        if party is None:
            return []
        since = _EARLIEST if updated_since is None else to_micros(updated_since)
        uid, token_type = after
        rows = _PAGE.all(self._session.connection, (party.number, uid, uid, token_type, since, limit))
        return [_token(row, directory.by_number) for row in rows]

    def save(self, tokens: Collection[Token]) -> None:
        """Insert or replace tokens."""
        parties = self._directory().parties
        keys = []
        for token in tokens:
            key = parties[token.key.emsp].number, token.key.uid, token.key.type
            keys.append(key)
            row = (
                *key,
                token.contract_id,
                int(token.whitelist),
                int(token.valid),
                token.group_id,
                to_micros(token.last_updated),
                token.document,
            )
            self._session.insert(TokenRow, row)
        _DELETE.run_each(self._session.connection, keys)


def _token(row: Row, numbers: Mapping[int, Party]) -> Token:
    emsp, uid, token_type, contract_id, whitelist, valid, group_id, last_updated, document = row
    return Token(
        key=TokenKey(numbers[emsp].id, uid, token_type),
        contract_id=contract_id,
        whitelist=Whitelist(whitelist),
        valid=bool(valid),
        group_id=group_id,
        last_updated=from_micros(last_updated),
        document=bytes(document),
    )

"""Storage of tokens."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from hub.domain.ids import PartyId
from hub.domain.tokens import Token, TokenKey


class Tokens(Protocol):
    """Tokens by eMSP, folded uid and type."""

    def find_many(self, keys: Collection[TokenKey]) -> Mapping[TokenKey, Token]:
        """Return those of these tokens that are published, in one query."""
        ...

    def find_by_uid(self, uids: Collection[str]) -> Mapping[str, Sequence[Token]]:
        """Return, in one query, every token of any eMSP and type with one of these folded uids."""
        ...

    def page(
        self, emsp: PartyId, *, after: tuple[str, str], updated_since: datetime | None, limit: int
    ) -> Sequence[Token]:
        """Return one eMSP's tokens after a folded uid and type, in that order, at most `limit`."""
        ...

    def save(self, tokens: Collection[Token]) -> None:
        """Insert or replace tokens with different keys."""
        ...

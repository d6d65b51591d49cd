"""Tokens: what a driver identifies with, as the hub reasons about it (OCPI module Tokens, 2.1.1 to 2.3.0).

Tokens are personal data. Nothing here shows a uid or a contract id in its `repr`, so that no log does.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple

from hub.domain.ids import PartyId, fold_uid

#: The kind of a token that a CPO asks about without saying which (OCPI, Tokens, Real-time authorization request).
RFID = "RFID"


class Whitelist(IntEnum):
    """Whether a token may be accepted without asking the eMSP (OCPI: WhitelistType); numbered as on the wire."""

    ALWAYS = 1
    ALLOWED = 2
    ALLOWED_OFFLINE = 3
    NEVER = 4


class TokenKey(NamedTuple):
    """What identifies a token: its eMSP, the folded uid and the kind in upper case, such as RFID; made by `of`."""

    emsp: PartyId
    uid: str
    type: str

    @classmethod
    def of(cls, emsp: PartyId, uid: str, token_type: str) -> "TokenKey":
        """Return the key for a uid and a type as somebody spelled them."""
        return cls(emsp, fold_uid(uid), token_type.upper())

    def __repr__(self) -> str:
        """Return the key without its uid."""
        return f"TokenKey({self.emsp}, ..., {self.type})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A published token.

    Attributes:
        contract_id: The contract behind it, as sent.
        whitelist: Whether the eMSP must be asked.
        valid: Whether it may be used; whitelist type ALWAYS and real-time answers override it.
        group_id: Tokens of one group stop each other's sessions; empty for none.
        last_updated: When the eMSP last changed it, by the eMSP's clock.
        document: The eMSP's message, the record.
    """

    key: TokenKey
    contract_id: str = field(repr=False)
    whitelist: Whitelist
    valid: bool
    group_id: str = field(default="", repr=False)
    last_updated: datetime
    document: bytes = field(repr=False)

    @property
    def usable(self) -> bool:
        """Whether the stored token says yes: OCPI lets whitelist type ALWAYS override `valid`."""
        return self.valid or self.whitelist is Whitelist.ALWAYS


def pick_token(candidates: Iterable[Token], token_type: str, emsps: Collection[PartyId]) -> Token | None:
    """Return the token that a uid means when the CPO does not say whose it is.

    Two eMSPs may have issued the same uid: nothing makes uids unique across issuers. Of the tokens of that type whose
    eMSP is among `emsps` (those with an agreement with the CPO), a usable one goes before one that is not, as a driver
    shows a card that works; then the one whose eMSP said something last; then the eMSP that sorts first. So the answer
    is the same on every node and in every run.
    """
    possible = [token for token in candidates if token.key.type == token_type and token.key.emsp in emsps]
    possible.sort(key=lambda token: token.key.emsp)
    return max(possible, key=lambda token: (token.usable, token.last_updated), default=None)


def changes_token(held: Token | None, said: Token) -> bool | None:
    """Say whether what an eMSP says about a token is news (True), known (False) or out of date (None)."""
    if held is None:
        return True
    if said.last_updated < held.last_updated:
        return None
    return said.document != held.document

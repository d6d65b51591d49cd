"""Publishing tokens: hot, as an eMSP may have millions of them. Messages of errors never hold a uid."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hub.app.ports.uow import UnitOfWork
from hub.domain.errors import HubError, NotFound, Stale
from hub.domain.journal import EntryKind, Fact, Stream
from hub.domain.tokens import Token, TokenKey, changes_token


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenChange:
    """A change of a stored token: `apply` takes its document and returns the token that results, or raises HubError."""

    key: TokenKey
    apply: Callable[[bytes], Token]


def put_tokens(uow: UnitOfWork, said: Sequence[Token]) -> list[bool | HubError]:
    """Store tokens as their eMSPs state them.

    Returns:
        For each whether anything changed, or Stale `OUT_OF_DATE` when the hub holds something later.
    """
    held = dict(uow.tokens.find_many({token.key for token in said}))
    changed: dict[TokenKey, Token] = {}
    answers: list[bool | HubError] = []
    for token in said:
        counts = changes_token(held.get(token.key), token)
        if counts:
            held[token.key] = changed[token.key] = token
            _record(uow, token)
        answers.append(_out_of_date() if counts is None else counts)
    uow.tokens.save(changed.values())
    return answers


def change_tokens(uow: UnitOfWork, changes: Sequence[TokenChange]) -> list[Token | HubError]:
    """Change stored tokens; answers each with the token that results, NotFound, Stale, or what `apply` raised."""
    held = dict(uow.tokens.find_many({change.key for change in changes}))
    changed: dict[TokenKey, Token] = {}
    answers: list[Token | HubError] = []
    for change in changes:
        token = held.get(change.key)
        if token is None:
            answers.append(token_not_found())
            continue
        try:
            after = change.apply(token.document)
        except HubError as refusal:
            answers.append(refusal)
            continue
        counts = changes_token(token, after)
        if counts:
            held[change.key] = changed[change.key] = after
            _record(uow, after)
        answers.append(_out_of_date() if counts is None else after)
    uow.tokens.save(changed.values())
    return answers


def get_token(uow: UnitOfWork, key: TokenKey) -> Token:
    """Return a token; raises NotFound."""
    token = uow.tokens.find_many([key]).get(key)
    if token is None:
        raise token_not_found()
    return token


def token_not_found() -> NotFound:
    """Return the one refusal for a token that is not there."""
    return NotFound("TOKEN_NOT_FOUND", "this eMSP has published no such token")


def _out_of_date() -> Stale:
    return Stale("OUT_OF_DATE", "the hub holds a later last_updated of this token")


def _record(uow: UnitOfWork, token: Token) -> None:
    key = token.key
    fact = Fact(
        kind=EntryKind.TOKEN, owner=key.emsp, subject=f"{key.type}/{key.uid}", body=token.document, private=True
    )
    uow.journal.append(Stream.REGISTRY, fact)

"""Answers to requests that carried a request id, stored in the transaction of their effect."""

from collections.abc import Sequence

from sqlalchemy import bindparam, select

from hub.store.session import Session
from hub.store.statements import SelectIn
from hub.store.tables.spine import IdempotencyRow
from hub.store.types import to_micros

_ROW = IdempotencyRow.__table__  # type: ignore[attr-defined]
_FIND = SelectIn(
    select(_ROW.c.request_id, _ROW.c.request_hash, _ROW.c.response).where(_ROW.c.platform == bindparam("platform_")),
    _ROW.c.request_id,
)


class StoredIdempotency:
    """Implements `hub.app.ports.uow.Idempotency`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._now = to_micros(session.now)

    def find(self, platform: str, request_ids: Sequence[str]) -> dict[str, tuple[bytes, bytes]]:
        """Return hash and response of those request ids that were answered before."""
        if not request_ids:
            return {}
        rows = _FIND.all(self._session.connection, request_ids, (platform,))
        return {request_id: (bytes(asked), bytes(response)) for request_id, asked, response in rows}

    def remember(self, platform: str, request_id: str, request_hash: bytes, response: bytes) -> None:
        """Record the answer."""
        self._session.insert(IdempotencyRow, (platform, request_id, request_hash, response, self._now))

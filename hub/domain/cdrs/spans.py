"""What a charge occupies: a token and an EVSE, from its start to its end.

Two charges overlap when they have more than a minute in common: clocks of stations differ, and a driver may plug in at
the next station before the first has closed its session. They are twins when they are one session sent under two ids.
Keys are hashes, so that what is kept for comparing holds no token.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from hub.domain.cdrs.record import Cdr
from hub.domain.ids import PartyId, fold, fold_uid

#: How long two charges may have in common, in microseconds.
TOLERANCE = 60_000_000
#: Of a span longer than this, in microseconds, only the end counts.
LENGTH_MAX = 256 * 86_400_000_000
#: Times before 1970 and after 2300 count as these, in microseconds: what holds spans numbers the days in few bits.
_EARLIEST, _LATEST = 0, 10_413_792_000_000_000
#: How far apart twins of one session id may start: with its time zone corrected it is the same session still, but some
#: CPOs use their ids again after a while.
_SESSION_NEAR = 12 * 3_600_000_000
#: How far apart twins without a session id may start; those without energy start at the same instant, as tries do not.
_FACTS_NEAR = 60_000_000
_E4 = 10_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Span(NamedTuple):
    """What one charge occupies.

    Attributes:
        cpo: Who submitted it.
        emsp: Whose token it is.
        token: Hash of the eMSP and the token's uid.
        evse: Hash of the CPO, the location and the EVSE.
        twin: Hash of the CPO and the session's id, or without one of token, EVSE and energy.
        start: In microseconds since 1970, as `end`.
        near: How far apart a twin may start, in microseconds.
    """

    cpo: PartyId
    emsp: PartyId
    token: int
    evse: int
    twin: int
    start: int
    end: int
    near: int

    @property
    def start_time(self) -> datetime:
        """When it began."""
        return _EPOCH + self.start * _MICROSECOND

    @property
    def names_session(self) -> bool:
        """Whether the charge names its session."""
        return self.near == _SESSION_NEAR

    @property
    def hashes(self) -> tuple[int, int, int]:
        """The three hashes by which others are found that have anything in common with it."""
        return self[2:5]

    @classmethod
    def of(cls, cdr: Cdr) -> "Span":
        """Return the span of a charge."""
        return span_of(
            cdr.id.party,
            cdr.emsp,
            token_uid=cdr.token_uid,
            evse=f"{cdr.location_id}\0{cdr.evse_uid}",
            session_id=cdr.session_id,
            energy=cdr.total_energy,
            start=(cdr.start_time - _EPOCH) // _MICROSECOND,
            end=(cdr.end_time - _EPOCH) // _MICROSECOND,
        )


def span_of(
    cpo: PartyId, emsp: PartyId, *, token_uid: str, evse: str, session_id: str, energy: Decimal, start: int, end: int
) -> Span:
    """Return the span of a charge by what its CDR says; `evse` is the location's id, a NUL and the EVSE's uid."""
    owner = f"{cpo.country_code}{cpo.party_id}\0"
    token = f"{emsp.country_code}{emsp.party_id}\0{fold_uid(token_uid)}"
    evse = owner + evse
    if session_id:
        twin, near = owner + session_id, _SESSION_NEAR
    else:
        tenthousandths = int(energy * _E4)
        twin, near = f"{token}\0{evse}\0{tenthousandths}", _FACTS_NEAR if tenthousandths else 0
    if start < _EARLIEST or end > _LATEST:
        start, end = min(max(start, _EARLIEST), _LATEST), min(max(end, _EARLIEST), _LATEST)
    if end - start > LENGTH_MAX:
        start = end - LENGTH_MAX
    # EVSEs come again and again; what is remembered of them is no driver's.
    return Span(cpo, emsp, _hash(token), _hash_again(evse), _hash(twin), start, end, near)


def _hash(text: str) -> int:
    """Return 8 bytes as a signed integer, which is what databases hold."""
    return int.from_bytes(blake2b(fold(text).encode(), digest_size=8).digest(), "big", signed=True)


_hash_again = lru_cache(maxsize=16_384)(_hash)


def overlap(one: Span, other: Span) -> bool:
    """Say whether the two have more than the tolerance in common in time."""
    return min(one.end, other.end) - max(one.start, other.start) > TOLERANCE


def twins(one: Span, other: Span) -> bool:
    """Say whether the two are one session, given that they share a token or an EVSE."""
    return one.twin == other.twin and abs(one.start - other.start) <= one.near

"""The public keys of meters: for which EVSE each is trusted, and for sessions of which time.

A registration is never removed and its validity never grows: a replaced meter's key is cut short, and stays good for
sessions of its time. Who could lengthen a validity, or take a registration back, could swap keys unseen.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256

from hub.domain.errors import Conflict, Precondition
from hub.domain.ids import PartyId, fold
from hub.domain.locations import EvseKey

#: An EVSE has one meter, seldom two; each key that is valid costs a verification per document.
KEYS_AT_ONCE_MAX = 4
#: Registrations of one EVSE, past ones too: a meter lasts for years.
KEYS_MAX = 100


class UnusableKey(ValueError):
    """A text is no public key that this hub verifies with; says why, and repeats nothing of the text.

    Attributes:
        field: Which of the two is at fault, `public_key` or `curve`.
    """

    def __init__(self, rule: str, field: str = "public_key") -> None:
        super().__init__(rule)
        self.field = field


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyMaterial:
    """A public key in the one form that it is kept in: SPKI DER, and the name of its curve."""

    curve: str
    spki: bytes

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the SPKI DER in hex: the same for a key however it was written."""
        return sha256(self.spki).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyClaim:
    """A key that a CPO wants registered; it is valid for sessions that start from `valid_from`, before `valid_until`.

    `location_id` and `evse_uid` are in the sender's spelling.
    """

    party: PartyId
    location_id: str
    evse_uid: str
    material: KeyMaterial
    valid_from: datetime
    valid_until: datetime | None = None

    @property
    def evse(self) -> EvseKey:
        """The key of the EVSE."""
        return EvseKey(self.party, fold(self.location_id), fold(self.evse_uid))


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterKey:
    """A registered key.

    Attributes:
        id: The registration's.
        registered: When the hub recorded it.
        revoked: When its validity was last cut short; None when it never was.
        reason: What the CPO said about that.
    """

    id: str
    claim: KeyClaim
    registered: datetime
    revoked: datetime | None = None
    reason: str = ""

    def is_valid(self, instant: datetime) -> bool:
        """Return whether the key is trusted for a session that starts at this instant."""
        until = self.claim.valid_until
        return self.claim.valid_from <= instant and (until is None or instant < until)

    def ended(self, end: datetime, now: datetime, reason: str) -> "MeterKey":
        """Return the key with its validity cut short; itself where it ends then anyway.

        Raises:
            Precondition: It ends before that.
        """
        end = max(end, self.claim.valid_from)
        until = self.claim.valid_until
        if until is not None and end > until:
            raise Precondition("METER_KEY_ENDED", "the key's validity ends before that, and is never extended")
        if end == until:
            return self
        return replace(self, claim=replace(self.claim, valid_until=end), revoked=now, reason=reason)


def register(claim: KeyClaim, known: Sequence[MeterKey], new_id: str, now: datetime) -> MeterKey:
    """Return the registration of a key: a new one, or the one that says the same already.

    Args:
        claim: What is to be registered.
        known: All registrations of its EVSE.
        new_id: For a new one.
        now: When it is recorded.

    Raises:
        Conflict: The key is registered with another validity that overlaps.
        Precondition: The EVSE has too many keys.
    """
    overlapping = [key for key in known if _overlap(key.claim, claim)]
    for key in known:
        same = key.claim.material.fingerprint == claim.material.fingerprint
        if same and (key.claim.valid_from, key.claim.valid_until) == (claim.valid_from, claim.valid_until):
            return key
        if same and key in overlapping:
            raise Conflict(
                "METER_KEY_CONFLICT",
                "the key is registered for this EVSE with another validity, which overlaps",
                registration=key.id,
            )
    if len(overlapping) >= KEYS_AT_ONCE_MAX:
        raise Precondition(
            "METER_KEYS_FULL",
            f"an EVSE has at most {KEYS_AT_ONCE_MAX} valid keys at once: revoke those of meters that are gone",
        )
    if len(known) >= KEYS_MAX:
        raise Precondition("METER_KEYS_FULL", f"an EVSE has at most {KEYS_MAX} keys on record")
    return MeterKey(id=new_id, claim=claim, registered=now)


def _overlap(one: KeyClaim, other: KeyClaim) -> bool:
    starts = max(one.valid_from, other.valid_from)
    ends = [until for until in (one.valid_until, other.valid_until) if until is not None]
    # A registration that was cut down to nothing overlaps with none.
    return all(starts < until for until in ends)

"""Signed meter values: verifying them, reading the keys to verify them with, and keeping those."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from hub.domain.ids import PartyId
from hub.domain.locations import EvseKey
from hub.domain.meter.keys import KeyMaterial, MeterKey
from hub.domain.meter.model import Entry, Verdict


class MeterVerifier(Protocol):
    """Says of signed meter documents whether their signatures hold and whether they may be billed."""

    def verify(self, documents: Sequence[Entry], trusted_keys: Sequence[str]) -> tuple[Verdict, ...]:
        """Return a verdict per document, in order.

        Args:
            documents: What `hub.domain.meter.documents` read.
            trusted_keys: Public keys that are trusted for these documents, such as those registered for the EVSE: hex
                or Base64, as SPKI DER or as the bare point. Without any, nothing is billable.

        Raises:
            Invalid: A trusted key is none.
        """
        ...


class MeterKeyReader(Protocol):
    """Reads the public keys of meters in the many forms that they come in."""

    def __call__(self, text: str, curve: str) -> KeyMaterial:
        """Return the key that a text is.

        Args:
            text: Hex or Base64, with white space anywhere.
            curve: The name of its curve; empty where the key itself says it.

        Raises:
            UnusableKey: It is none, or none that this hub verifies with.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterKeyFilter:
    """Which keys to list: folded ids narrow to a location and an EVSE, empty ones to nothing."""

    location: str = ""
    evse: str = ""
    valid_at: datetime | None = None


class MeterKeys(Protocol):
    """Registered keys. They are added, their validity may be cut short, and they are never removed."""

    def of_evses(self, evses: Collection[EvseKey]) -> dict[EvseKey, list[MeterKey]]:
        """Return all registrations of these EVSEs, past ones too, by EVSE and in order, in one query."""
        ...

    def get(self, party: PartyId, key_id: str) -> MeterKey | None:
        """Return one registration."""
        ...

    def add(self, key: MeterKey) -> None:
        """Record a new registration."""
        ...

    def end(self, key: MeterKey) -> None:
        """Record that the validity of a registration was cut short."""
        ...

    def page(self, party: PartyId, wanted: MeterKeyFilter, *, after: str, limit: int) -> Sequence[MeterKey]:
        """Return one owner's registrations with a greater id, in that order, at most `limit`."""
        ...

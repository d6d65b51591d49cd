"""Storage of tariffs, every version of them."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Protocol

from hub.domain.ids import ObjectId, PartyId
from hub.domain.tariffs import HeldTariff, TariffRecord, TariffVersion


class Tariffs(Protocol):
    """Tariffs by owner and id. Versions are added and never changed."""

    def held(self, ids: Iterable[ObjectId]) -> dict[ObjectId, HeldTariff]:
        """Return what new versions are compared with, of those that are on record, the removed ones too."""
        ...

    def add(self, versions: Sequence[TariffVersion]) -> None:
        """Record versions, each in force after all that are on record of its tariff; the last one is the newest."""
        ...

    def records(self, ids: Iterable[ObjectId]) -> dict[ObjectId, TariffRecord]:
        """Return the newest version of those that are on record and not removed."""
        ...

    def page(self, owner: PartyId, *, after: str, updated_since: datetime | None, limit: int) -> Sequence[TariffRecord]:
        """Return one owner's tariffs with a greater folded id that are not removed, in that order, at most `limit`.

        Args:
            owner: Whose tariffs.
            after: Only those with a greater folded id; "" for all.
            updated_since: Only those whose `last_updated` is this time or later.
            limit: How many at most.
        """
        ...

    def as_known(self, ids: Iterable[ObjectId], instant: datetime, known: datetime) -> dict[ObjectId, TariffRecord]:
        """Return the versions in force at an instant, by what the hub had recorded by another, that one included."""
        ...

    def told(
        self, wanted: Collection[tuple[ObjectId, datetime, datetime]]
    ) -> dict[tuple[ObjectId, datetime, datetime], TariffRecord]:
        """Return `as_known` for each tariff, instant and time of knowing, in one query."""
        ...

    def as_of(self, wanted: Collection[tuple[ObjectId, datetime]]) -> dict[tuple[ObjectId, datetime], TariffRecord]:
        """Return, in one query, the version of each tariff that was in force at each instant, where there was one."""
        ...

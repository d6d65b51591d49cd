"""The tariffs that CDRs or else their connectors name, as published when the sessions began."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from hub.app.cdrs.offers import Offers
from hub.app.ports.uow import UnitOfWork
from hub.domain.cdrs.record import Cdr
from hub.domain.ids import ObjectId, PartyId
from hub.domain.tariffs import GivenTariff, HeldTariff

_KEPT = 4_096
_NONE: Mapping[str, GivenTariff] = {}

#: A tariff of a party, by its folded id.
_Key = tuple[PartyId, str]


class _Version(NamedTuple):
    """A version of a tariff: since when it is in force, and when the hub learned of it."""

    valid_from: datetime
    recorded: datetime
    tariff: GivenTariff


class TariffReader:
    """Reads stored tariffs, and remembers those that are in force by the digest of their message.

    A digest stands for content, so what is remembered is right in every transaction and for every database.
    """

    def __init__(self, read: Callable[[bytes], GivenTariff]) -> None:
        self.read = read
        self._known: dict[bytes, GivenTariff] = {}

    def known(self, digest: bytes) -> GivenTariff | None:
        """Return the tariff whose message has this digest, if it was read before."""
        return self._known.get(digest)

    def remember(self, digest: bytes, document: bytes) -> GivenTariff:
        """Read a tariff."""
        if len(self._known) >= _KEPT:
            # The oldest half goes; what is in use comes back with the next CDR.
            for old in list(self._known)[: _KEPT // 2]:
                self._known.pop(old, None)
        tariff = self._known[digest] = self.read(document)
        return tariff


class PublishedTariffs:
    """What was published when the sessions of a group of CDRs began.

    One query asks which versions are in force; nearly always those are known by their digest, and began before the
    sessions did. Only for the rest a second one reads the versions themselves.
    """

    def __init__(self, uow: UnitOfWork, cdrs: Sequence[Cdr], offers: Offers, reader: TariffReader) -> None:
        self._offers = offers
        wanted = {(cdr.id.party, folded) for cdr in cdrs for folded in offers.tariff_ids(cdr)}
        self._keys: dict[_Key, ObjectId] = {key: ObjectId(*key) for key in wanted}
        self._heads = uow.tariffs.held(self._keys.values()) if wanted else {}
        self._current: dict[_Key, _Version | None] = {
            key: self._in_force(uow, identity, reader) for key, identity in self._keys.items()
        }
        self._past = self._read_past(uow, cdrs, reader)
        self._backdated = self._find_backdated(uow, cdrs, reader) if wanted else {}

    def backdated(self, cdr: Cdr) -> frozenset[str]:
        """Return the folded ids of those tariffs that priced a CDR's session in another way until it had ended."""
        return self._backdated.get(id(cdr), frozenset())

    def of(self, cdr: Cdr) -> Mapping[str, GivenTariff]:
        """Return those that a CDR names, or where it names none its connector, by folded id in their order."""
        named = self._offers.tariff_ids(cdr)
        if not named:
            return _NONE
        found = {}
        for folded in named:
            version = self._at(cdr, folded)
            if version is not None:
                found[folded] = version.tariff
        return found

    def _at(self, cdr: Cdr, folded: str) -> _Version | None:
        current = self._current[cdr.id.party, folded]
        if current is not None and current.valid_from <= cdr.start_time:
            return current
        return self._past.get((cdr.id.party, folded, cdr.start_time))

    def _in_force(self, uow: UnitOfWork, identity: ObjectId, reader: TariffReader) -> _Version | None:
        """Return the newest version; None without one, or where it is the end."""
        head: HeldTariff | None = self._heads.get(identity)
        if head is None or head.removed:
            return None
        tariff = reader.known(head.digest)
        if tariff is None:
            record = uow.tariffs.records([identity]).get(identity)
            if record is None:
                return None
            tariff = reader.remember(head.digest, record.document)
        assert head.recorded is not None, "it is on record"
        return _Version(head.valid_from, head.recorded, tariff)

    def _read_past(
        self, uow: UnitOfWork, cdrs: Sequence[Cdr], reader: TariffReader
    ) -> dict[tuple[PartyId, str, datetime], _Version]:
        """Read the versions that were in force before the newest ones."""
        wanted = set()
        for cdr in cdrs:
            for folded in self._offers.tariff_ids(cdr):
                key = cdr.id.party, folded
                current = self._current[key]
                if self._keys[key] in self._heads and (current is None or cdr.start_time < current.valid_from):
                    wanted.add((self._keys[key], cdr.start_time))
        return {
            (identity.party, identity.folded, start): _Version(
                record.valid_from, record.recorded, reader.read(record.document)
            )
            for (identity, start), record in (uow.tariffs.as_of(wanted) if wanted else {}).items()
        }

    def _find_backdated(self, uow: UnitOfWork, cdrs: Sequence[Cdr], reader: TariffReader) -> dict[int, frozenset[str]]:
        """Compare what was recorded after a session with what the hub had been told by its end; nearly always nothing.

        A version counts from when its CPO says that it does. So the price of a session could be changed after it.
        """
        late = [
            (cdr, folded, version)
            for cdr in cdrs
            for folded in self._offers.tariff_ids(cdr)
            if (version := self._at(cdr, folded)) is not None and version.recorded > cdr.end_time
        ]
        asked = {(self._keys[cdr.id.party, folded], cdr.start_time, cdr.end_time) for cdr, folded, _ in late}
        told = uow.tariffs.told(asked) if asked else {}
        found: dict[int, set[str]] = {}
        for cdr, folded, version in late:
            before = told.get((self._keys[cdr.id.party, folded], cdr.start_time, cdr.end_time))
            if before is not None and reader.read(before.document).tariff != version.tariff.tariff:
                found.setdefault(id(cdr), set()).add(folded)
        return {each: frozenset(ids) for each, ids in found.items()}

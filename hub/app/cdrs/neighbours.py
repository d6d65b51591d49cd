"""What the charges of one group share with accepted ones: those on record, and those of the group itself.

What is on record is asked for once, for all of the group. A charge that a credit of the group names is left out of that
and counts, until the credit is accepted, as if the group had brought it.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

from hub.app.ports.spans import Occupied, Shared
from hub.app.ports.uow import UnitOfWork
from hub.domain.cdrs.checks import KnownNeighbours
from hub.domain.cdrs.record import Cdr
from hub.domain.cdrs.spans import Span, overlap, twins
from hub.domain.ids import ObjectId


class _Charge(NamedTuple):
    id: ObjectId
    occupied: Occupied

    def name_for(self, span: Span) -> str:
        """Return its id, or nothing when it is not between the same two parties."""
        mine = self.occupied.span
        return self.id.id if mine.cpo == span.cpo and mine.emsp == span.emsp else ""


class Neighbours:
    """The answers for one group, and what its decisions change about them."""

    def __init__(self, uow: UnitOfWork, charges: Iterable[Cdr], credited: Collection[ObjectId]) -> None:
        """Look everything up.

        Args:
            uow: The unit of work.
            charges: The charges of the group that are not on record. They are told apart as objects: of two with one
                id, the second is refused.
            credited: The charges that credits of the group name and that have not been credited.
        """
        self._spans_on_record = uow.spans
        self._spans = {id(cdr): Span.of(cdr) for cdr in charges}
        self._added: dict[ObjectId, Occupied] = {}
        self._removed: list[Occupied] = []
        #: Charges by the hash of their token, of their EVSE and of what tells twins; then by journal index.
        self._by_hash: defaultdict[int, dict[int, _Charge]] = defaultdict(dict)
        self._in_common = _in_common(self._spans.values())
        self._lifted = {key: _Charge(key, found) for key, found in uow.spans.of(credited).items()} if credited else {}
        for charge in self._lifted.values():
            self._enter(charge)
        apart_from = frozenset(charge.occupied.idx for charge in self._lifted.values())
        self._on_record = self._named(uow.spans.neighbours(list(self._spans.values()), apart_from))

    def _named(self, found: Mapping[int, Shared]) -> dict[int, KnownNeighbours]:
        """Return what was found by charge, with ids for journal indexes."""
        if not found:
            return {}
        charges = list(self._spans.items())
        indexes: defaultdict[tuple[object, object], set[int]] = defaultdict(set)
        for place, shared in found.items():
            span = charges[place][1]
            indexes[span.cpo, span.emsp].update(index for index in shared if index is not None)
        names: dict[tuple[object, object], Mapping[int, str]] = {}
        for place in found:
            span = charges[place][1]
            pair = span.cpo, span.emsp
            if pair not in names:
                names[pair] = self._spans_on_record.names(span.cpo, span.emsp, indexes[pair])
        made = {}
        for place, shared in found.items():
            key, span = charges[place]
            made[key] = by_name(shared, names[span.cpo, span.emsp])
        return made

    def about(self, cdr: Cdr) -> KnownNeighbours | None:
        """Return what a charge shares with accepted ones, or None."""
        span, found = self._spans[id(cdr)], self._on_record.get(id(cdr))
        of_token, of_evse = self._by_hash.get(span.token), self._by_hash.get(span.evse)
        if not (of_token or of_evse):
            return found
        token, evse, twin = found or (None, None, None)
        if token is None and of_token:
            token = _first(of_token, overlap, span)
        if evse is None and of_evse:
            evse = _first(of_evse, overlap, span)
        if twin is None and span.twin in self._by_hash:
            twin = _first(self._by_hash[span.twin], _twins, span)
        return None if token is evse is twin is None else KnownNeighbours(token, evse, twin)

    def accepted(self, cdr: Cdr, index: int) -> None:
        """Take in that a charge was accepted."""
        span = self._spans[id(cdr)]
        occupied = self._added[cdr.id] = Occupied(span, index)
        if not self._in_common.isdisjoint(span.hashes):
            self._enter(_Charge(cdr.id, occupied))

    def credited(self, charge: ObjectId) -> None:
        """Take in that a charge was credited."""
        occupied = self._added.pop(charge, None)
        if occupied is None:
            lifted = self._lifted.get(charge)
            if lifted is None:
                return
            occupied = lifted.occupied
            self._removed.append(occupied)
        span, index = occupied
        for key in span.hashes:
            self._by_hash[key].pop(index, None)

    def _enter(self, charge: _Charge) -> None:
        span, index = charge.occupied
        for key in span.hashes:
            self._by_hash[key][index] = charge

    def record(self) -> None:
        """Record what the group has changed."""
        self._spans_on_record.add(self._added.values())
        if self._removed:
            self._spans_on_record.remove(self._removed)


def by_name(shared: Shared, names: Mapping[int, str]) -> KnownNeighbours:
    """Return what a charge shares with charges, which are known by index, with ids; empty for other parties' ones."""
    return KnownNeighbours(*(None if index is None else names.get(index, "") for index in shared))


def _in_common(spans: Iterable[Span]) -> set[int]:
    """Return the hashes that more than one of the group's charges have: of most charges none."""
    seen: set[int] = set()
    common: set[int] = set()
    for span in spans:
        hashes = span.hashes
        common.update(seen.intersection(hashes))
        seen.update(hashes)
    return common


def _first(charges: Mapping[int, _Charge], meets: Callable[[Span, Span], bool], span: Span) -> str | None:
    """Return the name of any one charge that a span meets; None where there is none."""
    return next((charge.name_for(span) for charge in charges.values() if meets(span, charge.occupied.span)), None)


def _twins(one: Span, other: Span) -> bool:
    return (one.token == other.token or one.evse == other.evse) and twins(one, other)

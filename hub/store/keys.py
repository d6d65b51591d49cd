"""Turning the field's keys into those of our tables."""

from collections.abc import Iterable, Iterator

from hub.app.directory import Directory
from hub.domain.ids import ObjectId, PartyId


def by_party(ids: Iterable[ObjectId], directory: Directory) -> Iterator[tuple[PartyId, int, list[str]]]:
    """Group keys by their owner: its id, its number and the folded ids. Owners that do not take part are left out."""
    grouped: dict[PartyId, list[str]] = {}
    for key in ids:
        grouped.setdefault(key.party, []).append(key.folded)
    for party, folded in grouped.items():
        known = directory.parties.get(party)
        if known is not None:
            yield party, known.number, folded

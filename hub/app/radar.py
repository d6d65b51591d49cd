"""Listing and counting what is missing, for the two parties it concerns and for operators."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from hub.app.ports.radar import FIRST, Beat, Key, Lane, Window
from hub.app.ports.uow import UnitOfWork
from hub.domain.agreements import Agreement
from hub.domain.errors import NotFound
from hub.domain.ids import PartyId
from hub.domain.parties import Caller
from hub.domain.radar import AGE_MIN, Gap, GapKind, Loose, LooseSession, SilentSession, assess, horizon


@dataclass(frozen=True, slots=True, kw_only=True)
class GapFilter:
    """Which gaps; None means any.

    Attributes:
        agreement: Resource name of the agreement between the two parties.
        party: On either side.
        counterparty: On the other side; only with `party`.
        kinds: Empty for all.
        older_than: How old a gap must be; None for a day.
        start: The first instant: of an authorization, of a session's end or last report, of a CDR's receipt; None for
            as far back as a CDR may still come for, and a month more.
        end: Before this instant; None for now.
    """

    agreement: str | None = None
    party: PartyId | None = None
    counterparty: PartyId | None = None
    kinds: frozenset[GapKind] = frozenset()
    older_than: timedelta | None = None
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page goes on: in a lane and a beat (its parties' numbers, 0 for all), behind a loose end."""

    lane: int
    beat: tuple[int, int]
    key: Key


@dataclass(frozen=True, slots=True)
class FoundGap:
    """A gap, the agreement it falls under (empty when there is none any more), and where the next page would go on."""

    gap: Gap
    agreement: str
    place: Place


@dataclass(frozen=True, slots=True)
class GapCount:
    """How many gaps of a kind there are, and since when the oldest has been one."""

    kind: GapKind
    count: int
    oldest: datetime | None


def list_gaps(
    uow: UnitOfWork, caller: Caller, wanted: GapFilter, after: Place | None, limit: int
) -> Sequence[FoundGap]:
    """Return gaps in order, those behind a place; every gap stands in exactly one page.

    Raises:
        NotFound: There is no such agreement, or it is not the caller's.
    """
    look = _Look.of(uow, caller, wanted)
    found: list[FoundGap] = []
    for lane in _lanes(wanted):
        for number in look.beats:
            place = Place(lane, number, FIRST)
            if after is not None and (lane, number) <= (after.lane, after.beat):
                if (lane, number) < (after.lane, after.beat):
                    continue
                place = after
            found += look.gaps(place, limit - len(found))
            if len(found) >= limit:
                return found
    return found


def count_gaps(uow: UnitOfWork, caller: Caller, wanted: GapFilter) -> Sequence[GapCount]:
    """Return a count for each kind that is asked for, those without gaps too; raises as `list_gaps`."""
    look = _Look.of(uow, caller, wanted)
    counts = {kind: GapCount(kind, 0, None) for kind in GapKind if not wanted.kinds or kind in wanted.kinds}
    for lane in _lanes(wanted):
        for beat in look.beats.values():
            number, oldest = look.count(lane, beat)
            known = counts[lane.kind]
            instants = [each for each in (known.oldest, oldest) if each is not None]
            counts[lane.kind] = GapCount(lane.kind, known.count + number, min(instants, default=None))
    return list(counts.values())


@dataclass(frozen=True, slots=True)
class _Look:
    """One look at the radar: whose loose ends, by the numbers of their parties and in that order, and from when."""

    uow: UnitOfWork
    beats: Mapping[tuple[int, int], Beat]
    window: Window

    @classmethod
    def of(cls, uow: UnitOfWork, caller: Caller, wanted: GapFilter) -> "_Look":
        beats = _beats(uow, caller, wanted)
        return cls(uow, beats, _window(uow, wanted, list(beats.values())))

    def gaps(self, place: Place, limit: int) -> list[FoundGap]:
        """Return gaps of one lane and beat, those behind the place."""
        beat, key = self.beats[place.beat], place.key
        twice = {each.cpo for each in self._overlaps(beat)}
        found: list[FoundGap] = []
        while len(found) < limit:
            rows = self.uow.radar.loose(Lane(place.lane), beat, self.window, key, limit)
            if not rows:
                break
            key = rows[-1][0]
            found += [self._gap(loose, replace(place, key=each)) for each, loose in rows if loose.cpo not in twice]
        return found[:limit]

    def count(self, lane: Lane, beat: Beat) -> tuple[int, datetime | None]:
        """Return how many gaps a lane has in a beat, and the instant of the oldest."""
        number, oldest = self.uow.radar.count(lane, beat, self.window)
        for twice in self._overlaps(beat) if number else ():
            number -= self.uow.radar.count(lane, twice, self.window)[0]
        return number, oldest

    def _overlaps(self, beat: Beat) -> list[Beat]:
        """Return the parts of an eMSP's beat that those of CPOs hold already: a platform may operate both."""
        if beat.cpo is not None:
            return []
        cpos = [each.cpo for each in self.beats.values() if each.cpo is not None and each.emsp is None]
        return [Beat(cpo=cpo, emsp=beat.emsp) for cpo in cpos]

    def _gap(self, loose: Loose, place: Place) -> FoundGap:
        agreement = _agreement(self.uow, loose)
        age_max = None if agreement is None else agreement.terms.cdr_age_max
        return FoundGap(assess(loose, self.uow.now, age_max), "" if agreement is None else agreement.name, place)


def _agreement(uow: UnitOfWork, loose: Loose) -> Agreement | None:
    """Return the agreement that a loose end falls under, or else the one that says how the two stand."""
    pair = loose.cpo, loose.emsp
    instant = loose.start_time if isinstance(loose, LooseSession | SilentSession) else loose.recorded_time
    directory = uow.directory
    return directory.agreement_covering(*pair, instant) or directory.standing.get(pair) or directory.over.get(pair)


def _lanes(wanted: GapFilter) -> list[Lane]:
    return [lane for lane in Lane if not wanted.kinds or lane.kind in wanted.kinds]


def _window(uow: UnitOfWork, wanted: GapFilter, beats: Sequence[Beat]) -> Window:
    latest = uow.now - (AGE_MIN if wanted.older_than is None else wanted.older_than)
    end = latest if wanted.end is None else min(latest, wanted.end)
    start = wanted.start
    if start is None:
        cpos, emsps = {beat.cpo for beat in beats}, {beat.emsp for beat in beats}
        known = (*uow.directory.standing.values(), *uow.directory.over.values())
        start = uow.now - horizon(a.terms.cdr_age_max for a in known if a.cpo in cpos or a.emsp in emsps)
    return Window(max(start, _EARLIEST), max(end, _EARLIEST))


#: Nothing is older; times of the journal and of references cannot say what is.
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)


def _beats(uow: UnitOfWork, caller: Caller, wanted: GapFilter) -> Mapping[tuple[int, int], Beat]:
    """Return whose loose ends the caller may see of those it asks for, in order, each with its parties' numbers."""
    parties = uow.directory.parties
    pairs = _pairs(uow, caller, wanted)
    numbered: dict[tuple[int, int], Beat] = {
        (parties[cpo].number if cpo else 0, parties[emsp].number if emsp else 0): Beat(cpo=cpo, emsp=emsp)
        for cpo, emsp in pairs
        if (cpo is None or cpo in parties) and (emsp is None or emsp in parties)
    }
    return dict(sorted(numbered.items()))


def _pairs(uow: UnitOfWork, caller: Caller, wanted: GapFilter) -> list[tuple[PartyId | None, PartyId | None]]:
    own = None if caller.operator else set(caller.parties)
    pairs: list[tuple[PartyId | None, PartyId | None]]
    if wanted.agreement is not None:
        pair = _pair(uow, wanted.agreement)
        if own is not None and own.isdisjoint(pair):
            raise _no_agreement()
        pairs = [pair]
        if wanted.party is not None and wanted.party not in pair:
            return []
        if wanted.counterparty is not None and wanted.counterparty not in pair:
            return []
        return pairs
    one, other = wanted.party, wanted.counterparty
    if one is None:
        if own is None:
            return [(party, None) for party in uow.directory.parties]
        return [pair for party in own for pair in ((party, None), (None, party))]
    if other is not None:
        seen = own is None or not own.isdisjoint({one, other})
        return [(one, other), (other, one)] if seen else []
    if own is None or one in own:
        return [(one, None), (None, one)]
    return [pair for party in own for pair in ((party, one), (one, party))]


def _pair(uow: UnitOfWork, name: str) -> tuple[PartyId, PartyId]:
    for versions in (uow.directory.standing, uow.directory.over):
        for agreement in versions.values():
            if agreement.name == name:
                return agreement.pair
    raise _no_agreement()


def _no_agreement() -> NotFound:
    return NotFound("AGREEMENT_NOT_FOUND", "there is no such agreement of the caller's")

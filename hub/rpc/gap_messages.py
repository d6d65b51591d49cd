"""Gaps on the wire: which are asked for, and what is said of each."""

from collections.abc import Sequence
from datetime import timedelta
from enum import IntEnum
from typing import Any

from google.protobuf.duration_pb2 import Duration
from roamhub.v1 import clearing_pb2 as pb

from hub.app.ports.radar import Key, Lane
from hub.app.radar import FoundGap, GapCount, GapFilter, Place
from hub.domain.errors import Invalid, invalid
from hub.domain.radar import GapKind
from hub.rpc.clearing_messages import parent_agreement
from hub.rpc.paging import Page
from hub.rpc.wire import Reader, party_to_pb, time_to_pb

_KINDS = {int(kind): kind for kind in GapKind}
_DAYS_MAX = 3_660


def read_gap_filter(parent: str, given: pb.GapFilter) -> GapFilter:
    """Read which gaps are asked for.

    Raises:
        Invalid: A field breaks a rule.
    """
    agreement = parent_agreement(parent)
    reader = Reader("filter")
    party = counterparty = older_than = None
    if given.HasField("party"):
        party = reader.party("party", given.party.country_code, given.party.party_id)
    if given.HasField("counterparty"):
        counterparty = reader.party("counterparty", given.counterparty.country_code, given.counterparty.party_id)
        if party is None:
            reader.refuse("counterparty", "may be given with party only")
    if given.HasField("older_than"):
        older_than = _read_age(reader, given.older_than)
    kinds = frozenset(
        reader.one_of(f"kinds[{position}]", kind, _KINDS, GapKind.SESSION_WITHOUT_CDR)
        for position, kind in enumerate(given.kinds[: len(_KINDS) + 1])
    )
    if len(given.kinds) > len(_KINDS):
        reader.refuse("kinds", "must name each kind once")
    start = reader.optional_time("since_time_from", given)
    end = reader.optional_time("since_time_before", given)
    reader.done()
    return GapFilter(
        agreement=agreement,
        party=party,
        counterparty=counterparty,
        kinds=kinds,
        older_than=older_than,
        start=start,
        end=end,
    )


def _read_age(reader: Reader, given: Duration) -> timedelta:
    if not 0 <= given.seconds <= _DAYS_MAX * 86_400 or not 0 <= given.nanos < 1_000_000_000:
        reader.refuse("older_than", f"must be between 0 seconds and {_DAYS_MAX} days")
        return timedelta(0)
    return timedelta(seconds=given.seconds, microseconds=given.nanos // 1_000)


def read_place(page: Page) -> Place | None:
    """Return where a page goes on; raises Invalid for a token that is none of ours."""
    key = page.key(int, int, int, int, int, str)
    if key is None:
        return None
    lane, cpo, emsp, order, number, name = key
    return Place(_lane(lane), (cpo, emsp), Key(order, number, name))


def _lane(number: int) -> int:
    try:
        return Lane(number)
    except ValueError:
        raise _not_ours() from None


def _not_ours() -> Invalid:
    return invalid("page_token", "must be one that this hub returned")


def gap_token(page: Page, last: FoundGap) -> str:
    """Return the token of the page after this gap."""
    place = last.place
    return page.next_token(int(place.lane), *place.beat, *place.key)


def gap_to_pb(found: FoundGap) -> pb.Gap:
    """Return the message of a gap."""
    gap = found.gap
    made = pb.Gap(
        kind=_value(gap.kind),
        reason=_value(gap.reason),
        level=_value(gap.level),
        cpo=party_to_pb(gap.cpo),
        emsp=party_to_pb(gap.emsp),
        agreement=found.agreement,
        authorization_reference=gap.authorization_reference,
        session_id=gap.session_id,
        cdr_id=gap.cdr_id,
        since_time=time_to_pb(gap.since),
        age=Duration(seconds=gap.age // timedelta(seconds=1)),
        responsible=party_to_pb(gap.responsible),
        hint=gap.hint,
    )
    if gap.deadline is not None:
        made.deadline_time.CopyFrom(time_to_pb(gap.deadline))
    return made


def summary_to_pb(counts: Sequence[GapCount]) -> pb.SummarizeGapsResponse:
    """Return the message of counts."""
    made = pb.SummarizeGapsResponse()
    for count in counts:
        kind = made.kinds.add(kind=_value(count.kind), gap_count=count.count)
        if count.oldest is not None:
            kind.oldest_time.CopyFrom(time_to_pb(count.oldest))
    return made


def _value(member: IntEnum) -> Any:  # noqa: ANN401 - each generated enum has a type of its own
    return int(member)

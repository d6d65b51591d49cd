"""Taking in what EVSEs do now: the most frequent message of all."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hub.app.ports.uow import UnitOfWork
from hub.domain.errors import HubError, NotFound
from hub.domain.ids import PartyId
from hub.domain.journal import EntryKind, Fact, Stream
from hub.domain.locations import StateAt, out_of_date


@dataclass(frozen=True, slots=True, kw_only=True)
class StatesReport:
    """What some EVSEs of one CPO do.

    Attributes:
        owner: The CPO.
        states: By the folded ids of location and EVSE, in the order in which they are reported.
        body: Returns the message that states those at these positions, for the journal.
    """

    owner: PartyId
    states: Sequence[tuple[tuple[str, str], StateAt]]
    body: Callable[[Sequence[int]], bytes]


def update_evse_states(uow: UnitOfWork, reports: Sequence[StatesReport]) -> list[Sequence[bool | HubError]]:
    """Write what changed and record one fact for each report that changed anything.

    Returns:
        For each report, for each of its states, whether anything changed, or NotFound or Stale.
    """
    wanted: dict[PartyId, set[tuple[str, str]]] = defaultdict(set)
    for report in reports:
        wanted[report.owner].update(key for key, _ in report.states)
    known = {owner: uow.locations.states(owner, keys) for owner, keys in wanted.items()}
    changed: dict[PartyId, dict[tuple[str, str], StateAt]] = {owner: {} for owner in wanted}
    answers: list[Sequence[bool | HubError]] = []
    for report in reports:
        outcomes = _compare(report, known[report.owner], changed[report.owner])
        applied = [position for position, outcome in enumerate(outcomes) if outcome is True]
        if applied:
            fact = Fact(kind=EntryKind.EVSE_STATES, owner=report.owner, subject="", body=report.body(applied))
            uow.journal.append(Stream.REGISTRY, fact)
        answers.append(outcomes)
    for owner, states in changed.items():
        uow.locations.set_states(owner, states)
    return answers


def _compare(
    report: StatesReport, known: dict[tuple[str, str], StateAt], changed: dict[tuple[str, str], StateAt]
) -> list[bool | HubError]:
    outcomes: list[bool | HubError] = []
    for key, said in report.states:
        held = known.get(key)
        if held is None:
            outcomes.append(NotFound("EVSE_NOT_FOUND", "there is no such EVSE"))
        elif said.last_updated < held.last_updated:
            outcomes.append(out_of_date())
        elif said == held:
            outcomes.append(False)
        else:
            known[key] = changed[key] = said
            outcomes.append(True)
    return outcomes

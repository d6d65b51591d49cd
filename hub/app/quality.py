"""How good what a party reports is, for itself, for operators, and for those that roam with it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.app.ports.answers import Answered
from hub.app.ports.radar import Beat, Lane, Window
from hub.app.ports.uow import UnitOfWork
from hub.domain.cdrs.record import CdrState
from hub.domain.errors import NotFound, invalid
from hub.domain.ids import PartyId
from hub.domain.parties import Caller
from hub.domain.quality import Figures
from hub.domain.radar import AGE_MIN

#: How many days are looked at unless the request says.
DAYS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyQuality:
    """The figures of a party, of all it does or of what it does with one counterparty, from `start` to `end`."""

    party: PartyId
    counterparty: PartyId | None
    start: datetime
    end: datetime
    figures: Figures


def party_quality(
    uow: UnitOfWork, caller: Caller, party: PartyId, counterparty: PartyId | None, days: int
) -> PartyQuality:
    """Return the figures of the last days.

    Raises:
        NotFound: There is no such party, or it is not the caller's and has no agreement in force with it.
        Invalid: The caller must say which of its parties it asks for.
    """
    other = _counterparty(uow, caller, party, counterparty)
    # What was recorded this very instant belongs to it.
    window = Window(uow.now - timedelta(days=days), uow.now + timedelta(microseconds=1))
    return PartyQuality(
        party=party,
        counterparty=other,
        start=window.start,
        end=uow.now,
        figures=_figures(uow, party, other, window),
    )


def _counterparty(uow: UnitOfWork, caller: Caller, party: PartyId, wanted: PartyId | None) -> PartyId | None:
    """Return with whom the party's doings are looked at: with all (None) by itself and operators only."""
    parties = uow.directory.parties
    if party not in parties:
        raise _not_found()
    if caller.operator or party in caller.parties:
        if wanted is not None and wanted not in parties:
            raise _not_found()
        return wanted
    roaming = sorted(uow.directory.roaming.get(party, frozenset()) & set(caller.parties))
    if wanted is not None:
        if wanted not in roaming:
            raise _not_found()
        return wanted
    if not roaming:
        raise _not_found()
    if len(roaming) > 1:
        raise invalid("counterparty", "is required: several of the caller's parties roam with this one")
    return roaming[0]


def _not_found() -> NotFound:
    return NotFound("QUALITY_NOT_FOUND", "there is no such party, or none that roams with the caller's")


def _figures(uow: UnitOfWork, party: PartyId, other: PartyId | None, window: Window) -> Figures:
    beat = Beat(cpo=party, emsp=other)
    cdrs = uow.quality.cdrs(beat, window)
    held = cdrs.held
    # What ended or was answered a moment ago is nobody's fault yet.
    ripe = Window(window.start, window.end - AGE_MIN)
    gaps = {lane: uow.radar.count(lane, beat, ripe)[0] for lane in Lane}
    # Of what is relayed only sums are kept, and not for whom.
    today = uow.now.date()
    relayed = Answered(0, 0) if other else uow.answers.total(party, window.start.date() + timedelta(days=1), today)
    return Figures(
        charges=cdrs.at_once + sum(held.values()),
        accepted_at_once=cdrs.at_once,
        warned=cdrs.warned,
        accepted_later=held.get(CdrState.ACCEPTED, 0),
        returned=held.get(CdrState.RETURNED, 0),
        quarantined=held.get(CdrState.QUARANTINED, 0),
        resubmitted=held.get(CdrState.RESUBMITTED, 0),
        withdrawn=held.get(CdrState.WITHDRAWN, 0),
        credits=cdrs.credits,
        checks=cdrs.checks,
        lateness=cdrs.lateness,
        sessions=uow.radar.ended_sessions(beat, ripe),
        sessions_open=gaps[Lane.ENDED_SESSIONS],
        cdrs_open=gaps[Lane.CDRS],
        authorizations_open=gaps[Lane.AUTHORIZATIONS] + gaps[Lane.COMMANDED_AUTHORIZATIONS],
        asked=relayed.asked,
        answered=relayed.answered,
    )

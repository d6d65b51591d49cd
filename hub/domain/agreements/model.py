"""Agreements between one CPO and one eMSP: what they roam on, and how what comes of it is checked and settled.

An agreement is versioned. Version 1 is proposed by one side and accepted by the other; an amendment is a further
version that both must accept while the one before stays in force. Terms never change within a version. At any time a
pair of parties has at most one version in force (ACTIVE or SUSPENDED) and at most one on its way (PROPOSED or
ACCEPTED).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from hashlib import sha256

from hub.domain.ids import PartyId

#: The pair that an agreement binds: the CPO, then the eMSP.
Pair = tuple[PartyId, PartyId]


class AgreementState(StrEnum):
    """Where one version of an agreement stands.

    PROPOSED waits for the other side, ACCEPTED for its start; ACTIVE and SUSPENDED are in force; DECLINED,
    TERMINATED and SUPERSEDED are over for good.
    """

    PROPOSED = "PROPOSED"
    ACCEPTED = "ACCEPTED"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    DECLINED = "DECLINED"
    TERMINATED = "TERMINATED"
    SUPERSEDED = "SUPERSEDED"


class Service(StrEnum):
    """What the parties do for each other's drivers."""

    ROAMING = "ROAMING"  # authorizations, sessions and CDRs
    REMOTE = "REMOTE"  # the commands start, stop and unlock
    RESERVATION = "RESERVATION"  # the commands reserve and cancel
    CHARGING_PROFILE = "CHARGING_PROFILE"  # smart charging


class Cycle(StrEnum):
    """How long a settlement period is; its boundaries are civil ones of the agreement's time zone."""

    HOURLY = "HOURLY"
    DAILY = "DAILY"
    WEEKLY = "WEEKLY"
    MONTHLY = "MONTHLY"


class Rounding(StrEnum):
    """Where amounts become minor units: once per statement line, or for each CDR."""

    ROUND_ONCE = "ROUND_ONCE"
    PER_CDR = "PER_CDR"


class Netting(StrEnum):
    """What is paid: every statement by itself, the pair's balance, or each party's balance with the hub."""

    GROSS = "GROSS"
    BILATERAL = "BILATERAL"
    MULTILATERAL = "MULTILATERAL"


class CheckAction(StrEnum):
    """What a failed CDR check leads to."""

    ACCEPT = "ACCEPT"
    WARN = "WARN"
    QUARANTINE = "QUARANTINE"
    RETURN = "RETURN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What one version says. The defaults are what the hub suggests, not what it assumes: a version states all.

    Attributes:
        services: What is agreed; anything else is refused.
        currency: ISO 4217 code in which CDRs come and are settled.
        cycle: Length of the settlement period.
        time_zone: IANA zone whose calendar bounds the periods.
        grace: How long after a period's end its CDRs may still be put right before it is frozen.
        dispute_window: How long after a statement is issued its lines may be disputed.
        price_tolerance: How far a CDR's total may lie from ours, in major units of `currency`.
        price_tolerance_relative: The same as a share of our total, 0.01 for one percent; the larger of the two counts.
        cdr_age_max: How long after its session's end a CDR is still taken.
        return_window: How long after its return a CDR may be put right.
        review_window: How long the eMSP may look at a quarantined CDR before it is returned.
        rounding: Where amounts become minor units.
        tax_profile: Name of the tax decision table.
        fx_profile: Name of the conversion rule; NONE settles in `currency` and refuses CDRs in another.
        fee_profile: Name of the hub's fee schedule; NONE for none.
        netting: What is paid.
        pricing_policy: Name of the reading of the tariff rules (`hub.domain.rating.policy`).
        allow_stored_authorization: The hub answers for tokens of whitelist type ALLOWED from its own store.
        checks: CDR check code to what its failure leads to; a check that is not named does what the hub publishes.
        start: First instant in force, aware UTC.
        end: First instant no longer in force; None for no end.
    """

    services: frozenset[Service] = frozenset({Service.ROAMING})
    currency: str
    cycle: Cycle = Cycle.MONTHLY
    time_zone: str = "UTC"
    grace: timedelta = timedelta(days=3)
    dispute_window: timedelta = timedelta(days=30)
    price_tolerance: Decimal = Decimal("0.01")
    price_tolerance_relative: Decimal = Decimal(0)
    cdr_age_max: timedelta = timedelta(days=60)
    return_window: timedelta = timedelta(days=14)
    review_window: timedelta = timedelta(days=7)
    rounding: Rounding = Rounding.ROUND_ONCE
    tax_profile: str = "default"
    fx_profile: str = "NONE"
    fee_profile: str = "NONE"
    netting: Netting = Netting.BILATERAL
    pricing_policy: str = "roamhub-2026"
    allow_stored_authorization: bool = False
    checks: Mapping[str, CheckAction] = field(default_factory=dict)
    start: datetime = datetime(2000, 1, 1, tzinfo=UTC)
    end: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """One version of an agreement.

    Attributes:
        id: The hub's id, the same for all versions; the resource name is `agreements/{id}`.
        version: From 1.
        cpo: The party that owns the stations.
        emsp: The party whose drivers charge.
        proposer: The side that proposed this version and has thereby accepted it.
        suspended_by: The sides that hold it back; it is in force again when each has resumed.
        note: What the side that last changed the state said about it, for people; at most 500 characters.
        created: When this version was proposed, aware UTC.
        changed: When its state last changed, aware UTC.
        since: From when on the agreement covers sessions, the start of its first version in force; None before that.
        ended: When it was terminated; None otherwise.
    """

    id: str
    version: int
    cpo: PartyId
    emsp: PartyId
    state: AgreementState
    terms: Terms
    proposer: PartyId
    suspended_by: frozenset[PartyId] = frozenset()
    note: str = ""
    created: datetime = datetime(2000, 1, 1, tzinfo=UTC)
    changed: datetime = datetime(2000, 1, 1, tzinfo=UTC)
    since: datetime | None = None
    ended: datetime | None = None

    @property
    def etag(self) -> str:
        """A text that differs between any two states of the agreement that a caller may have read."""
        parts = [self.id, str(self.version), self.state, self.changed.isoformat(), *sorted(map(str, self.suspended_by))]
        return sha256("\0".join(parts).encode()).hexdigest()[:16]

    @property
    def name(self) -> str:
        """The AIP resource name."""
        return f"agreements/{self.id}"

    @property
    def pair(self) -> Pair:
        """The CPO and the eMSP."""
        return self.cpo, self.emsp

    def within(self, instant: datetime) -> bool:
        """Say whether the instant lies in the half-open range of validity."""
        return self.terms.start <= instant and (self.terms.end is None or instant < self.terms.end)

    def covers(self, instant: datetime) -> bool:
        """Say whether what began at that instant, such as a session, falls under the agreement, over by now or not."""
        # An accepted version whose start has come may not have been marked ACTIVE yet.
        since = self.terms.start if self.state is AgreementState.ACCEPTED else self.since
        if since is None or instant < since or (self.terms.end is not None and instant >= self.terms.end):
            return False
        return self.ended is None or instant < self.ended

    def in_force(self, instant: datetime) -> bool:
        """Say whether the parties roam under this version at that instant, whatever the service."""
        return self.state in (AgreementState.ACTIVE, AgreementState.ACCEPTED) and self.within(instant)

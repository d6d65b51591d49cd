"""What is the same for all CDRs of a group between two parties under one version of their agreement."""

from datetime import datetime
from zoneinfo import ZoneInfo

from hub.app.directory import Directory
from hub.domain.agreements import Agreement, CheckAction, Pair, Service
from hub.domain.cdrs.checks import PRICE_CHECKS
from hub.domain.cdrs.record import Cdr
from hub.domain.journal import EntryKind
from hub.domain.leaf import Sealer
from hub.domain.rating import PricingPolicy, policy_named

#: What a CDR's leaf commits to.
LEAF_FIELDS = ("contract", "document", "settlement", "token")


class Dealing:
    """A version of an agreement with what follows from it for each of its CDRs, worked out once.

    Attributes:
        agreement: The version.
        name: Resource name of the agreement.
        terms: What the version says.
        roaming: Whether there may be CDRs at all.
        priced: Whether any check wants our own price.
        zone: Whose calendar bounds the periods.
    """

    def __init__(self, agreement: Agreement, now: datetime) -> None:
        self.agreement = agreement
        self.name = agreement.name
        self.terms = terms = agreement.terms
        self.roaming = Service.ROAMING in terms.services
        self.zone = ZoneInfo(terms.time_zone)
        checks = terms.checks
        self.priced = not checks or any(checks.get(code) is not CheckAction.ACCEPT for code in PRICE_CHECKS)
        self._now = now
        self._sealers: dict[EntryKind, Sealer] = {}

    @property
    def policy(self) -> PricingPolicy:
        """How tariffs are read."""
        return policy_named(self.terms.pricing_policy)

    def sealer(self, kind: EntryKind) -> Sealer:
        """Return what seals the leaves of this kind."""
        sealer = self._sealers.get(kind)
        if sealer is None:
            sealer = self._sealers[kind] = Sealer(
                kind=kind,
                recorded_time=self._now,
                owner=str(self.agreement.cpo),
                counterparty=str(self.agreement.emsp),
                names=LEAF_FIELDS,
            )
        return sealer


class Dealings:
    """The dealings that a group of CDRs may fall under, all recorded at one instant."""

    def __init__(self, directory: Directory, now: datetime) -> None:
        self._directory, self._now = directory, now
        self._by_pair: dict[Pair, list[Dealing]] = {}

    def covering(self, cdr: Cdr) -> Dealing | None:
        """Return the one that a CDR falls under, by the start of its session; None where there is none for roaming."""
        pair = cdr.id.party, cdr.emsp
        dealings = self._by_pair.get(pair)
        if dealings is None:
            dealings = self._by_pair[pair] = [
                Dealing(version, self._now) for version in self._directory.versions(*pair)
            ]
        for dealing in dealings:
            if dealing.agreement.covers(cdr.start_time):
                return dealing if dealing.roaming else None
        return None

    def names(self) -> set[str]:
        """Return the names of the agreements seen."""
        return {dealing.name for dealings in self._by_pair.values() for dealing in dealings}

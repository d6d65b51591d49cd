"""What the hub knows about a group of CDRs, looked up once for all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from hub.app.cdrs.neighbours import Neighbours
from hub.app.cdrs.offers import Offers
from hub.app.cdrs.tariffs import PublishedTariffs, TariffReader
from hub.app.ports.cdrs import AuthorizationKey, Proof, StoredCdr
from hub.app.ports.uow import UnitOfWork
from hub.domain.agreements import Agreement, CheckAction
from hub.domain.cdrs.checks import (
    PRICE_CHECKS,
    Known,
    KnownAuthorization,
    KnownEvse,
    KnownOriginal,
    KnownPeriod,
    KnownProven,
    KnownSession,
)
from hub.domain.cdrs.pricing import CdrPrice, price_cdr
from hub.domain.cdrs.record import Cdr, CdrState
from hub.domain.ids import ObjectId, fold
from hub.domain.locations import EvseFacts, EvseKey
from hub.domain.rating import policy_named
from hub.domain.tokens import TokenKey


@dataclass(slots=True, kw_only=True)
class Knowledge:
    """The answers, by what was asked.

    Attributes:
        stored: CDRs on record, among them the originals of credits; grows with what the group records.
        credited: CDRs that have been credited; grows likewise.
        evses: EVSEs of published locations; None for one that its location does not have.
        neighbours: What the group's charges share with others; changes with what the group records.
        after_taxes: Total costs after taxes of what the group's credits name, as far as known and stated.
        periods: Open periods that follow a cut-off, by agreement.
        zones: Time zones of the locations of those.
        offers: What the connectors offered when the sessions began.
        tariffs: Tariffs as published when the sessions began.
        proofs: CDRs by the signed values that came with them; grows with what the group records.
    """

    uow: UnitOfWork
    stored: dict[ObjectId, StoredCdr]
    credited: set[ObjectId]
    sessions: Mapping[ObjectId, KnownSession]
    authorizations: Mapping[AuthorizationKey, KnownAuthorization]
    tokens: frozenset[TokenKey]
    evses: Mapping[EvseKey, EvseFacts | None]
    periods: Mapping[str, KnownPeriod]
    zones: Mapping[ObjectId, str]
    offers: Offers
    tariffs: PublishedTariffs
    proofs: dict[Proof, list[ObjectId]]
    neighbours: Neighbours
    after_taxes: dict[ObjectId, Decimal | None]

    @classmethod
    def gather(cls, uow: UnitOfWork, cdrs: Sequence[Cdr], reader: TariffReader) -> "Knowledge":
        """Look everything up: one query for each kind of thing."""
        originals = [ObjectId(cdr.id.party, cdr.credit_of) for cdr in cdrs if cdr.credit]
        charges = [cdr for cdr in cdrs if not cdr.credit]
        places = [(cdr, _evse(cdr)) for cdr in charges]
        evses = uow.locations.evses({key for _, key in places})
        offers = Offers(uow, places, evses)
        strays = {key for key, evse in evses.items() if evse is None}
        unquoted = [cdr for cdr in charges if not cdr.authorization_reference]
        proofs = {(cdr.id.party, cdr.meter.proof) for cdr in charges if cdr.meter is not None and cdr.meter.proof}
        proven = {proof: list(ids) for proof, ids in uow.cdr_facts.proofs(proofs).items()} if proofs else {}
        others = [*originals, *(each for ids in proven.values() for each in ids)]
        stored = dict(uow.cdrs.find([*(cdr.id for cdr in cdrs), *others]))
        credited = set(uow.cdrs.credited(others)) if others else set()
        return cls(
            uow=uow,
            stored=stored,
            credited=credited,
            neighbours=Neighbours(
                uow,
                [cdr for cdr in charges if cdr.id not in stored],
                [each for each in originals if each in stored and stored[each].accepted and each not in credited],
            ),
            sessions=uow.sessions.known(ObjectId(cdr.id.party, cdr.session_id) for cdr in charges if cdr.session_id),
            authorizations=uow.cdr_facts.authorizations(
                {(cdr.id.party, cdr.authorization_reference) for cdr in charges if cdr.authorization_reference}
            ),
            tokens=uow.cdr_facts.tokens({_token(cdr) for cdr in unquoted}) if unquoted else frozenset(),
            after_taxes=dict.fromkeys(originals) | dict(uow.cdrs.after_taxes(originals)) if originals else {},
            periods=uow.clearing.open_after_cut_off(_agreements(uow, charges)) if charges else {},
            evses=evses,
            zones=uow.locations.time_zones({ObjectId(key.party, key.location) for key in strays}) if strays else {},
            offers=offers,
            tariffs=PublishedTariffs(uow, charges, offers, reader),
            proofs=proven,
        )

    def learn(self, cdr: Cdr, index: int, *, accepted: bool) -> None:
        """Take note of what the group has recorded, at its index in the clearing journal."""
        if accepted and cdr.credit:
            original = ObjectId(cdr.id.party, cdr.credit_of)
            self.credited.add(original)
            self.neighbours.credited(original)
        elif accepted:
            self.neighbours.accepted(cdr, index)
            if self.after_taxes and cdr.id in self.after_taxes:
                self.after_taxes[cdr.id] = cdr.after_taxes
        if cdr.meter is not None and cdr.meter.proof:
            self.proofs.setdefault((cdr.id.party, cdr.meter.proof), []).append(cdr.id)

    def about(self, cdr: Cdr, agreement: Agreement) -> Known:
        """Return what bears on one CDR."""
        key = _evse(cdr)
        evse = self.evses.get(key)
        return Known(
            now=self.uow.now,
            authorization=self.authorizations.get((cdr.id.party, cdr.authorization_reference))
            if cdr.authorization_reference
            else None,
            token=not cdr.authorization_reference and _token(cdr) in self.tokens,
            session=self.sessions.get(ObjectId(cdr.id.party, cdr.session_id)) if cdr.session_id else None,
            location=key in self.evses,
            evse=KnownEvse(evse.connectors.keys(), self._power(cdr, evse)) if evse is not None else None,
            original=self._original(cdr) if cdr.credit else None,
            currency=agreement.terms.currency,
            age_max=agreement.terms.cdr_age_max,
            period=self.periods.get(agreement.name),
            price=None if cdr.credit else self._price(cdr, agreement, evse),
            price_tolerance=agreement.terms.price_tolerance,
            price_tolerance_relative=agreement.terms.price_tolerance_relative,
            proven=self._proven(cdr) if cdr.meter is not None and cdr.meter.proof else None,
            neighbours=None if cdr.credit else self.neighbours.about(cdr),
        )

    def _proven(self, cdr: Cdr) -> KnownProven | None:
        """Return the CDR that the same signed values already stand for: one that is settled, or may yet be."""
        assert cdr.meter is not None
        for key in self.proofs.get((cdr.id.party, cdr.meter.proof), ()):
            stored = self.stored[key]
            if stored.answer.state in _MAY_BE_SETTLED and key not in self.credited:
                return KnownProven(id=key, emsp=stored.emsp)
        return None

    def _power(self, cdr: Cdr, evse: EvseFacts) -> int | None:
        offer = self.offers.of(cdr)
        return offer.power if offer is not None else evse.power_at(fold(cdr.connector_id), cdr.start_time)

    def _price(self, cdr: Cdr, agreement: Agreement, evse: EvseFacts | None) -> CdrPrice | None:
        checks = agreement.terms.checks
        if checks and all(checks.get(code) is CheckAction.ACCEPT for code in PRICE_CHECKS):
            return None
        zone = evse.time_zone if evse is not None else self.zones.get(ObjectId(cdr.id.party, cdr.location_id))
        policy = policy_named(agreement.terms.pricing_policy)
        return price_cdr(cdr, self.tariffs.of(cdr), zone, policy, costs_only=True)

    def _original(self, cdr: Cdr) -> KnownOriginal | None:
        key = ObjectId(cdr.id.party, cdr.credit_of)
        stored = self.stored.get(key)
        if stored is None or not stored.accepted:
            return None
        return KnownOriginal(
            emsp=stored.emsp,
            currency=stored.currency,
            amount=stored.amount,
            energy=stored.energy,
            credit=stored.credit,
            credited=key in self.credited,
            after_taxes=self.after_taxes[key],
        )


_MAY_BE_SETTLED = frozenset({CdrState.ACCEPTED, CdrState.QUARANTINED})


def _agreements(uow: UnitOfWork, cdrs: Sequence[Cdr]) -> set[str]:
    """Return the names of the agreements that the CDRs may fall under."""
    directory = uow.directory
    pairs = {(cdr.id.party, cdr.emsp) for cdr in cdrs}
    versions = (kept.get(pair) for pair in pairs for kept in (directory.standing, directory.over))
    return {version.name for version in versions if version is not None}


def _token(cdr: Cdr) -> TokenKey:
    return TokenKey.of(cdr.emsp, cdr.token_uid, cdr.token_type)


def _evse(cdr: Cdr) -> EvseKey:
    return EvseKey(cdr.id.party, fold(cdr.location_id), fold(cdr.evse_uid))

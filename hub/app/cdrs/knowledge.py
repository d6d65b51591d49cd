"""What the hub knows about a group of CDRs, looked up once for all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from hub.app.cdrs.dealings import Dealing, Dealings
from hub.app.cdrs.neighbours import Neighbours
from hub.app.cdrs.offers import Offers
from hub.app.cdrs.tariffs import PublishedTariffs, TariffReader
from hub.app.ports.cdrs import AuthorizationKey, Proof, StoredCdr
from hub.app.ports.uow import UnitOfWork
from hub.domain.cdrs.checks import (
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
from hub.domain.locations import ConnectorKey, EvseFacts, EvseKey
from hub.domain.tokens import TokenKey


class _Asked(NamedTuple):
    """What one charge falls under, and what it asks for; None where it names no such thing, or need not ask."""

    dealing: Dealing | None
    connector: ConnectorKey
    token: TokenKey | None
    session: ObjectId | None
    authorization: AuthorizationKey | None
    proof: Proof | None

    @classmethod
    def by(cls, cdr: Cdr, dealings: Dealings) -> "_Asked":
        """Return what a charge asks for."""
        cpo, reference, meter = cdr.id.party, cdr.authorization_reference, cdr.meter
        return cls(
            dealing=dealings.covering(cdr),
            connector=ConnectorKey(
                EvseKey(cpo, fold(cdr.location_id), fold(cdr.evse_uid)),
                fold(cdr.connector_id),
            ),
            token=None if reference else TokenKey.of(cdr.emsp, cdr.token_uid, cdr.token_type),
            session=ObjectId(cpo, cdr.session_id) if cdr.session_id else None,
            authorization=(cpo, reference) if reference else None,
            proof=(cpo, meter.proof) if meter is not None and meter.proof else None,
        )

    @property
    def priced(self) -> bool:
        """Whether our own price is wanted."""
        return self.dealing is not None and self.dealing.priced


@dataclass(slots=True, kw_only=True)
class Knowledge:
    """The answers, by what was asked.

    Attributes:
        dealings: The versions of agreements that the group falls under.
        asked: What each charge asks for, by its identity, as two may bear one id.
        stored: CDRs on record, among them the originals of credits; grows with what the group records.
        credited: CDRs that have been credited; grows likewise.
        evses: EVSEs of published locations; None for one that its location does not have.
        neighbours: What the group's charges share with others; changes with what the group records.
        after_taxes: Total costs after taxes of what the group's credits name, as far as known and stated.
        periods: Open periods that follow a cut-off, by agreement.
        zones: Time zones of the locations of those.
        offers: What the connectors offered when the sessions began.
        tariffs: Tariffs as published when the sessions began, of those that are priced.
        proofs: CDRs by the signed values that came with them; grows with what the group records.
    """

    uow: UnitOfWork
    dealings: Dealings
    asked: Mapping[int, _Asked]
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
        dealings = Dealings(uow.directory, uow.now)
        originals = [ObjectId(cdr.id.party, cdr.credit_of) for cdr in cdrs if cdr.credit]
        charges = [cdr for cdr in cdrs if not cdr.credit]
        asked = [_Asked.by(cdr, dealings) for cdr in charges]
        questions = list(zip(charges, asked, strict=True))
        evses = uow.locations.evses({each.connector.evse for each in asked})
        offers = Offers(uow, ((cdr, each.connector) for cdr, each in questions), evses)
        strays = {key for key, evse in evses.items() if evse is None}
        tokens = {each.token for each in asked if each.token is not None}
        sessions = [each.session for each in asked if each.session is not None]
        authorizations = {each.authorization for each in asked if each.authorization is not None}
        proofs = {each.proof for each in asked if each.proof is not None}
        proven = {proof: list(ids) for proof, ids in uow.cdr_facts.proofs(proofs).items()} if proofs else {}
        others = [*originals, *(each for ids in proven.values() for each in ids)]
        stored = dict(uow.cdrs.find([*(cdr.id for cdr in cdrs), *others]))
        credited = set(uow.cdrs.credited(others)) if others else set()
        return cls(
            uow=uow,
            dealings=dealings,
            asked={id(cdr): each for cdr, each in questions},
            stored=stored,
            credited=credited,
            neighbours=Neighbours(
                uow,
                [cdr for cdr, each in questions if each.dealing is not None and cdr.id not in stored],
                [each for each in originals if each in stored and stored[each].accepted and each not in credited],
            ),
            sessions=uow.sessions.known(sessions) if sessions else {},
            authorizations=uow.cdr_facts.authorizations(authorizations) if authorizations else {},
            tokens=uow.cdr_facts.tokens(tokens) if tokens else frozenset(),
            after_taxes=dict.fromkeys(originals) | dict(uow.cdrs.after_taxes(originals)) if originals else {},
            periods=uow.clearing.open_after_cut_off(dealings.names()) if charges else {},
            evses=evses,
            zones=uow.locations.time_zones({ObjectId(key.party, key.location) for key in strays}) if strays else {},
            offers=offers,
            tariffs=PublishedTariffs(uow, [cdr for cdr, each in questions if each.priced], offers, reader),
            proofs=proven,
        )

    def dealing(self, cdr: Cdr) -> Dealing | None:
        """Return what a CDR falls under; None without an agreement for roaming that covers its session's start."""
        return self.dealings.covering(cdr) if cdr.credit else self.asked[id(cdr)].dealing

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

    def about(self, cdr: Cdr, dealing: Dealing) -> Known:
        """Return what bears on one CDR under what its parties agreed."""
        if cdr.credit:
            # What is checked about a credit is its original alone.
            return Known(
                now=self.uow.now,
                authorization=None,
                token=False,
                session=None,
                location=False,
                evse=None,
                original=self._original(cdr),
                currency=dealing.terms.currency,
                age_max=dealing.terms.cdr_age_max,
                period=None,
            )
        asked, terms = self.asked[id(cdr)], dealing.terms
        evse = self.evses.get(asked.connector.evse)
        return Known(
            now=self.uow.now,
            authorization=None if asked.authorization is None else self.authorizations.get(asked.authorization),
            token=asked.token in self.tokens,
            session=None if asked.session is None else self.sessions.get(asked.session),
            location=evse is not None or asked.connector.evse in self.evses,
            evse=None if evse is None else self._evse(cdr, evse, asked.connector.connector),
            original=None,
            currency=terms.currency,
            age_max=terms.cdr_age_max,
            period=self.periods.get(dealing.name),
            price=self._price(cdr, dealing, evse) if dealing.priced else None,
            price_tolerance=terms.price_tolerance,
            price_tolerance_relative=terms.price_tolerance_relative,
            proven=None if asked.proof is None else self._proven(asked.proof),
            neighbours=self.neighbours.about(cdr),
            backdated=self.tariffs.backdated(cdr),
        )

    def _proven(self, proof: Proof) -> KnownProven | None:
        """Return the CDR that the same signed values already stand for: one that is settled, or may yet be."""
        for key in self.proofs.get(proof, ()):
            stored = self.stored[key]
            if stored.answer.state in _MAY_BE_SETTLED and key not in self.credited:
                return KnownProven(id=key, emsp=stored.emsp)
        return None

    def _evse(self, cdr: Cdr, evse: EvseFacts, connector: str) -> KnownEvse:
        offer = self.offers.of(cdr)
        power = offer.power if offer is not None else evse.power_at(connector, cdr.start_time)
        return KnownEvse(connector=connector in evse.connectors, power=power)

    def _price(self, cdr: Cdr, dealing: Dealing, evse: EvseFacts | None) -> CdrPrice:
        zone = evse.time_zone if evse is not None else self.zones.get(ObjectId(cdr.id.party, cdr.location_id))
        return price_cdr(cdr, self.tariffs.of(cdr), zone, dealing.policy, costs_only=True)

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

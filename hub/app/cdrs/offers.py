"""What the connectors of charges offered when the sessions began: how much power, and by which tariffs."""

from collections.abc import Iterable, Mapping

from hub.app.ports.uow import UnitOfWork
from hub.domain.cdrs.record import Cdr
from hub.domain.locations import ConnectorKey, EvseFacts, EvseKey, Offer


class Offers:
    """The answers for one group of charges.

    Nearly always a connector offers today what it did when the session began, and today's offer came with the facts
    about its EVSE. Only for the rest one query asks for former ones.
    """

    def __init__(
        self, uow: UnitOfWork, charges: Iterable[tuple[Cdr, ConnectorKey]], evses: Mapping[EvseKey, EvseFacts | None]
    ) -> None:
        #: By the charge's identity, as two charges may bear one id; None where nothing is known of then.
        self._offers: dict[int, Offer | None] = {}
        former: dict[int, tuple[ConnectorKey, Cdr]] = {}
        for cdr, key in charges:
            evse = evses.get(key.evse)
            if evse is None:
                continue
            offer = evse.connectors.get(key.connector)
            if offer is not None and offer.since <= cdr.start_time:
                self._offers[id(cdr)] = offer
            else:
                former[id(cdr)] = key, cdr
        if former:
            wanted = {(key, cdr.start_time) for key, cdr in former.values()}
            found = uow.locations.former_offers(wanted)
            self._offers |= {each: found.get((key, cdr.start_time)) for each, (key, cdr) in former.items()}

    def of(self, cdr: Cdr) -> Offer | None:
        """Return what a charge's connector offered when its session began; None where that is not known."""
        return self._offers.get(id(cdr))

    def tariff_ids(self, cdr: Cdr) -> tuple[str, ...]:
        """Return the folded ids of the tariffs that may price a charge: those it names, else its connector's."""
        if cdr.tariff_ids:
            return cdr.tariff_ids
        offer = self._offers.get(id(cdr))
        return offer.tariff_ids if offer is not None else ()

"""What the connectors of charges offered when the sessions began: how much power, and by which tariffs."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Protocol

from hub.app.ports.uow import UnitOfWork
from hub.domain.locations import ConnectorKey, EvseFacts, EvseKey, Offer


class Charge(Protocol):
    """What is priced: a CDR, or a session under way."""

    @property
    def start_time(self) -> datetime:
        """When the session began."""

    @property
    def tariff_ids(self) -> tuple[str, ...]:
        """The folded ids of the tariffs that it names itself."""


class Offers:
    """The answers for one group of charges.

    Nearly always a connector offers today what it did when the session began, and today's offer came with the facts
    about its EVSE. Only for the rest one query asks for former ones.
    """

    def __init__(
        self, uow: UnitOfWork, charges: Iterable[tuple[Charge, ConnectorKey]], evses: Mapping[EvseKey, EvseFacts | None]
    ) -> None:
        #: By the charge's identity, as two charges may bear one id; None where nothing is known of then.
        self._offers: dict[int, Offer | None] = {}
        former: dict[int, tuple[ConnectorKey, Charge]] = {}
        for charge, key in charges:
            evse = evses.get(key.evse)
            if evse is None:
                continue
            offer = evse.connectors.get(key.connector)
            if offer is not None and offer.since <= charge.start_time:
                self._offers[id(charge)] = offer
            else:
                former[id(charge)] = key, charge
        if former:
            wanted = {(key, charge.start_time) for key, charge in former.values()}
            found = uow.locations.former_offers(wanted)
            self._offers |= {each: found.get((key, charge.start_time)) for each, (key, charge) in former.items()}

    def of(self, charge: Charge) -> Offer | None:
        """Return what a charge's connector offered when its session began; None where that is not known."""
        return self._offers.get(id(charge))

    def tariff_ids(self, charge: Charge) -> tuple[str, ...]:
        """Return the folded ids of the tariffs that may price a charge: those it names, else its connector's."""
        if charge.tariff_ids:
            return charge.tariff_ids
        offer = self._offers.get(id(charge))
        return offer.tariff_ids if offer is not None else ()

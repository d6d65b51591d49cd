"""A simulated eMSP: publishes cards, accepts agreements, answers authorizations, checks what it is to pay.

    python -m adapters.simulator.emsp --folder DIR --invitation FILE --party DE-GRN --seed 1 [--serve HOST:PORT]

With --serve the hub dials it; without, it holds a link. Orders: `start_from_phone`, `settle`; it ends with its input.
"""

import argparse
import asyncio
import random
import uuid
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from google.type.latlng_pb2 import LatLng
from roamhub.v1.agreement_pb2 import AcceptAgreementRequest, Agreement, ListAgreementsRequest
from roamhub.v1.agreement_pb2_grpc import AgreementServiceStub
from roamhub.v1.cdr_pb2 import CDR_STATE_ACCEPTED
from roamhub.v1.clearing_pb2 import (
    Acknowledgement,
    AcknowledgeStatementRequest,
    GetStatementRequest,
    ListStatementsRequest,
    Statement,
)
from roamhub.v1.clearing_pb2_grpc import ClearingServiceStub
from roamhub.v1.command_pb2 import (
    Command,
    CommandResultType,
    GetCommandRequest,
    StartSessionOrder,
    StartSessionRequest,
)
from roamhub.v1.command_pb2_grpc import CommandServiceStub
from roamhub.v1.common_pb2 import PartyKey
from roamhub.v1.journal_pb2 import JOURNAL_STREAM_REGISTRY
from roamhub.v1.location_object_pb2 import EVSE_STATUS_AVAILABLE
from roamhub.v1.location_pb2 import SearchLocationsRequest
from roamhub.v1.location_pb2_grpc import LocationServiceStub
from roamhub.v1.partner_pb2 import PartnerServiceAuthorizeRequest
from roamhub.v1.party_pb2 import Party, UpdatePartyRequest
from roamhub.v1.party_pb2_grpc import PartyServiceStub
from roamhub.v1.token_object_pb2 import ALLOWED_TYPE_ALLOWED, ALLOWED_TYPE_BLOCKED, AuthorizationInfo

from adapters.partner import Handler, Partner, party
from adapters.partner.errors import NotFound
from adapters.simulator.stage import orders, tell
from adapters.simulator.world import Card, make_cards

#: How long a statement may be ahead of the CDRs that have come.
_CATCH_UP_SECONDS = 60.0


def cards_of(emsp: PartyKey, count: int, seed: int) -> list[Card]:
    """Return the cards in the hands of an eMSP's drivers: the same for whoever asks, as drivers carry them about."""
    name = f"{seed} {emsp.country_code}-{emsp.party_id}"
    return make_cards(emsp, count, datetime(2026, 1, 1, tzinfo=UTC), random.Random(name))  # noqa: S311 - a simulation


class Answering(Handler):
    """Allows its cards, unless they are blocked."""

    def __init__(self, cards: Sequence[Card]) -> None:
        self._cards = {card.token.uid: card for card in cards}
        self.asked: Counter[str] = Counter()

    async def authorize(self, request: PartnerServiceAuthorizeRequest) -> AuthorizationInfo:
        """Answer the hub in real time."""
        card = self._cards.get(request.token_uid)
        if card is None:
            raise NotFound("this token is unknown", reason="UNKNOWN_TOKEN")
        allowed = ALLOWED_TYPE_BLOCKED if card.blocked else ALLOWED_TYPE_ALLOWED
        self.asked["refused" if card.blocked else "allowed"] += 1
        return AuthorizationInfo(allowed=allowed, token=card.token)


class Emsp:
    """One eMSP's back end."""

    def __init__(self, partner: Partner, key: PartyKey, cards: Sequence[Card], folder: Path) -> None:
        self._partner = partner
        self._key = key
        self._cards = cards
        self._folder = folder
        self.handler = Answering(cards)
        self._owed: dict[str, Decimal] = {}
        self._count = 0
        self._counted = asyncio.Condition()

    async def publish(self, endpoint: str) -> None:
        """Publish the cards, and where the hub dials."""
        published = await self._partner.publish.tokens(card.token for card in self._cards)
        if endpoint:
            own = Party(country_code=self._key.country_code, party_id=self._key.party_id, endpoint=endpoint)
            await self._partner.call(self._partner.stub(PartyServiceStub).UpdateParty, UpdatePartyRequest(party=own))
        tell("published", tokens=published.applied + published.unchanged, refused=len(published.refusals))

    async def accept_agreements(self) -> None:
        """Accept what is proposed, as the journal tells of it."""
        state = self._folder / "registry.index"
        async for _ in self._partner.journal.follow(JOURNAL_STREAM_REGISTRY, state, kinds=["agreement"]):
            stub = self._partner.stub(AgreementServiceStub)
            proposed = ListAgreementsRequest(state=Agreement.STATE_PROPOSED)
            for agreement in (await self._partner.call(stub.ListAgreements, proposed)).agreements:
                if agreement.proposer != self._key:
                    request = AcceptAgreementRequest(name=agreement.name, party=self._key, version=agreement.version)
                    await self._partner.call(stub.AcceptAgreement, request)
                    tell("accepted", agreement=agreement.name)

    async def count_cdrs(self) -> None:
        """Add up what accepted CDRs say, as they come."""
        async for record in self._partner.journal.cdrs():
            if record.state == CDR_STATE_ACCEPTED:
                owed = self._owed.get(record.cdr.currency, Decimal(0))
                self._owed[record.cdr.currency] = owed + Decimal(record.cdr.total_cost.before_taxes.value)
                self._count += 1
                async with self._counted:
                    self._counted.notify_all()

    async def start_from_phone(self) -> None:
        """Find an EVSE that is free near Amsterdam, and start a charge there."""
        search = SearchLocationsRequest(
            center=LatLng(latitude=52.37, longitude=4.89), radius_m=50_000, available=True, page_size=1
        )
        found = await self._partner.call(self._partner.stub(LocationServiceStub).SearchLocations, search)
        location = found.results[0].location
        evse = next(each for each in location.evses if each.status == EVSE_STATUS_AVAILABLE)
        order = StartSessionOrder(token=self._cards[0].token, location_id=location.id, evse_uid=evse.uid)
        cpo = PartyKey(country_code=location.country_code, party_id=location.party_id)
        request = StartSessionRequest(emsp=self._key, cpo=cpo, start_session=order, request_id=str(uuid.uuid4()))
        stub = self._partner.stub(CommandServiceStub)
        command = await self._partner.call(stub.StartSession, request)
        while command.state == Command.STATE_ACCEPTED:
            await asyncio.sleep(0.05)
            command = await self._partner.call(stub.GetCommand, GetCommandRequest(name=command.name))
        tell(
            "started",
            distance_m=found.results[0].distance_m,
            evse=evse.evse_id or evse.uid,
            state=Command.State.Name(command.state).removeprefix("STATE_"),
            result=CommandResultType.Name(command.result).removeprefix("COMMAND_RESULT_TYPE_"),
        )

    async def _caught_up(self, count: int) -> None:
        """Wait until as many CDRs have come as are said to be there: the journal may tell of the last ones just now."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_CATCH_UP_SECONDS), self._counted:
                await self._counted.wait_for(lambda: self._count >= count)

    async def settle(self) -> None:
        """Accept each issued statement that says what was counted here, and no other."""
        stub = self._partner.stub(ClearingServiceStub)
        request = ListStatementsRequest(parent="agreements/-/periods/-", state=Statement.STATE_ISSUED)
        for listed in (await self._partner.call(stub.ListStatements, request)).statements:
            statement = await self._partner.call(stub.GetStatement, GetStatementRequest(name=listed.name))
            await self._caught_up(statement.cdr_count)
            exact = sum((Decimal(line.exact_amount.value) for line in statement.lines), Decimal(0))
            counted = self._owed.get(statement.net.currency_code, Decimal(0))
            agreed = exact == counted and statement.cdr_count == self._count
            answer = AcknowledgeStatementRequest(
                name=statement.name,
                party=self._key,
                digest=statement.digest,
                decision=Acknowledgement.DECISION_ACCEPT if agreed else Acknowledgement.DECISION_REJECT,
                reasons=[] if agreed else [Acknowledgement.Reason(code="TOTAL_DIFFERS")],
            )
            await self._partner.call(stub.AcknowledgeStatement, answer)
            tell("settled", statement=statement.name, agreed=agreed, exact=str(exact), counted=str(counted))


async def run(arguments: argparse.Namespace) -> None:
    """Take part until standard input ends."""
    key = party(arguments.party)
    async with AsyncExitStack() as stack:
        partner = await stack.enter_async_context(await Partner.join(arguments.folder, arguments.invitation))
        emsp = Emsp(partner, key, cards_of(key, arguments.cards, arguments.seed), arguments.folder)
        if arguments.serve:
            server = await stack.enter_async_context(partner.serve(emsp.handler, arguments.serve))
            await emsp.publish(f"127.0.0.1:{server.port}")
        else:
            link = await stack.enter_async_context(partner.link(emsp.handler, key))
            await link.connected.wait()
            await emsp.publish("")
        async with asyncio.TaskGroup() as group:  # what a follower raises ends them all
            followers = [group.create_task(emsp.accept_agreements()), group.create_task(emsp.count_cdrs())]
            tell("ready", reached_by="its endpoint" if arguments.serve else "a link")
            async for order in orders():
                if order["do"] == "settle":
                    await emsp.settle()
                elif order["do"] == "start_from_phone":
                    await emsp.start_from_phone()
                tell("done", order=order["do"], asked=dict(emsp.handler.asked))
            for follower in followers:
                follower.cancel()


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--invitation", type=Path, required=True)
    parser.add_argument("--party", required=True)
    parser.add_argument("--cards", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--serve", default="", help="listen here for the hub; without it, hold a link")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()

"""An eMSP in one page: publish tokens, accept agreements, answer "may she charge?", follow the CDRs to be paid.

python -m adapters.partner.examples.emsp INVITATION FOLDER DE-XYZ
"""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

from roamhub.v1.agreement_pb2 import AcceptAgreementRequest, Agreement, ListAgreementsRequest
from roamhub.v1.agreement_pb2_grpc import AgreementServiceStub
from roamhub.v1.common_pb2 import PartyKey
from roamhub.v1.journal_pb2 import JOURNAL_STREAM_REGISTRY
from roamhub.v1.partner_pb2 import PartnerServiceAuthorizeRequest
from roamhub.v1.token_object_pb2 import ALLOWED_TYPE_ALLOWED, WHITELIST_TYPE_NEVER, AuthorizationInfo, Token

from adapters.partner import Handler, Partner, party
from adapters.partner.errors import NotFound


def our_card(emsp: PartyKey) -> Token:
    """Return a driver's card; NEVER means that the hub asks us each time."""
    card = Token(country_code=emsp.country_code, party_id=emsp.party_id, uid="04A2B9C1D2E380", type="RFID", valid=True)
    card.contract_id, card.issuer = f"{emsp.country_code}-{emsp.party_id}-C00000001", "Example Mobility"
    card.whitelist = WHITELIST_TYPE_NEVER
    card.last_updated.FromDatetime(datetime(2026, 1, 1, tzinfo=UTC))
    return card


class Drivers(Handler):
    """Answers the hub."""

    def __init__(self, card: Token) -> None:
        self.card = card

    async def authorize(self, request: PartnerServiceAuthorizeRequest) -> AuthorizationInfo:
        """Say whether a token may charge."""
        if request.token_uid != self.card.uid:
            raise NotFound("this token is unknown", reason="UNKNOWN_TOKEN")
        print(f"allowed a driver to charge at {request.cpo.country_code}-{request.cpo.party_id}", flush=True)
        return AuthorizationInfo(allowed=ALLOWED_TYPE_ALLOWED, token=self.card)


async def accept_proposals(partner: Partner, emsp: PartyKey) -> None:
    """Accept whatever a CPO proposes, as the journal tells of it."""
    async for _ in partner.journal.follow(JOURNAL_STREAM_REGISTRY, kinds=["agreement"]):
        stub = partner.stub(AgreementServiceStub)
        proposed = await partner.call(stub.ListAgreements, ListAgreementsRequest(state=Agreement.STATE_PROPOSED))
        for agreement in proposed.agreements:
            request = AcceptAgreementRequest(name=agreement.name, party=emsp, version=agreement.version)
            await partner.call(stub.AcceptAgreement, request)
            cpo = agreement.cpo
            print(f"agreed with {cpo.country_code}-{cpo.party_id}", flush=True)


async def main(invitation: Path, folder: Path, emsp: PartyKey) -> None:
    """Take part until stopped."""
    card = our_card(emsp)
    async with await Partner.join(folder, invitation) as partner, partner.link(Drivers(card), emsp) as link:
        await partner.publish.tokens([card])
        await link.connected.wait()
        print("ready", flush=True)
        async with asyncio.TaskGroup() as group:
            group.create_task(accept_proposals(partner, emsp))
            async for record in partner.journal.cdrs(folder / "cdrs.index"):
                cost, currency = record.cdr.total_cost.before_taxes.value, record.cdr.currency
                print(f"to pay: {cost} {currency} for {record.cdr.total_energy.value} kWh", flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), party(sys.argv[3])))

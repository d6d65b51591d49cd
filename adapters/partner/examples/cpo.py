"""A CPO in one page: publish a station, agree with an eMSP, let a driver charge, submit the CDR.

python -m adapters.partner.examples.cpo INVITATION FOLDER NL-ABC DE-XYZ
"""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from string import Template

from google.protobuf.json_format import Parse
from roamhub.v1.agreement_pb2 import Agreement, AgreementTerms, ListAgreementsRequest, ProposeAgreementRequest
from roamhub.v1.agreement_pb2_grpc import AgreementServiceStub
from roamhub.v1.authorization_pb2 import AuthorizeRequest
from roamhub.v1.authorization_pb2_grpc import AuthorizationServiceStub
from roamhub.v1.cdr_object_pb2 import Cdr
from roamhub.v1.cdr_pb2 import CdrState
from roamhub.v1.common_pb2 import PartyKey
from roamhub.v1.journal_pb2 import JOURNAL_STREAM_REGISTRY
from roamhub.v1.location_object_pb2 import Location
from roamhub.v1.tariff_object_pb2 import Tariff

from adapters.partner import Partner, party

NOW = datetime.now(UTC).replace(microsecond=0)
PLACE = '"address": "Laan 1", "city": "Utrecht", "country": "NLD", "coordinates": {"latitude": "52", "longitude": "5"}'
TARIFF = """{$party, "id": "T1", "currency": "EUR", "last_updated": "$before", "elements": [{"price_components": [
    {"type": "TARIFF_DIMENSION_TYPE_ENERGY", "price": {"value": "0.40"}, "vat": {"value": "21"}, "step_size": 1}]}]}"""
STATION = """{$party, "id": "L1", "publish": true, $place, "time_zone": "Europe/Amsterdam", "last_updated": "$before",
    "evses": [{"uid": "E1", "evse_id": "NL*ABC*E1", "status": "EVSE_STATUS_AVAILABLE", "last_updated": "$before",
    "connectors": [{"id": "1", "standard": "IEC_62196_T2", "format": "CONNECTOR_FORMAT_SOCKET", "tariff_ids": ["T1"],
    "power_type": "POWER_TYPE_AC_3_PHASE", "max_voltage": 230, "max_amperage": 32, "last_updated": "$before"}]}]}"""
CDR = """{$party, "id": "C-$short", "start_date_time": "$start", "end_date_time": "$end", "last_updated": "$end",
    "auth_method": "AUTH_METHOD_AUTH_REQUEST", "authorization_reference": "$reference", "currency": "EUR",
    "cdr_location": {$place, "id": "L1", "evse_uid": "E1", "evse_id": "NL*ABC*E1", "connector_id": "1",
    "connector_standard": "IEC_62196_T2", "connector_format": "CONNECTOR_FORMAT_SOCKET",
    "connector_power_type": "POWER_TYPE_AC_3_PHASE"}, "tariffs": [$tariff], "total_energy": {"value": "11"},
    "charging_periods": [{"start_date_time": "$start", "tariff_id": "T1", "dimensions":
    [{"type": "CDR_DIMENSION_TYPE_ENERGY", "volume": {"value": "11"}}]}], "total_time": {"value": "1"},
    "total_cost": {"before_taxes": {"value": "4.40"}, "after_taxes": {"value": "5.324"}}}"""


async def agree(partner: Partner, cpo: PartyKey, emsp: PartyKey) -> None:
    """Propose an agreement and wait until the eMSP has accepted."""
    roaming, monthly = [AgreementTerms.SERVICE_ROAMING], AgreementTerms.CYCLE_MONTHLY
    terms = AgreementTerms(services=roaming, currency_code="EUR", time_zone="UTC", cycle=monthly)
    terms.start_time.FromDatetime(NOW - timedelta(days=1))
    stub = partner.stub(AgreementServiceStub)
    await partner.call(stub.ProposeAgreement, ProposeAgreementRequest(party=cpo, cpo=cpo, emsp=emsp, terms=terms))
    active = ListAgreementsRequest(state=Agreement.STATE_ACTIVE)
    async for _ in partner.journal.follow(JOURNAL_STREAM_REGISTRY, kinds=["agreement"]):
        if (await partner.call(stub.ListAgreements, active)).agreements:
            return


async def main(invitation: Path, folder: Path, cpo: PartyKey, emsp: PartyKey) -> None:
    """Sell one charge."""
    facts = {name: (NOW - timedelta(hours=ago)).isoformat() for name, ago in (("before", 48), ("start", 2), ("end", 1))}
    facts |= {"place": PLACE, "party": f'"country_code": "{cpo.country_code}", "party_id": "{cpo.party_id}"'}
    facts["tariff"] = Template(TARIFF).substitute(facts)
    async with await Partner.join(folder, invitation) as partner:
        await partner.publish.tariffs([Parse(facts["tariff"], Tariff())])
        await partner.publish.locations([Parse(Template(STATION).substitute(facts), Location())])
        await agree(partner, cpo, emsp)
        question = AuthorizeRequest(cpo=cpo, emsp=emsp, token_uid="04A2B9C1D2E380")  # noqa: S106 - a driver's card
        answer = await partner.call(partner.stub(AuthorizationServiceStub).Authorize, question)
        print(f"may charge: {answer.reason or 'yes'}", flush=True)
        reference = answer.authorization_reference
        cdr = Parse(Template(CDR).substitute(facts, reference=reference, short=reference[-12:]), Cdr())
        for name in ("country_code", "party_id", "uid", "type", "contract_id"):
            setattr(cdr.cdr_token, name, getattr(answer.token, name))
        receipt = await partner.cdrs.submit(cdr)
        print(f"CDR {CdrState.Name(receipt.state)}, journal index {receipt.receipt.journal_index}", flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), party(sys.argv[3]), party(sys.argv[4])))

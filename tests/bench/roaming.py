"""What benchmarks roam with: a published location and token, through the RPCs that any partner uses."""

from roamhub.v1 import location_pb2, location_pb2_grpc, token_object_pb2, token_pb2, token_pb2_grpc

from tests import catalog
from tests.bench.load import Served

#: When the location was last changed, in minutes from now: before any of the sessions began.
_LONG_AGO = -400 * 24 * 60


async def publish(hub: Served, whitelist: "token_object_pb2.WhitelistType.ValueType", count: int = 1) -> None:
    """Publish LOC1 of NL-CPO with EVSEs E1 and so on, and as many tokens TOK1 and so on of each eMSP, at most 1000."""
    evses = [catalog.evse(f"E{number + 1}", _LONG_AGO) for number in range(count)]
    tokens = [
        token_object_pb2.Token(
            country_code="DE",
            party_id="MSP",
            uid=f"TOK{number + 1}",
            type="RFID",
            contract_id="DE-MSP-C12345678-X",
            issuer="MSP",
            valid=True,
            whitelist=whitelist,
            last_updated=catalog.stamp(),
        )
        for number in range(count)
    ]
    async with hub.channel("cpo") as cpo, hub.channel("emsp") as emsp, hub.channel("unrated") as unrated:
        await location_pb2_grpc.LocationServiceStub(cpo).PutLocation(
            location_pb2.PutLocationRequest(location=catalog.location(minutes=_LONG_AGO, evses=evses))
        )
        await token_pb2_grpc.TokenServiceStub(emsp).BatchPutTokens(token_pb2.BatchPutTokensRequest(tokens=tokens))
        for token in tokens:
            token.party_id = "OFF"
        await token_pb2_grpc.TokenServiceStub(unrated).BatchPutTokens(token_pb2.BatchPutTokensRequest(tokens=tokens))

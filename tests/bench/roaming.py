"""What benchmarks roam with: a published location and token, through the RPCs that any partner uses."""

from roamhub.v1 import location_pb2, location_pb2_grpc, token_object_pb2, token_pb2, token_pb2_grpc

from tests import catalog
from tests.bench.load import Served


async def publish(hub: Served, whitelist: "token_object_pb2.WhitelistType.ValueType") -> None:
    """Publish LOC1 of NL-CPO and TOK1 of DE-MSP."""
    async with hub.channel("cpo") as cpo, hub.channel("emsp") as emsp:
        await location_pb2_grpc.LocationServiceStub(cpo).PutLocation(
            location_pb2.PutLocationRequest(location=catalog.location())
        )
        token = token_object_pb2.Token(
            country_code="DE",
            party_id="MSP",
            uid="TOK1",
            type="RFID",
            contract_id="DE-MSP-C12345678-X",
            issuer="MSP",
            valid=True,
            whitelist=whitelist,
            last_updated=catalog.stamp(),
        )
        await token_pb2_grpc.TokenServiceStub(emsp).PutToken(token_pb2.PutTokenRequest(token=token))

"""A full disk: a precise refusal, nothing half written, nothing acknowledged lost, and business as usual afterwards."""

import grpc
import pytest
from roamhub.v1 import party_pb2, party_pb2_grpc
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection

from hub.main import Hub
from tests.conftest import PartnerFactory
from tests.support import hub_database, refusal


class SmallDisk:
    """Lets a hub's database grow to so many pages and no further, as a full disk would."""

    def __init__(self, hub: Hub) -> None:
        self._runner = hub.committer._runner
        self._pages = 0
        event.listen(hub._engine, "checkout", self._limit)

    def resize(self, pages: int) -> None:
        self._pages = pages
        self._runner.close()  # the connection it holds comes back through the pool

    def _limit(self, connection: DBAPIConnection, *_: object) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA max_page_count={self._pages}")
        cursor.close()


@pytest.mark.skipif(hub_database() != "sqlite", reason="only SQLite lets a test limit its size")
async def test_what_was_acknowledged_before_the_disk_was_full_is_there_and_nothing_else(
    hub: Hub, partner: PartnerFactory
) -> None:
    cpo = await partner("NL-ABC")
    parties: party_pb2_grpc.PartyServiceAsyncStub = party_pb2_grpc.PartyServiceStub(cpo.channel)
    disk = SmallDisk(hub)
    with hub._engine.connect() as connection:
        used = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    disk.resize(used + 20)
    acknowledged = ""
    for i in range(100):
        said = f'{{"n":{i},"filler":"{"x" * 20_000}"}}'
        own = party_pb2.Party(country_code="NL", party_id="ABC", extensions=said)
        try:
            await parties.UpdateParty(party_pb2.UpdatePartyRequest(party=own))
        except grpc.aio.AioRpcError as error:
            answer = refusal(error)
            break
        acknowledged = said
    else:
        pytest.fail("the disk never filled")
    assert (answer.code, answer.reason) == (grpc.StatusCode.UNAVAILABLE, "STORAGE_FULL")
    assert acknowledged
    # Reads go on, and show what was acknowledged last.
    get = party_pb2.GetPartyRequest(name="parties/nl-abc")
    assert (await parties.GetParty(get)).extensions == acknowledged
    disk.resize(1_000_000)
    assert (await parties.UpdateParty(party_pb2.UpdatePartyRequest(party=own))).extensions == own.extensions
    await hub.stop()

    again = Hub(hub.config)
    await again.start()
    party = again.directory.current.parties[cpo.party]
    assert party_pb2.Party.FromString(party.document).extensions == own.extensions
    await again.stop()

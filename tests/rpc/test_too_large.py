"""What is too large for the hub is refused for itself, and keeps nothing waiting that comes after it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.partner.cdrs import Cdrs
from adapters.partner.connection import Connection
from adapters.partner.credentials import Credentials
from adapters.partner.errors import OBJECT_BYTES_MAX, TooLarge
from adapters.partner.outbox import Outbox
from adapters.partner.publish import Publisher
from adapters.partner.retry import Backoff
from hub.config import Config
from hub.domain.parties import Role
from hub.main import Hub
from hub.rpc.wire import DOCUMENT_BYTES_MAX
from tests.catalog import location
from tests.cdrs import make_cdr
from tests.conftest import PartnerFactory
from tests.support import agree

#: What this hub takes of a message; a message of twice as much gRPC refuses in words of its own.
MESSAGE_BYTES_MAX = 65_536
#: More than a message may have, by little and by much, and more than any hub takes of an object.
SIZES = [MESSAGE_BYTES_MAX + 1, 3 * MESSAGE_BYTES_MAX, OBJECT_BYTES_MAX + 1]
AT_ONCE = Backoff(first_seconds=0.001, longest_seconds=0.002)


@pytest.fixture
def config(config: Config) -> Config:
    return replace(config, message_bytes_max=MESSAGE_BYTES_MAX)


@pytest.fixture
async def connection(hub: Hub, partner: PartnerFactory) -> AsyncIterator[Connection]:
    cpo, emsp = await partner("NL-CPO"), await partner("DE-MSP", roles=(Role.EMSP,))
    await agree(hub, cpo.party, emsp.party)
    credentials = Credentials(
        key_pem=cpo.key_pem,
        certificate_pem=cpo.chain_pem,
        authority_pem=hub.ca.ca_pem,
        hub=f"127.0.0.1:{hub.port}",
    )
    connection = Connection(credentials)
    yield connection
    await connection.close()


def test_the_sdk_knows_what_the_hub_takes_of_an_object() -> None:
    assert OBJECT_BYTES_MAX == DOCUMENT_BYTES_MAX


@pytest.mark.parametrize("size", SIZES)
async def test_a_cdr_that_is_too_large_is_refused_and_those_after_it_go_on(
    connection: Connection, tmp_path: Path, size: int
) -> None:
    sent = [make_cdr(f"C{number}") for number in range(8)]
    sent[3].remark = "x" * size
    with Outbox(tmp_path / "outbox.db") as outbox:
        cdrs = Cdrs(connection, outbox, AT_ONCE)
        told: list[int] = []
        submissions = await cdrs.submit_all(sent, told.append)
        cdrs.close()
        assert outbox.pending_count() == 0
    assert sum(told) == 8
    refused = submissions.pop(3)
    assert isinstance(refused.error, TooLarge)
    assert all(each.response is not None for each in submissions)


@pytest.mark.parametrize("size", SIZES)
async def test_an_object_that_is_too_large_is_refused_and_the_upload_goes_on(connection: Connection, size: int) -> None:
    locations = [location(f"L{number}") for number in range(450)]
    # Alone, two in a row, the last; and one that is refused for another reason, whose place must be told all the same.
    for place in (120, 300, 301, 449):
        locations[place].address = "x" * size
    locations[333].party_id = "NOBODY"
    told: list[int] = []
    published = await Publisher(connection, AT_ONCE).locations(locations, told.append)
    refused = dict(published.refusals)
    assert sorted(refused) == [120, 300, 301, 333, 449]
    assert {type(refused.pop(place)) for place in (120, 300, 301, 449)} == {TooLarge}
    assert not isinstance(refused[333], TooLarge)
    # What the hub had taken in and not yet counted when the stream broke was there already when it came again.
    assert (published.applied + published.unchanged, sum(told)) == (445, 450)

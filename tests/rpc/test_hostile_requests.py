"""Every RPC, from a valid request on, each field in turn hostile: a precise answer, and no trace of what is refused.

Each field gets one hostile value, the same in every run; HOSTILE_PER_FIELD=100 tries them all, in some minutes.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from roamhub.v1 import (
    admin_pb2,
    admin_pb2_grpc,
    agreement_pb2,
    agreement_pb2_grpc,
    clearing_pb2,
    clearing_pb2_grpc,
)
from sqlalchemy import Connection, func, select
from sqlmodel import SQLModel

from hub.config import Config
from hub.domain.journal import EntryKind
from hub.domain.parties import Role
from hub.main import Hub
from hub.rpc import policy
from hub.store.database import open_engine
from tests.conftest import PartnerFactory
from tests.rpc.hostile import Hostile, hostile
from tests.rpc.partners import held_link, says_yes
from tests.rpc.test_authorization_matrix import METHODS
from tests.rpc.test_secrecy import everything
from tests.rpc.valid_objects import CONTRACT, CPO, EMSP, UID, terms, unique
from tests.rpc.valid_requests import Base, Names, requests
from tests.support import Refusal, eventually, make_csr, open_channel, refusal

PER_FIELD = int(os.environ.get("HOSTILE_PER_FIELD", "1"))
_PATH = "/roamhub.v1."
#: Ends that say that the hub, or something behind it, has failed.
_FAILURES = frozenset("INTERNAL UNKNOWN UNIMPLEMENTED DATA_LOSS UNAVAILABLE DEADLINE_EXCEEDED CANCELLED".split())


@dataclass
class World:
    """A hub with a CPO and an eMSP that roam, a third party, two operators, and a channel for each."""

    hub: Hub
    connection: Connection
    names: Names = field(default_factory=Names)
    channels: dict[str, grpc.aio.Channel] = field(default_factory=dict)
    number: int = 0

    def request(self, base: Base) -> Any:
        """Return a valid request that was not sent before."""
        self.number += 1
        return base.make(self.number)

    async def call(self, name: str, caller: str, request: Message) -> tuple[Any, Refusal | None]:
        """Call an RPC of any kind; return its first answer, or how it was refused."""
        method = METHODS[_PATH + name]
        kind = f"{_stream(method.client_streaming)}_{_stream(method.server_streaming)}"
        called = getattr(self.channels[caller], kind)(
            _PATH + name, type(request).SerializeToString, GetMessageClass(method.output_type).FromString
        )
        call = called(_one(request) if method.client_streaming else request, timeout=60)
        try:
            if not method.server_streaming:
                return await call, None
            first = await call.read()
            call.cancel()
        except grpc.aio.AioRpcError as error:
            return None, refusal(error)
        return first, None

    def count(self, table: str) -> int:
        """Return how many rows a table has."""
        rows = self.connection.execute(select(func.count()).select_from(SQLModel.metadata.tables[table])).scalar_one()
        self.connection.rollback()
        return int(rows)

    def rows(self) -> tuple[int, ...]:
        """Return how many rows each table has; presence apart, which changes by itself on a busy machine."""
        counts = []
        for table in SQLModel.metadata.sorted_tables:
            counted = select(func.count()).select_from(table)
            if table.name == "journal":
                counted = counted.where(table.c.kind != EntryKind.PRESENCE)
            counts.append(counted.scalar_subquery())
        row = self.connection.execute(select(*counts)).one()
        self.connection.rollback()
        return tuple(row)


def _stream(streams: bool) -> str:
    return "stream" if streams else "unary"


async def _one(request: Message) -> AsyncIterator[Message]:
    yield request


@pytest.fixture
def config(config: Config) -> Config:
    """Return settings with which nothing happens but what is asked for."""
    return replace(config, clearing_seconds=3_600, partner_timeout_seconds=30)


@pytest.fixture
async def world(hub: Hub, partner: PartnerFactory) -> AsyncIterator[World]:
    engine = open_engine(hub.config.database(), read_only=True)
    async with AsyncExitStack() as stack:
        world = World(hub, stack.enter_context(engine.connect()))
        cpo, emsp = await partner("NL-CPO"), await partner("DE-MSP", roles=(Role.EMSP,))
        other = await partner("BE-OTH", roles=(Role.CPO, Role.EMSP))
        world.channels = {"cpo": cpo.channel, "emsp": emsp.channel, "other": other.channel}
        for caller, port, key_pem, chain_pem in (
            ("operator", hub.port, hub.operator.key_pem, hub.operator.chain_pem),
            ("anybody", hub.register_port, None, None),
            ("anna", hub.port, *await second_operator(hub, world)),
        ):
            channel = open_channel(port, hub.ca.ca_pem, key_pem, chain_pem)
            world.channels[caller] = await stack.enter_async_context(channel)
        await roam(world)
        await stack.enter_async_context(held_link(cpo, says_yes))
        await stack.enter_async_context(held_link(emsp, says_yes))
        # It is recorded soon after, and by itself, that a party has come.
        await eventually(lambda: world.count("party_presence") == 2)
        yield world
    engine.dispose()


async def second_operator(hub: Hub, world: World) -> tuple[bytes, bytes]:
    """Return key and certificate of Anna's, and keep her signing request as a valid one."""
    key_pem, csr_pem = make_csr()
    world.names.csr = csr_pem.decode()
    async with open_channel(hub.port, hub.ca.ca_pem, hub.operator.key_pem, hub.operator.chain_pem) as channel:
        request = admin_pb2.CreateOperatorRequest(operator_id="anna", csr_pem=world.names.csr)
        made = await admin_pb2_grpc.AdminServiceStub(channel).CreateOperator(request)
    return key_pem, made.chain_pem.encode()


async def roam(world: World) -> None:
    """Let the CPO and the eMSP agree."""
    proposal = agreement_pb2.ProposeAgreementRequest(party=CPO, cpo=CPO, emsp=EMSP, terms=terms())
    proposed = await agreement_pb2_grpc.AgreementServiceStub(world.channels["cpo"]).ProposeAgreement(proposal)
    acceptance = agreement_pb2.AcceptAgreementRequest(name=proposed.name, party=EMSP, version=1)
    await agreement_pb2_grpc.AgreementServiceStub(world.channels["emsp"]).AcceptAgreement(acceptance)
    world.names.agreement = proposed.name


async def settle(world: World) -> None:
    """Issue the first period; the one after it is left as it is."""
    names = world.names
    root = clearing_pb2_grpc.ClearingServiceStub(world.channels["operator"])
    admin = admin_pb2_grpc.AdminServiceStub(world.channels["operator"])
    anna = admin_pb2_grpc.AdminServiceStub(world.channels["anna"])
    await world.hub.clearing_jobs.follow_calendar()
    listing = clearing_pb2.ListPeriodsRequest(parent=names.agreement)
    names.period = (await root.ListPeriods(listing)).periods[0].name
    names.statement = f"{names.period}/statements/eur"
    await admin.CutOffPeriod(clearing_pb2.CutOffPeriodRequest(name=names.period))
    period = await admin.CalculatePeriod(clearing_pb2.CalculatePeriodRequest(name=names.period))
    await anna.ReviewPeriod(clearing_pb2.ReviewPeriodRequest(name=names.period, etag=period.etag))
    await admin.IssuePeriod(clearing_pb2.IssuePeriodRequest(name=names.period, request_id=unique(1 << 90)))
    names.digest = (await root.GetStatement(clearing_pb2.GetStatementRequest(name=names.statement))).digest
    names.next_period = (await root.ListPeriods(listing)).periods[-1].name


def learn(name: str, request: Any, answer: Any, names: Names) -> None:
    """Keep the names that requests after this one need."""
    match name:
        case "SessionService/PutSession":
            names.session = request.session.id
        case "CdrService/SubmitCdr":
            names.cdr = request.cdr.id
        case "AuthorizationService/Authorize":
            names.reference = answer.authorization_reference
        case "CommandService/StartSession":
            names.command = answer.name
        case "MeterKeyService/RegisterMeterKeys":
            names.meter_key = answer.outcomes[0].key.id
        case "AdminService/CalculatePeriod":
            names.etag = answer.etag
        case _:
            pass


def faults(answer: Any, refused: Refusal | None, logged: str) -> Iterator[str]:
    """Yield what is wrong with how a hostile request ended."""
    if "incident" in logged or "Traceback" in logged:
        yield "an incident"
    for secret in (UID, CONTRACT):
        if secret in logged:
            yield "a personal datum in the log"
        if secret in repr(refused):
            yield "a personal datum in the refusal"
    if refused is None:
        if "code: 13" in str(answer):
            yield "an item that failed"
    elif refused.code.name in _FAILURES or not refused.reason:
        yield f"{refused.code.name} {refused.reason} {refused.message}"
    elif refused.code is grpc.StatusCode.INVALID_ARGUMENT and not refused.fields:
        yield f"{refused.reason} with no field"


async def leaves_traces(world: World, name: str, base: Base, change: Hostile) -> bool:
    """Say whether a refused request changes something each time; a command still under way does so once."""
    for _ in range(3):
        await asyncio.sleep(0.2)
        before, request = world.rows(), world.request(base)
        change.apply(request)
        await world.call(name, base.caller, request)
        if world.rows() == before:
            return False
    return True


async def test_hostile_requests_are_answered_precisely_and_leave_no_trace(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "hub")
    found = []
    for name, base in requests(world.names).items():
        if name == "ClearingService/ListPeriods":
            await settle(world)
        request = world.request(base)
        answer, refused = await world.call(name, base.caller, request)
        assert (refused is not None) == base.refused, f"{name}: {refused}"
        if refused is None:
            learn(name, request, answer, world.names)
        rows = world.rows()
        for change in hostile(base.make(0), name, PER_FIELD):
            request = world.request(base)
            change.apply(request)
            caplog.clear()
            answer, refused = await world.call(name, base.caller, request)
            before, rows = rows, world.rows()
            wrong = list(faults(answer, refused, everything(caplog.records)))
            if refused is not None and rows != before and await leaves_traces(world, name, base, change):
                wrong.append("a trace of what was refused")
            rows = world.rows()
            found += [f"{name} with {change.path} {change.what}: {fault}" for fault in wrong]
    assert not found


def test_there_is_a_valid_request_of_every_rpc() -> None:
    assert {_PATH + name for name in requests(Names())} == METHODS.keys()


#: RPCs whose requests name an owner for each item: the edge lets them pass, and their servicers look at every item.
OF_ITEMS = sorted(path.removeprefix(_PATH) for path, rule in policy.TABLE.items() if rule.roles and rule.owner is None)


def in_anothers_name(message: Any) -> None:
    """Let everything in a message be of a party that another platform operates."""
    for field_, value in message.ListFields():
        if field_.message_type is None or field_.message_type.GetOptions().map_entry:
            continue
        for inner in value if field_.is_repeated else [value]:
            in_anothers_name(inner)
    if {"country_code", "party_id"} <= set(message.DESCRIPTOR.fields_by_name) and message.party_id:
        message.country_code, message.party_id = "BE", "OTH"


def test_rpcs_of_items_are_those_that_publish_and_ask() -> None:
    assert OF_ITEMS == [
        "AuthorizationService/StreamAuthorize",
        "CdrService/BatchSubmitCdrs",
        "CdrService/StreamCdrs",
        "LocationService/BatchPutLocations",
        "LocationService/StreamLocations",
        "TariffService/BatchPutTariffs",
        "TariffService/StreamTariffs",
        "TokenService/BatchPutTokens",
        "TokenService/StreamTokens",
    ]


async def test_an_item_of_another_party_is_refused_in_every_batch_and_stream(world: World) -> None:
    for name in OF_ITEMS:
        base = requests(world.names)[name]
        request = world.request(base)
        in_anothers_name(request)
        rows = world.rows()
        answer, refused = await world.call(name, base.caller, request)
        assert refused is None, f"{name}: {refused}"
        assert "NOT_PERMITTED" in str(answer), f"{name}: {answer}"
        assert world.rows() == rows, name


async def test_a_link_in_anothers_name_is_refused(world: World) -> None:
    base = requests(world.names)["LinkService/Connect"]
    request = world.request(base)
    in_anothers_name(request)
    _, refused = await world.call("LinkService/Connect", base.caller, request)
    assert refused is not None
    assert (refused.code, refused.reason) == (grpc.StatusCode.PERMISSION_DENIED, "NOT_PERMITTED")

"""Who may call what: every RPC of every service, by every kind of caller, in their own and in another's name.

The services are stand-ins that answer whatever reaches them, behind the real edge, the real table and real mutual TLS:
what is proved holds for every servicer, as none is asked before the edge has let the call through.
"""

import asyncio
import importlib
import pkgutil
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest
import roamhub.v1
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from hub.domain.errors import Denied
from hub.domain.ids import PartyId
from hub.domain.parties import Caller, Role
from hub.main import Hub
from hub.main.services import services
from hub.rpc import policy
from hub.rpc.admin import AdminServicer
from hub.rpc.clearing import ClearingServicer
from hub.rpc.transparency import TransparencyServicer
from tests.conftest import PartnerFactory
from tests.support import Refusal, open_channel, refusal, stand_ins

#: What partners implement and the hub calls.
_PARTNERS_OWN = {"PartnerService"}


def contract_services() -> Iterator[ServiceDescriptor]:
    for module in pkgutil.iter_modules(roamhub.v1.__path__):
        if module.name.endswith("_pb2"):
            contract = importlib.import_module(f"roamhub.v1.{module.name}")
            for service in contract.DESCRIPTOR.services_by_name.values():
                if service.name not in _PARTNERS_OWN:
                    yield service


METHODS = {
    f"/{service.full_name}/{method.name}": method for service in contract_services() for method in service.methods
}


def test_every_rpc_has_its_row_and_no_row_is_left_over() -> None:
    rows = {path for path in policy.TABLE if path.startswith("/roamhub.v1.")}
    assert METHODS.keys() - rows == set(), "RPCs that would be refused to everybody"
    assert rows - METHODS.keys() == set(), "rows of no RPC"


async def test_the_hub_answers_every_service_of_its_contract(hub: Hub) -> None:
    answered = {service.full_name for service, _ in services(hub)}
    assert answered == {service.full_name for service in contract_services()}


#: What operators called by other services before AdminService had it.
DEPRECATED = sorted(path for path, method in METHODS.items() if method.GetOptions().deprecated)


def test_what_only_operators_do_is_in_the_admin_service_or_deprecated() -> None:
    elsewhere = {path for path, rule in policy.TABLE.items() if rule.operator and "AdminService" not in path}
    assert elsewhere == set(DEPRECATED)
    assert len(DEPRECATED) == 6


@pytest.mark.parametrize("path", DEPRECATED)
def test_a_deprecated_rpc_is_its_successor_by_another_name(path: str) -> None:
    old = METHODS[path]
    new = METHODS[f"/roamhub.v1.AdminService/{old.name}"]
    assert (new.input_type, new.output_type) == (old.input_type, old.output_type)
    assert policy.TABLE[path] == policy.TABLE[f"/roamhub.v1.AdminService/{old.name}"]
    servicer = {"ClearingService": ClearingServicer, "TransparencyService": TransparencyServicer}
    assert getattr(servicer[old.containing_service.name], old.name) is getattr(AdminServicer, old.name)


@pytest.mark.parametrize("path", sorted(policy.TABLE))
def test_the_owner_of_a_row_is_a_party_in_the_request(path: str) -> None:
    rule = policy.TABLE[path]
    if rule.owner is None:
        return
    message: Any = METHODS[path].input_type
    for step in filter(None, rule.owner.split(".")):
        message = message.fields_by_name[step].message_type
    assert {"country_code", "party_id"} <= set(message.fields_by_name)


@pytest.mark.parametrize("path", sorted(policy.TABLE))
def test_a_row_says_one_thing(path: str) -> None:
    rule = policy.TABLE[path]
    assert (rule.operator, rule.anonymous, rule.unregistered, bool(rule.roles) or rule.owner is not None).count(
        True
    ) <= 1


#: What grpc.aio's client says, and not the hub, when a stream is refused while the client writes its first message.
_OVERTAKEN = "Internal error from Core"


class StandIn:
    """Answers every RPC of a service with an empty response, once it is reached."""

    def __init__(self, service: ServiceDescriptor) -> None:
        for method in service.methods:
            setattr(self, method.name, _answer(method))


def _answer(method: MethodDescriptor) -> Any:
    empty = GetMessageClass(method.output_type)()

    async def unary(request: Any, call: object) -> Message:
        if method.client_streaming:
            async for _ in request:
                pass
        return empty

    async def stream(request: Any, call: object) -> AsyncIterator[Message]:
        if method.client_streaming:
            async for _ in request:
                pass
        yield empty

    return stream if method.server_streaming else unary


_ROLES: dict[str, set[Role]] = {
    "operator": set(),
    "cpo": {Role.CPO},
    "emsp": {Role.EMSP},
    "other": {Role.NSP},
    "nobody": set(),
}
#: In whose name a request speaks: nobody's, the caller's own, one of another platform, one that does not exist.
_OWNERS = {"empty": ("", ""), "own": None, "another": ("BE", "CPO"), "unknown": ("ZZ", "ZZZ")}


def allowed(rule: policy.Rule, kind: str, owner: str) -> bool:
    """Say what the table means, in other words than the code that enforces it."""
    if rule.anonymous:
        return True
    if kind == "operator":
        return rule.operator or rule.also_operator
    if rule.operator or rule.unregistered:
        return rule.unregistered
    in_role = bool(_ROLES[kind] & rule.roles if rule.roles else _ROLES[kind])
    return in_role and (rule.owner is None or owner == "own")


@pytest.fixture
async def channels(hub: Hub, partner: PartnerFactory) -> AsyncIterator[dict[str, grpc.aio.Channel]]:
    """Return channels to the stand-ins, one for each kind of caller."""
    pairs = {"operator": (hub.operator.key_pem, hub.operator.chain_pem)}
    for kind, roles in _ROLES.items():
        if kind != "operator":
            each = await partner(*([f"NL-{kind[:3]}"] if roles else []), roles=tuple(roles), platform=kind)
            pairs[kind] = each.key_pem, each.chain_pem
    await partner("BE-CPO", roles=tuple(Role), platform="another")
    async with stand_ins(hub, [(service, StandIn(service)) for service in contract_services()]) as port:
        opened = {kind: open_channel(port, hub.ca.ca_pem, *pair) for kind, pair in pairs.items()}
        yield opened
        for channel in opened.values():
            await channel.close()


@pytest.mark.parametrize("kind", _ROLES)
async def test_each_kind_of_caller_reaches_what_its_row_allows_and_nothing_else(
    channels: dict[str, grpc.aio.Channel], kind: str
) -> None:
    wrong = []
    refusals = set()
    for path, method in METHODS.items():
        rule = policy.TABLE[path]
        for owner in _OWNERS:
            reached, answer = await call(channels[kind], path, method, request_of(method, rule, kind, owner))
            if reached != allowed(rule, kind, owner):
                wrong.append(f"{path} by {kind} for {owner}: {answer}")
            if answer is not None:
                refusals.add(answer)
    assert wrong == []
    # One refusal for all: it tells nothing of what exists.
    assert {(answer.code, answer.reason) for answer in refusals} <= {
        (grpc.StatusCode.PERMISSION_DENIED, "NOT_PERMITTED")
    }
    assert len({answer.message for answer in refusals}) <= 1


def request_of(method: MethodDescriptor, rule: policy.Rule, kind: str, owner: str) -> Message:
    request = GetMessageClass(method.input_type)()
    if rule.owner is not None:
        target: Any = request
        for step in filter(None, rule.owner.split(".")):
            target = getattr(target, step)
        target.country_code, target.party_id = _OWNERS[owner] or ("NL", kind[:3])
    return request


async def call(
    channel: grpc.aio.Channel, path: str, method: MethodDescriptor, request: Message
) -> tuple[bool, Refusal | None]:
    """Return whether a call reached its servicer, and how it was refused if not."""
    coders = type(request).SerializeToString, GetMessageClass(method.output_type).FromString
    sent: Any = [request] if method.client_streaming else request
    try:
        match method.client_streaming, method.server_streaming:
            case False, False:
                await channel.unary_unary(path, *coders)(sent)
            case True, False:
                await channel.stream_unary(path, *coders)(sent)
            case False, True:
                assert [answer async for answer in channel.unary_stream(path, *coders)(sent)]
            case _:
                assert [answer async for answer in channel.stream_stream(path, *coders)(sent)]
    except grpc.aio.AioRpcError as error:
        if error.details() == _OVERTAKEN:
            return await call(channel, path, method, request)
        return False, refusal(error)
    return True, None


async def test_a_stream_of_requests_is_refused_before_its_first_message(
    channels: dict[str, grpc.aio.Channel],
) -> None:
    streams = {path: m for path, m in METHODS.items() if m.client_streaming}
    assert streams
    for path, method in streams.items():
        coders = GetMessageClass(method.input_type).SerializeToString, GetMessageClass(method.output_type).FromString
        if method.server_streaming:
            answered: Any = channels["nobody"].stream_stream(path, *coders)(_silence()).read()
        else:
            answered = channels["nobody"].stream_unary(path, *coders)(_silence())
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await answered
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def _silence() -> AsyncIterator[Any]:
    await asyncio.Event().wait()
    yield None


def test_an_rpc_without_a_row_is_refused_to_everybody() -> None:
    everybody = Caller(platform="x", operator=True, parties={PartyId("NL", "ABC"): frozenset(Role)})
    with pytest.raises(Denied):
        policy.checker(None)(everybody, None)
    with pytest.raises(Denied):
        policy.opener(None)(everybody)

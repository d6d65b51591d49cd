"""Every service the hub answers; each is one line here and its rows in `hub.rpc.policy`."""

from datetime import timedelta
from types import ModuleType
from typing import TYPE_CHECKING

from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from roamhub.v1 import (
    admin_pb2,
    agreement_pb2,
    authorization_pb2,
    cdr_pb2,
    clearing_pb2,
    command_pb2,
    journal_pb2,
    link_pb2,
    location_pb2,
    meter_pb2,
    party_pb2,
    registration_pb2,
    session_pb2,
    tariff_pb2,
    token_pb2,
    transparency_pb2,
)

from hub.app.authorization import Authorizer
from hub.crypto.meter.keys import read_material
from hub.rpc.admin import AdminServicer
from hub.rpc.agreements import AgreementServicer
from hub.rpc.authorizations import AuthorizationServicer
from hub.rpc.cdrs import CdrServicer
from hub.rpc.clearing import ClearingServicer
from hub.rpc.commands import CommandServicer
from hub.rpc.health import HealthServicer, ReflectedContract
from hub.rpc.journal import JournalServicer
from hub.rpc.link import LinkServicer
from hub.rpc.location_edit import PbLocationEditor
from hub.rpc.locations import LocationServicer
from hub.rpc.meter_keys import MeterKeyServicer
from hub.rpc.parties import PartyServicer
from hub.rpc.registration import RegistrationServicer
from hub.rpc.sessions import SessionServicer
from hub.rpc.tariffs import TariffServicer
from hub.rpc.tokens import TokenServicer
from hub.rpc.transparency import TransparencyServicer

if TYPE_CHECKING:
    from hub.main.hub import Hub

Service = tuple[ServiceDescriptor, object]


def services(hub: "Hub") -> list[Service]:
    """Return what is answered on the mutual-TLS port."""
    committer, reads, tail, directory = hub.committer, hub.reads, hub.tail, lambda: hub.directory.current
    authorizer = Authorizer(committer=committer, partners=hub.partners, wait_seconds=hub.config.partner_timeout_seconds)
    skew = timedelta(seconds=hub.config.clock_skew_seconds)
    return [
        *registration(hub),
        _one(
            party_pb2,
            PartyServicer(
                committer=committer,
                reads=reads,
                directory=directory,
                reachable=hub.reachable,
                named=hub.routing.named,
            ),
        ),
        _one(
            admin_pb2,
            AdminServicer(
                committer=committer,
                reads=reads,
                clearing=hub.clearing,
                certifier=hub.ca,
                register_endpoint=hub.register_endpoint,
                reachable=hub.reachable,
            ),
        ),
        _one(
            agreement_pb2,
            AgreementServicer(
                committer=committer, reads=reads, directory=directory, clock=hub.clock, settings=hub.clearing
            ),
        ),
        _one(journal_pb2, JournalServicer(reads=reads, tail=tail, directory=directory)),
        _one(session_pb2, SessionServicer(committer=committer, reads=reads, clock=hub.clock, clock_skew=skew)),
        _one(link_pb2, LinkServicer(links=hub.routing.links)),
        _one(authorization_pb2, AuthorizationServicer(authorizer=authorizer, reads=reads)),
        _one(command_pb2, CommandServicer(desk=hub.commands, reads=reads, clock=hub.clock, new_id=hub.new_id)),
        _one(
            location_pb2,
            LocationServicer(
                committer=committer, reads=reads, editor=PbLocationEditor(), clock=hub.clock, clock_skew=skew
            ),
        ),
        _one(meter_pb2, MeterKeyServicer(committer=committer, reads=reads, read_key=read_material)),
        _one(
            tariff_pb2,
            TariffServicer(committer=committer, reads=reads, clock=hub.clock, clock_skew=skew),
        ),
        _one(token_pb2, TokenServicer(committer=committer, reads=reads, clock=hub.clock, clock_skew=skew)),
        _one(cdr_pb2, CdrServicer(committer=committer, reads=reads, tail=tail, meters=hub.meters, clock_skew=skew)),
        _one(clearing_pb2, ClearingServicer(committer=committer, reads=reads, settings=hub.clearing)),
        _one(transparency_pb2, TransparencyServicer(committer=committer, reads=reads, notary=hub.clearing.notary)),
    ]


def watched(answered: list[Service], health: HealthServicer) -> list[Service]:
    """Return services with health checking and reflection beside them."""
    names = [descriptor.full_name for descriptor, _ in answered]
    health.watch_over(names)
    return [*answered, _one(health_pb2, health), _one(reflection_pb2, ReflectedContract(names))]


def registration(hub: "Hub") -> list[Service]:
    """Return what is answered on the port for those who have no certificate yet."""
    servicer = RegistrationServicer(committer=hub.committer, certifier=hub.ca, endpoint=hub.endpoint)
    return [_one(registration_pb2, servicer)]


def _one(contract: ModuleType, servicer: object) -> Service:
    """Return the one service of a contract file with what answers it."""
    (descriptor,) = contract.DESCRIPTOR.services_by_name.values()
    return descriptor, servicer

"""Agreements on the wire: terms and versions to and from their messages."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.type.decimal_pb2 import Decimal as PbDecimal
from roamhub.v1 import agreement_pb2 as pb
from roamhub.v1.common_pb2 import PartyKey

from hub.domain.agreements import Agreement, AgreementState, CheckAction, Cycle, Netting, Rounding, Service, Terms
from hub.domain.errors import invalid
from hub.rpc.wire import Reader, party_to_pb, time_to_pb

E = TypeVar("E", bound=StrEnum)

_NAME = re.compile(r"agreements/([A-Za-z0-9-]{1,64})")
_NOTE_MAX = 500
_SECONDS_MAX = 315_576_000_000  # what google.protobuf.Duration allows


def _known(enum: type[E], values: Mapping[str, int], prefix: str) -> dict[int, E]:
    """Return the domain's words by the numbers of the enum's values on the wire."""
    return {values[f"{prefix}_{member.name}"]: member for member in enum}


STATES = _known(AgreementState, dict(pb.Agreement.State.items()), "STATE")
SERVICES = _known(Service, dict(pb.AgreementTerms.Service.items()), "SERVICE")
CYCLES = _known(Cycle, dict(pb.AgreementTerms.Cycle.items()), "CYCLE")
ROUNDINGS = _known(Rounding, dict(pb.AgreementTerms.Rounding.items()), "ROUNDING")
NETTINGS = _known(Netting, dict(pb.AgreementTerms.Netting.items()), "NETTING")
ACTIONS = _known(CheckAction, dict(pb.AgreementTerms.CheckAction.items()), "CHECK_ACTION")

_KNOWN: list[dict[int, Any]] = [STATES, SERVICES, CYCLES, ROUNDINGS, NETTINGS, ACTIONS]
# Any: the stubs give each enum's numbers a type of their own.
_NUMBERS: dict[StrEnum, Any] = {word: number for known in _KNOWN for number, word in known.items()}
# Two enums of the domain share no word, or one number would hide the other.
assert len(_NUMBERS) == sum(len(known) for known in _KNOWN)

_SUGGESTED = Terms(currency="XXX")


def agreement_id(name: str) -> str:
    """Return the id in a resource name.

    Raises:
        Invalid: It is no name of an agreement.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise invalid("name", "must have the form agreements/{agreement}" if name else "is required")
    return match[1].lower()


def note_from_pb(text: str) -> str:
    """Return a note for people; raises Invalid."""
    if len(text) > _NOTE_MAX:
        raise invalid("note", f"must have at most {_NOTE_MAX} characters")
    if any(not c.isprintable() and c not in "\n\t" for c in text):
        raise invalid("note", "must hold printable characters only")
    return text


def version_from_pb(number: int, *, required: bool) -> int:
    """Return the number of a version; raises Invalid."""
    if number < 0 or (required and number == 0):
        raise invalid("version", "is required, and must be positive" if required else "must not be negative")
    return number


def terms_from_pb(message: pb.AgreementTerms, now: datetime) -> Terms:
    """Return the terms; what is left out gets the value the contract names.

    Raises:
        Invalid: A field cannot be read; what the terms mean is judged by the domain.
    """
    read = Reader("terms")
    services = frozenset(
        read.one_of(f"services[{i}]", number, SERVICES, Service.ROAMING) for i, number in enumerate(message.services)
    )
    if not message.services:
        read.refuse("services", "is required")
    for field in ("currency_code", "time_zone"):
        if not getattr(message, field):
            read.refuse(field, "is required")
    terms = Terms(
        services=services,
        currency=message.currency_code,
        cycle=read.one_of("cycle", message.cycle, CYCLES, Cycle.MONTHLY),
        time_zone=message.time_zone,
        grace=_duration(read, "grace", message, _SUGGESTED.grace),
        dispute_window=_duration(read, "dispute_window", message, _SUGGESTED.dispute_window),
        price_tolerance=_decimal(read, "price_tolerance", message.price_tolerance, _SUGGESTED.price_tolerance),
        price_tolerance_relative=_decimal(
            read, "price_tolerance_relative", message.price_tolerance_relative, _SUGGESTED.price_tolerance_relative
        ),
        cdr_age_max=_duration(read, "cdr_age_max", message, _SUGGESTED.cdr_age_max),
        return_window=_duration(read, "return_window", message, _SUGGESTED.return_window),
        review_window=_duration(read, "review_window", message, _SUGGESTED.review_window),
        rounding=_optional(read, "rounding", message.rounding, ROUNDINGS, _SUGGESTED.rounding),
        tax_profile=message.tax_profile or _SUGGESTED.tax_profile,
        fx_profile=message.fx_profile or _SUGGESTED.fx_profile,
        fee_profile=message.fee_profile or _SUGGESTED.fee_profile,
        netting=_optional(read, "netting", message.netting, NETTINGS, _SUGGESTED.netting),
        pricing_policy=message.pricing_policy or _SUGGESTED.pricing_policy,
        allow_stored_authorization=message.allow_stored_authorization,
        checks={
            code: read.one_of(f"checks[{code[:64]!r}]", number, ACTIONS, CheckAction.ACCEPT)
            for code, number in message.checks.items()
        },
        start=read.time("start_time", message.start_time) if message.HasField("start_time") else now,
        end=read.time("end_time", message.end_time) if message.HasField("end_time") else None,
    )
    read.done()
    return terms


def _optional(read: Reader, field: str, number: int, known: dict[int, E], suggested: E) -> E:
    return read.one_of(field, number, known, suggested) if number else suggested


def _decimal(read: Reader, field: str, number: PbDecimal, suggested: Decimal) -> Decimal:
    return read.decimal(field, number) if number.value else suggested


def _duration(read: Reader, field: str, message: pb.AgreementTerms, suggested: timedelta) -> timedelta:
    if not message.HasField(field):  # type: ignore[arg-type]
        return suggested
    duration: Duration = getattr(message, field)
    if abs(duration.seconds) > _SECONDS_MAX or abs(duration.nanos) >= 1_000_000_000:
        read.refuse(field, "must be a duration of at most 10,000 years")
        return suggested
    if duration.nanos:
        read.refuse(field, "must be a whole number of seconds")
    return timedelta(seconds=duration.seconds)


def terms_to_pb(terms: Terms) -> pb.AgreementTerms:
    """Return the message of the terms."""
    message = pb.AgreementTerms(
        services=sorted(_NUMBERS[service] for service in terms.services),
        currency_code=terms.currency,
        cycle=_NUMBERS[terms.cycle],
        time_zone=terms.time_zone,
        grace=Duration(seconds=int(terms.grace.total_seconds())),
        dispute_window=Duration(seconds=int(terms.dispute_window.total_seconds())),
        price_tolerance=PbDecimal(value=f"{terms.price_tolerance:f}"),
        price_tolerance_relative=PbDecimal(value=f"{terms.price_tolerance_relative:f}"),
        cdr_age_max=Duration(seconds=int(terms.cdr_age_max.total_seconds())),
        return_window=Duration(seconds=int(terms.return_window.total_seconds())),
        review_window=Duration(seconds=int(terms.review_window.total_seconds())),
        rounding=_NUMBERS[terms.rounding],
        tax_profile=terms.tax_profile,
        fx_profile=terms.fx_profile,
        fee_profile=terms.fee_profile,
        netting=_NUMBERS[terms.netting],
        pricing_policy=terms.pricing_policy,
        allow_stored_authorization=terms.allow_stored_authorization,
        checks={code: _NUMBERS[action] for code, action in terms.checks.items()},
        start_time=time_to_pb(terms.start),
    )
    if terms.end is not None:
        message.end_time.CopyFrom(time_to_pb(terms.end))
    return message


def agreement_to_pb(agreement: Agreement) -> pb.Agreement:
    """Return the message of one version."""
    message = pb.Agreement(
        name=agreement.name,
        version=agreement.version,
        state=_NUMBERS[agreement.state],
        cpo=party_to_pb(agreement.cpo),
        emsp=party_to_pb(agreement.emsp),
        terms=terms_to_pb(agreement.terms),
        proposer=party_to_pb(agreement.proposer),
        suspended_by=[
            PartyKey(country_code=party.country_code, party_id=party.party_id)
            for party in sorted(agreement.suspended_by)
        ],
        note=agreement.note,
        create_time=time_to_pb(agreement.created),
        update_time=time_to_pb(agreement.changed),
        etag=agreement.etag,
    )
    if agreement.since is not None:
        message.in_force_time.CopyFrom(time_to_pb(agreement.since))
    if agreement.ended is not None:
        message.terminate_time.CopyFrom(time_to_pb(agreement.ended))
    return message


def encode_agreement(agreement: Agreement) -> bytes:
    """Return the serialised message of one version, the body of its journal facts."""
    # Maps have no order of their own: the same version is the same bytes in every process.
    return agreement_to_pb(agreement).SerializeToString(deterministic=True)

"""Terms to the wire, to the database and back; and whatever a partner may send in their place."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.decimal_pb2 import Decimal as PbDecimal
from hypothesis import given
from hypothesis import strategies as st
from roamhub.v1 import agreement_pb2 as pb

from hub.domain.agreements import (
    Agreement,
    AgreementState,
    CheckAction,
    Cycle,
    Netting,
    Rounding,
    Service,
    Terms,
    violations_of,
)
from hub.domain.errors import Invalid
from hub.domain.rating.policy import POLICIES
from hub.rpc.agreement_messages import agreement_to_pb, encode_agreement, terms_from_pb, terms_to_pb
from hub.store.agreements import terms_from_text, terms_to_text
from tests.unit.agreements.making import CPO, EMSP, NOW

seconds = st.integers(60, 90 * 86_400).map(lambda n: timedelta(seconds=n))
instants = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - zone is given
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)
some_terms = st.builds(
    Terms,
    services=st.frozensets(st.sampled_from(Service)).map(lambda some: some | {Service.ROAMING}),
    currency=st.from_regex(r"[A-Z]{3}", fullmatch=True),
    cycle=st.sampled_from(Cycle),
    time_zone=st.sampled_from(["UTC", "Europe/Amsterdam", "America/St_Johns", "Pacific/Chatham"]),
    grace=seconds,
    dispute_window=seconds,
    price_tolerance=st.decimals(0, 1000, places=4),
    price_tolerance_relative=st.decimals(0, 1, places=6),
    cdr_age_max=seconds,
    return_window=seconds,
    review_window=seconds,
    rounding=st.sampled_from(Rounding),
    tax_profile=names,
    fee_profile=names,
    netting=st.sampled_from(Netting),
    pricing_policy=st.sampled_from(sorted(POLICIES)),
    allow_stored_authorization=st.booleans(),
    checks=st.dictionaries(
        st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,20}", fullmatch=True), st.sampled_from(CheckAction), max_size=4
    ),
    start=instants,
    end=st.none() | instants,
)
agreements = st.builds(
    Agreement,
    id=st.uuids().map(str),
    version=st.integers(1, 500),
    cpo=st.just(CPO),
    emsp=st.just(EMSP),
    state=st.sampled_from(AgreementState),
    terms=some_terms,
    proposer=st.sampled_from([CPO, EMSP]),
    suspended_by=st.frozensets(st.sampled_from([CPO, EMSP])),
    note=st.text(max_size=20),
    created=instants,
    changed=instants,
    since=st.none() | instants,
    ended=st.none() | instants,
)


@given(some_terms)
def test_terms_survive_the_wire_and_the_database(terms: Terms) -> None:
    assert terms_from_pb(pb.AgreementTerms.FromString(terms_to_pb(terms).SerializeToString()), NOW) == terms
    assert terms_from_text(terms_to_text(terms)) == terms


@given(some_terms)
def test_equal_terms_are_equal_text_whatever_the_order_in_which_they_were_given(terms: Terms) -> None:
    turned = Terms(
        **{name: getattr(terms, name) for name in Terms.__slots__ if name != "checks"},
        checks=dict(reversed(list(terms.checks.items()))),
    )
    assert terms_to_text(turned) == terms_to_text(terms)


@given(agreements)
def test_a_version_is_the_same_bytes_every_time_and_keeps_all_it_says(agreement: Agreement) -> None:
    assert encode_agreement(agreement) == encode_agreement(agreement)
    read = pb.Agreement.FromString(encode_agreement(agreement))
    assert read == agreement_to_pb(agreement)
    assert (read.name, read.version, read.etag, read.note) == (
        f"agreements/{agreement.id}",
        agreement.version,
        agreement.etag,
        agreement.note,
    )
    assert pb.Agreement.State.Name(read.state) == f"STATE_{agreement.state}"
    assert len(read.suspended_by) == len(agreement.suspended_by)


numbers = st.integers(-(1 << 31), (1 << 31) - 1)
durations = st.builds(Duration, seconds=st.integers(-(1 << 63), (1 << 63) - 1), nanos=numbers)
stamps = st.builds(Timestamp, seconds=st.integers(-(1 << 63), (1 << 63) - 1), nanos=numbers)
decimals = st.builds(
    PbDecimal, value=st.text(max_size=50) | st.decimals().map(str) | st.from_regex(r"-?[0-9]{1,4}[eE]-?[0-9]{1,9}")
)
hostile_terms = st.builds(
    pb.AgreementTerms,
    services=st.lists(numbers, max_size=3),
    currency_code=st.text(max_size=5),
    cycle=numbers,
    time_zone=st.text(max_size=40) | st.sampled_from(["Europe/Amsterdam", "/", "..", "posixrules", "Factory"]),
    grace=st.none() | durations,
    dispute_window=st.none() | durations,
    price_tolerance=st.none() | decimals,
    price_tolerance_relative=st.none() | decimals,
    cdr_age_max=st.none() | durations,
    return_window=st.none() | durations,
    review_window=st.none() | durations,
    rounding=numbers,
    tax_profile=st.text(max_size=70),
    fx_profile=st.text(max_size=5),
    fee_profile=st.text(max_size=70),
    netting=numbers,
    pricing_policy=st.text(max_size=20),
    checks=st.dictionaries(st.text(max_size=70), numbers, max_size=3),
    start_time=st.none() | stamps,
    end_time=st.none() | stamps,
)


def read(message: pb.AgreementTerms) -> tuple[Terms | None, set[str]]:
    """Return the terms, or the fields that are refused."""
    try:
        return terms_from_pb(message, NOW), set()
    except Invalid as refusal:
        return None, {violation.field for violation in refusal.violations}


@given(hostile_terms)
def test_whatever_is_sent_as_terms_is_read_or_refused_by_its_fields(message: pb.AgreementTerms) -> None:
    terms, refused = read(message)
    assert all(field.startswith("terms.") for field in refused)
    if terms is not None:
        violations_of(terms, NOW)


@given(decimals)
def test_whatever_is_sent_as_a_tolerance_is_judged_without_a_mishap(number: PbDecimal) -> None:
    message = terms_to_pb(Terms(currency="EUR"))
    message.price_tolerance.CopyFrom(number)
    message.price_tolerance_relative.CopyFrom(number)
    terms, refused = read(message)
    assert refused <= {"terms.price_tolerance", "terms.price_tolerance_relative"}
    if terms is not None and not violations_of(terms, NOW):
        assert 0 <= terms.price_tolerance <= 1_000_000
        assert 0 <= terms.price_tolerance_relative <= 1
        assert terms_from_text(terms_to_text(terms)).price_tolerance == terms.price_tolerance


def test_a_tolerance_is_written_without_an_exponent() -> None:
    terms = Terms(currency="EUR", price_tolerance=Decimal("1E+2"), price_tolerance_relative=Decimal("1E-6"))
    message = terms_to_pb(terms)
    assert (message.price_tolerance.value, message.price_tolerance_relative.value) == ("100", "0.000001")


def test_terms_written_before_returns_had_deadlines_get_the_suggested_ones() -> None:
    suggested = Terms(currency="EUR")
    said = json.loads(terms_to_text(suggested))
    del said["return_window"], said["review_window"]
    assert terms_from_text(json.dumps(said)) == suggested

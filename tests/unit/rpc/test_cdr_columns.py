"""Many submissions read together say what they say when read one by one, and are refused for the same fields."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import UUID

import pytest
from google.type.decimal_pb2 import Decimal as PbDecimal
from hypothesis import example, given, settings
from hypothesis import strategies as st
from roamhub.v1 import cdr_pb2, session_object_pb2

from hub.app.cdrs.submit import CdrSubmission
from hub.domain.errors import Invalid
from hub.rpc import cdr_columns
from hub.rpc.cdr_columns import Unread, read_submissions
from hub.rpc.cdr_wire import submission_from_pb
from tests.cdrs import credit_of, make_cdr, number, period, submission

#: What makes a submission unusual or wrong: a value for a field, by its path.
TEXTS = st.sampled_from(
    ["", "x", "TOK 1", "x" * 36, "x" * 37, "x" * 40, "new\nline", "\u200b", "EUR", "eur", "E1R", "NL"]
)
AMOUNTS = st.sampled_from(
    [
        "",
        "0",
        "-0",
        "-1.5",
        "7.0000",
        "7.00001",
        "1e2",
        "NaN",
        "Infinity",
        "1.2.3",
        ".",
        "1" * 12,
        "9" * 41,
        " 1",
        "1_0",
    ]
)
INSTANTS = st.sampled_from([0, 1, -1, 1_700_000_000, 253_402_300_799, 253_402_300_800, -(10**11)])
NANOS = st.sampled_from([0, 1, 999, 1000, 999_999_999, 1_000_000_000, -1])
KINDS = st.sampled_from([*session_object_pb2.CdrDimensionType.values(), 77])
FLAGS = st.booleans()

FIELDS: dict[str, st.SearchStrategy[object]] = {
    **dict.fromkeys(
        [
            "request_id",
            "replaces",
            "cdr.country_code",
            "cdr.party_id",
            "cdr.id",
            "cdr.currency",
            "cdr.session_id",
            "cdr.authorization_reference",
            "cdr.extensions",
            "cdr.credit_reference_id",
            "cdr.cdr_token.country_code",
            "cdr.cdr_token.party_id",
            "cdr.cdr_token.uid",
            "cdr.cdr_token.type",
            "cdr.cdr_token.contract_id",
            "cdr.cdr_location.id",
            "cdr.cdr_location.evse_uid",
            "cdr.cdr_location.connector_id",
            "cdr.cdr_location.country",
            "cdr.charging_periods[0].tariff_id",
            "cdr.tariffs[0].id",
        ],
        TEXTS,
    ),
    **dict.fromkeys(
        [
            "cdr.total_cost.before_taxes.value",
            "cdr.total_cost.after_taxes.value",
            "cdr.total_energy.value",
            "cdr.total_time.value",
            "cdr.total_parking_time.value",
            "cdr.total_energy_cost.before_taxes.value",
            "cdr.charging_periods[1].dimensions[0].volume.value",
        ],
        AMOUNTS,
    ),
    **dict.fromkeys(
        [
            "cdr.start_date_time.seconds",
            "cdr.end_date_time.seconds",
            "cdr.last_updated.seconds",
            "cdr.charging_periods[0].start_date_time.seconds",
        ],
        INSTANTS,
    ),
    "cdr.start_date_time.nanos": NANOS,
    "cdr.charging_periods[1].start_date_time.nanos": NANOS,
    "cdr.credit": FLAGS,
    "cdr.auth_method": KINDS,
    "cdr.cdr_location.connector_format": KINDS,
    "cdr.cdr_location.connector_power_type": KINDS,
    "cdr.charging_periods[0].dimensions[0].type": KINDS,
    "cdr.charging_periods[1].dimensions[1].type": KINDS,
    "cdr.tariffs[0].type": KINDS,
    "cdr.signed_data.encoding_method": TEXTS,
}
CHANGES = st.sampled_from(sorted(FIELDS)).flatmap(lambda path: st.tuples(st.just(path), FIELDS[path]))
#: For each of several submissions, what is changed about it: mostly nothing.
MIXTURES = st.lists(st.one_of(st.just([]), st.just([]), st.lists(CHANGES, max_size=3)), min_size=1, max_size=14)


def usual(name: int) -> cdr_pb2.SubmitCdrRequest:
    return submission(make_cdr(f"CDR-{name}"), name + 1)


def change(request: cdr_pb2.SubmitCdrRequest, path: str, value: object) -> None:
    *owners, last = path.replace("[", ".[").split(".")
    message: object = request
    for owner in owners:
        message = message[int(owner[1:-1])] if owner[0] == "[" else getattr(message, owner)  # type: ignore[index]
    setattr(message, last, value)


def one_by_one(requests: Sequence[cdr_pb2.SubmitCdrRequest]) -> list[str]:
    said = []
    for request in requests:
        try:
            said.append(repr(submission_from_pb(request, "cpo")))
        except Invalid as refusal:
            said.append(repr(refusal.violations))
    return said


def together(requests: Sequence[cdr_pb2.SubmitCdrRequest]) -> list[str]:
    read = read_submissions([Unread(request, "cpo") for request in requests])
    return [repr(each.violations if isinstance(each, Invalid) else each) for each in read]


@settings(max_examples=300, deadline=None)
@given(MIXTURES)
@example([[]] * 8)
@example([[("cdr.charging_periods[0].dimensions[0].type", session_object_pb2.CDR_DIMENSION_TYPE_PARKING_TIME)]] * 8)
def test_a_mixture_of_submissions_says_together_what_each_says_alone(mixture: list[list[tuple[str, object]]]) -> None:
    requests = [usual(name) for name in range(len(mixture))]
    for request, changes in zip(requests, mixture, strict=True):
        for path, value in changes:
            change(request, path, value)
    assert together(requests) == one_by_one(requests)


def _energy_alone(request: cdr_pb2.SubmitCdrRequest) -> None:
    for each in request.cdr.charging_periods:
        del each.dimensions[1:]


def _time_first(request: cdr_pb2.SubmitCdrRequest) -> None:
    for each in request.cdr.charging_periods:
        each.dimensions.reverse()


def _one_energy_one_time(request: cdr_pb2.SubmitCdrRequest) -> None:
    # Of as many dimensions in the same order as usual ones, and not of the same in each period.
    first, second = request.cdr.charging_periods
    second.dimensions.insert(0, first.dimensions.pop())


def _energy_twice(request: cdr_pb2.SubmitCdrRequest) -> None:
    for each in request.cdr.charging_periods:
        each.dimensions[1].type = each.dimensions[0].type


def _out_of_order(request: cdr_pb2.SubmitCdrRequest) -> None:
    request.cdr.charging_periods.reverse()


def _no_periods(request: cdr_pb2.SubmitCdrRequest) -> None:
    request.cdr.ClearField("charging_periods")


def _no_dimensions(request: cdr_pb2.SubmitCdrRequest) -> None:
    for each in request.cdr.charging_periods:
        each.ClearField("dimensions")


def _many_periods(request: cdr_pb2.SubmitCdrRequest) -> None:
    request.cdr.charging_periods.extend(period(place, "1", "0.1") for place in range(50))
    for place, each in enumerate(request.cdr.charging_periods):
        each.tariff_id = f"T{place % 3}"


def _after_taxes_alone(request: cdr_pb2.SubmitCdrRequest) -> None:
    request.cdr.total_cost.ClearField("before_taxes")


def _parking(request: cdr_pb2.SubmitCdrRequest) -> None:
    request.cdr.total_parking_time.CopyFrom(number("0.5"))
    request.cdr.total_parking_cost.before_taxes.CopyFrom(PbDecimal(value="1.00"))


def _credit(request: cdr_pb2.SubmitCdrRequest) -> None:
    request.cdr.CopyFrom(credit_of(make_cdr("CDR-0"), request.cdr.id))


SHAPES = [
    _energy_alone,
    _time_first,
    _one_energy_one_time,
    _energy_twice,
    _out_of_order,
    _no_periods,
    _no_dimensions,
    _many_periods,
    _after_taxes_alone,
    _parking,
    _credit,
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("of_all", [True, False], ids=["all", "some"])
def test_submissions_of_any_shape_say_together_what_each_says_alone(
    shape: Callable[[cdr_pb2.SubmitCdrRequest], None], of_all: bool
) -> None:
    requests = [usual(name) for name in range(9)]
    for request in requests if of_all else requests[4:6]:
        shape(request)
    assert together(requests) == one_by_one(requests)


@pytest.mark.parametrize("shape", [_energy_alone, _time_first, _out_of_order, _many_periods, _parking])
def test_usual_submissions_are_not_read_one_by_one(
    shape: Callable[[cdr_pb2.SubmitCdrRequest], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(request: cdr_pb2.SubmitCdrRequest, platform: str, skew_max: timedelta) -> CdrSubmission:
        raise AssertionError(request.request_id)

    monkeypatch.setattr(cdr_columns, "submission_from_pb", never)
    requests = [usual(name) for name in range(9)]
    for request in requests:
        shape(request)
    assert [UUID(read.request_id).int for read in read_all(requests)] == list(range(1, 10))


def test_one_that_is_unusual_does_not_keep_the_others_from_being_read_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone: list[str] = []

    def noted(request: cdr_pb2.SubmitCdrRequest, platform: str, skew_max: timedelta) -> CdrSubmission:
        alone.append(request.cdr.id)
        return submission_from_pb(request, platform, skew_max)

    monkeypatch.setattr(cdr_columns, "submission_from_pb", noted)
    requests = [usual(name) for name in range(9)]
    _credit(requests[3])
    requests[5].replaces = "CDR-99"
    assert [read.cdr.id.id for read in read_all(requests)] == [request.cdr.id for request in requests]
    assert alone == ["CDR-3", "CDR-5"]


def read_all(requests: Sequence[cdr_pb2.SubmitCdrRequest]) -> list[CdrSubmission]:
    read = read_submissions([Unread(request, "cpo") for request in requests])
    assert all(isinstance(each, CdrSubmission) for each in read)
    return [each for each in read if isinstance(each, CdrSubmission)]

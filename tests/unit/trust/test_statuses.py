"""The one table from errors to statuses."""

import importlib
from collections.abc import Iterator

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2

from hub.domain import errors
from hub.domain.errors import HubError, Invalid, Violation
from hub.rpc.status import CODES, DOMAIN, code_number, to_item_error, to_status


def kinds_of(kind: type[HubError]) -> Iterator[type[HubError]]:
    for subclass in kind.__subclasses__():
        yield subclass
        yield from kinds_of(subclass)


def make(kind: type[HubError]) -> HubError:
    if kind is Invalid:
        return Invalid([Violation(field="a", rule="is odd")])
    return kind("SOME_REASON", "a message", some="thing")


def test_every_error_has_its_status() -> None:
    importlib.import_module("hub.main")  # and with it every module that could define one
    assert set(kinds_of(HubError)) == CODES.keys()


def test_no_two_errors_share_a_status() -> None:
    assert len(set(CODES.values())) == len(CODES)


@pytest.mark.parametrize("kind", CODES, ids=lambda kind: kind.__name__)
def test_a_status_says_what_its_error_says_and_nothing_else(kind: type[HubError]) -> None:
    error = make(kind)
    status = to_status(error)
    assert status.code == code_number(error)
    assert status.message == error.message
    infos = [unpacked(detail) for detail in status.details if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR)]
    (info,) = infos
    assert (info.reason, info.domain, dict(info.metadata)) == (error.reason, DOMAIN, error.metadata)
    assert len(status.details) == (2 if kind is errors.Invalid else 1)


def unpacked(detail: AnyMessage) -> error_details_pb2.ErrorInfo:
    info = error_details_pb2.ErrorInfo()
    detail.Unpack(info)
    return info


@pytest.mark.parametrize("kind", CODES, ids=lambda kind: kind.__name__)
def test_an_item_of_a_batch_is_refused_in_the_same_words(kind: type[HubError]) -> None:
    error = make(kind)
    item = to_item_error(error)
    assert (item.code, item.reason, item.message) == (code_number(error), error.reason, error.message)
    assert [v.field for v in item.violations] == (["a"] if kind is Invalid else [])


def test_of_very_many_violations_the_first_are_told_and_all_are_counted() -> None:
    error = Invalid(Violation(field=f"cdr.charging_periods[{n}].dimensions", rule="is required") for n in range(10_000))
    status = to_status(error)
    assert len(status.SerializeToString()) < 6_000, "clients take 8 KiB of metadata, and this comes in Base64"
    info = unpacked(status.details[0])
    assert info.metadata == {"field": "cdr.charging_periods[0].dimensions", "violations": "10000"}
    bad = error_details_pb2.BadRequest()
    assert status.details[1].Unpack(bad)
    told = [violation.field for violation in bad.field_violations]
    assert 20 < len(told) < 100
    assert told == [violation.field for violation in error.violations[: len(told)]]
    item = to_item_error(error)
    assert ([violation.field for violation in item.violations], item.metadata["violations"]) == (told, "10000")


def test_one_violation_is_told_however_long_it_is() -> None:
    (told,) = to_item_error(Invalid([Violation(field="a" * 9_000, rule="is odd")])).violations
    assert told.field == "a" * 9_000

"""Ids that are ordered by time."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from hub.domain.clock import uuid7

INSTANTS = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2500, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(INSTANTS, st.binary(min_size=10, max_size=10))
def test_an_id_is_a_uuid_version_7_of_its_millisecond(instant: datetime, chance: bytes) -> None:
    made = UUID(uuid7(instant, chance))
    assert str(made) == uuid7(instant, chance)
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert made.int >> 80 == (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    random = made.int & ((1 << 62) - 1)
    assert random == int.from_bytes(chance) & ((1 << 62) - 1)


@given(INSTANTS, st.binary(min_size=10, max_size=10), st.binary(min_size=10, max_size=10))
def test_a_later_millisecond_makes_a_greater_id(instant: datetime, one: bytes, other: bytes) -> None:
    assert uuid7(instant, one) < uuid7(instant + timedelta(milliseconds=1), other)

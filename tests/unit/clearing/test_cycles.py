"""Calendar windows: in every zone, at every clock change, every instant is in exactly one of them."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.agreements import Cycle
from hub.domain.clearing.cycles import window_at

ZONES = [
    ZoneInfo(name)
    for name in (
        "UTC",
        "Europe/Amsterdam",
        "America/Havana",  # midnight occurs twice
        "America/Sao_Paulo",  # midnight was skipped
        "Asia/Beirut",
        "Asia/Kolkata",
        "Australia/Lord_Howe",  # half an hour of daylight saving
        "Pacific/Apia",  # lost a whole day
        "Pacific/Kiritimati",
    )
]
INSTANTS = st.datetimes(datetime(1995, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


@given(st.sampled_from(Cycle), st.sampled_from(ZONES), INSTANTS)
def test_every_instant_is_in_exactly_one_window(cycle: Cycle, zone: ZoneInfo, moment: datetime) -> None:
    window = window_at(cycle, zone, moment)
    assert window.start <= moment < window.end
    assert window_at(cycle, zone, window.start) == window
    assert window_at(cycle, zone, window.end - timedelta(microseconds=1)) == window
    assert window_at(cycle, zone, window.end).start == window.end
    assert window.first_date == window.start.astimezone(zone).date()


@pytest.mark.parametrize(
    ("cycle", "zone", "moment", "label", "span"),
    [
        ("DAILY", "Europe/Amsterdam", "2026-10-25T12:00Z", "2026-10-25", ("2026-10-24T22:00Z", "2026-10-25T23:00Z")),
        ("DAILY", "Europe/Amsterdam", "2026-03-29T12:00Z", "2026-03-29", ("2026-03-28T23:00Z", "2026-03-29T22:00Z")),
        ("MONTHLY", "Europe/Amsterdam", "2026-10-31T22:59Z", "2026-10", ("2026-09-30T22:00Z", "2026-10-31T23:00Z")),
        ("MONTHLY", "Europe/Amsterdam", "2026-10-31T23:00Z", "2026-11", ("2026-10-31T23:00Z", "2026-11-30T23:00Z")),
        ("MONTHLY", "UTC", "2028-02-29T23:59Z", "2028-02", ("2028-02-01T00:00Z", "2028-03-01T00:00Z")),
        ("WEEKLY", "Europe/Amsterdam", "2026-10-25T22:59Z", "2026-w43", ("2026-10-18T22:00Z", "2026-10-25T23:00Z")),
        ("WEEKLY", "UTC", "2027-01-01T00:00Z", "2026-w53", ("2026-12-28T00:00Z", "2027-01-04T00:00Z")),
        ("HOURLY", "Asia/Kolkata", "2026-10-25T01:29Z", "2026-10-25t01z", ("2026-10-25T01:00Z", "2026-10-25T02:00Z")),
        ("DAILY", "America/Havana", "2026-11-01T12:00Z", "2026-11-01", ("2026-11-01T04:00Z", "2026-11-02T05:00Z")),
        ("DAILY", "America/Sao_Paulo", "2018-11-04T12:00Z", "2018-11-04", ("2018-11-04T03:00Z", "2018-11-05T02:00Z")),
        ("DAILY", "Pacific/Apia", "2011-12-30T10:00Z", "2011-12-31", ("2011-12-30T10:00Z", "2011-12-31T10:00Z")),
    ],
)
def test_windows_follow_the_local_calendar(
    cycle: str, zone: str, moment: str, label: str, span: tuple[str, str]
) -> None:
    window = window_at(Cycle(cycle), ZoneInfo(zone), instant(moment))
    assert (window.label, (window.start, window.end)) == (label, (instant(span[0]), instant(span[1])))


def test_a_day_of_a_clock_change_has_23_or_25_hours() -> None:
    amsterdam = ZoneInfo("Europe/Amsterdam")
    long, short = (
        window_at(Cycle.DAILY, amsterdam, instant(day)) for day in ("2026-10-25T12:00Z", "2026-03-29T12:00Z")
    )
    assert (long.end - long.start, short.end - short.start) == (timedelta(hours=25), timedelta(hours=23))


def test_a_time_without_its_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        window_at(Cycle.DAILY, ZoneInfo("UTC"), datetime.combine(date(2026, 1, 1), datetime.min.time()))

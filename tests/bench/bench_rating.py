"""Rating: the specification's complex example, and a real tariff of 97 elements over 48 periods.

Run: `python -m tests.bench.bench_rating`. Beside each rate stands the ratio to a bare baseline: the same products,
taxes and roundings, written out by hand for that one session, without restrictions, notes or a result to explain. CPU
time counts, and the best of many short runs, as the machine is shared.
"""

import gzip
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from time import process_time

from hub.domain.money import round_half_away
from hub.domain.rating import ChargingPlan, RatableSession, RatedCdr, compile_tariff, period_of, quote, rate
from hub.domain.rating.compile import _compile
from hub.domain.rating.json_tariff import tariffs_from_json
from hub.domain.tariffs import (
    Dimension,
    PriceComponent,
    Restrictions,
    Tariff,
    TariffElement,
    Weekday,
)

_DATA = Path(os.environ.get("ROAMHUB_DATA", "../shared/data")) / "locations" / "ndw-nl-tariffs.jsonl.gz"
_WORKDAYS = frozenset(Weekday) - {Weekday.SATURDAY, Weekday.SUNDAY}
_RUNS = 40
_RUN_SECONDS = 0.02


def measure(work: Callable[[], object]) -> float:
    """Return seconds of CPU per call, the best of many short runs."""
    started, calls = process_time(), 0
    while process_time() - started < _RUN_SECONDS:
        work()
        calls += 1
    best = float("inf")
    for _ in range(_RUNS):
        started = process_time()
        for _ in range(calls):
            work()
        best = min(best, (process_time() - started) / calls)
    return best


def _element(kind: str, price: str, vat: int, step: int, **restrictions: object) -> TariffElement:
    component = PriceComponent(dimension=Dimension(kind), price=Decimal(price), vat=Decimal(vat), step_size=step)
    return TariffElement(components=(component,), restrictions=Restrictions(**restrictions))  # type: ignore[arg-type]


def complex_example() -> tuple[RatableSession, Tariff]:
    """Return the Monday morning of the specification's complex tariff: 9.00 before and 10.30 after taxes."""
    clock = datetime(2024, 3, 4, 9, 30, tzinfo=UTC)
    tariff = Tariff(
        id="14",
        currency="EUR",
        elements=(
            _element("FLAT", "2.50", 15, 1),
            _element("TIME", "1.00", 20, 900, max_current=Decimal(32)),
            _element("TIME", "2.00", 20, 600, min_current=Decimal(32), days=_WORKDAYS),
            _element("TIME", "1.25", 20, 600, min_current=Decimal(32), days=frozenset(Weekday) - _WORKDAYS),
            _element(
                "PARKING_TIME",
                "5.00",
                10,
                300,
                start_time=clock.replace(hour=9, minute=0).time(),
                end_time=clock.replace(hour=18, minute=0).time(),
                days=_WORKDAYS,
            ),
            _element(
                "PARKING_TIME",
                "6.00",
                10,
                300,
                start_time=clock.replace(hour=10, minute=0).time(),
                end_time=clock.replace(hour=17, minute=0).time(),
                days=frozenset({Weekday.SATURDAY}),
            ),
        ),
    )
    measured = [("TIME", Decimal("2.75")), ("MIN_CURRENT", Decimal(10)), ("MAX_CURRENT", Decimal(16))]
    session = RatableSession(
        start=clock,
        end=clock + timedelta(minutes=207),
        time_zone="Europe/Berlin",
        currency="EUR",
        periods=(
            period_of(clock, measured),
            period_of(clock + timedelta(minutes=165), [("PARKING_TIME", Decimal("0.7"))]),
        ),
    )
    return session, tariff


def bare_complex() -> tuple[Decimal, ...]:
    """Compute the same five totals by hand."""
    fixed, time, parking = Decimal("2.50"), Decimal(9900) * Decimal("1.00") / 3600, Decimal(2700) * 5 / 3600
    before = fixed + time + parking
    after = fixed * Decimal("1.15") + time * Decimal("1.20") + parking * Decimal("1.10")
    return tuple(round_half_away(amount, 4) for amount in (fixed, time, parking, before, after))


def real_tariff() -> Tariff:
    """Return the Dutch tariff of 97 elements, or one of the same build where the shared data is absent."""
    if _DATA.exists():
        with gzip.open(_DATA, "rb") as lines:
            for line in lines:
                if b'"NL0-ALL-JUMBO-PUBLIC"' in line:
                    return tariffs_from_json(line)[0].tariff
    print(f"  {_DATA} is absent: a made-up tariff of 97 elements instead")
    quarter = timedelta(minutes=15)
    start = datetime(2026, 6, 6, tzinfo=UTC)
    elements = [
        _element(
            "ENERGY",
            f"0.{50 + n % 25}",
            21,
            1,
            start_time=(start + n * quarter).time(),
            end_time=(start + (n + 1) * quarter).time(),
            start_date=start.date(),
        )
        for n in range(96)
    ]
    return Tariff(id="97", currency="EUR", elements=(*elements, _element("ENERGY", "0.60", 21, 1)))


def half_a_day(tariff: Tariff) -> RatableSession:
    """Return a session of 48 quarters of an hour."""
    start = datetime(2026, 6, 6, 4, tzinfo=UTC)
    quarters = [start + timedelta(minutes=15 * n) for n in range(48)]
    return RatableSession(
        start=start,
        end=start + timedelta(hours=12),
        time_zone="Europe/Amsterdam",
        currency=tariff.currency,
        periods=tuple(period_of(at, [("ENERGY", Decimal("1.234")), ("TIME", Decimal("0.25"))]) for at in quarters),
    )


def bare_half_a_day() -> tuple[Decimal, ...]:
    """Sum 48 products with their tax by hand."""
    before = after = Decimal(0)
    for _ in range(48):
        amount = Decimal("1.234") * Decimal("0.65")
        before += amount
        after += amount * Decimal("1.21")
    return round_half_away(before, 4), round_half_away(after, 4)


def main() -> None:
    """Print rates per second and core, and ratios to the bare baseline."""
    session, tariff = complex_example()
    assert rate(session, [tariff]).total_cost.after_taxes == Decimal("10.3")
    long = real_tariff()
    day = half_a_day(long)
    compiled = compile_tariff(long)
    print(f"rating, per second and core ({len(long.elements)} elements, {len(day.periods)} periods)")
    bare, bare_day = measure(bare_complex), measure(bare_half_a_day)

    def line(name: str, work: Callable[[], object], base: float, wanted: str = "") -> None:
        each = measure(work)
        print(f"  {name:<44} {1 / each:>9,.0f}/s   {each / base:>6.1f} x the bare baseline  {wanted}".rstrip())

    def explained() -> RatedCdr:
        rated = rate(session, [tariff])
        assert rated.lines
        assert rated.taxes
        return rated

    print(f"  {'bare baseline: complex example':<44} {1 / bare:>9,.0f}/s")
    line("complex example", lambda: rate(session, [tariff]), bare, "(20,000 wanted)")
    line("complex example with lines and taxes", explained, bare)
    print(f"  {'bare baseline: 48 periods':<44} {1 / bare_day:>9,.0f}/s")
    line("97 elements, 48 periods", lambda: rate(day, [long]), bare_day, "(1,000 wanted)")
    line("97 elements, 48 periods, compiled by hand", lambda: rate(day, [compiled]), bare_day)
    line("97 elements, 48 periods, with lines", lambda: len(rate(day, [long]).lines), bare_day)
    line("compile 97 elements", lambda: _compile.__wrapped__(long, *_settings()), bare_day)
    plan = ChargingPlan(start=day.start, time_zone="Europe/Amsterdam", energy_kwh=Decimal(30), power_kw=Decimal(11))
    line("quote 30 kWh under 97 elements", lambda: quote(plan, [long]), bare_day)


def _settings() -> tuple[object, ...]:
    from hub.domain.rating import ROAMHUB_2026

    return ROAMHUB_2026.equal_times, ROAMHUB_2026.equal_dates, ROAMHUB_2026.sales_tax_countries


if __name__ == "__main__":
    main()

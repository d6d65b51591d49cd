"""Short ways to say what a tariff and a session are, and where the shared vectors lie."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hub.domain.rating import RatablePeriod, RatableSession, period_of
from hub.domain.tariffs import Dimension, PriceComponent, Restrictions, Tariff, TariffElement

DATA = Path(os.environ.get("ROAMHUB_DATA", Path(__file__).parents[4] / "shared" / "data"))

MONDAY = datetime(2024, 3, 4, 10, 0, tzinfo=UTC)


def shared(*parts: str) -> Path:
    """Return a path in the shared data; skip the test where it is absent."""
    path = DATA.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"shared data is absent: {path} (set ROAMHUB_DATA)")
    return path


def price(kind: str, amount: str, *, vat: str | None = None, step: int = 1) -> PriceComponent:
    return PriceComponent(
        dimension=Dimension(kind),
        price=Decimal(amount),
        vat=None if vat is None else Decimal(vat),
        step_size=step,
    )


def element(*components: PriceComponent, **restrictions: Any) -> TariffElement:
    return TariffElement(components=components, restrictions=Restrictions(**restrictions))


def tariff(*elements: TariffElement, **fields: Any) -> Tariff:
    return Tariff(**{"id": "T1", "currency": "EUR", "elements": elements} | fields)


def period(minute: float = 0, *, tariff_id: str | None = None, **volumes: Any) -> RatablePeriod:
    """Return a period that starts so many minutes after Monday 10:00 UTC, `ENERGY="20", TIME="1"`."""
    return period_of(
        MONDAY + timedelta(minutes=minute),
        [(kind, Decimal(volume)) for kind, volume in volumes.items()],
        tariff_id=tariff_id,
    )


def session(*periods: RatablePeriod, minutes: float = 60, **fields: Any) -> RatableSession:
    """Return a session from Monday 10:00 UTC for so many minutes."""
    standard: dict[str, Any] = {
        "start": MONDAY,
        "end": MONDAY + timedelta(minutes=minutes),
        "time_zone": "UTC",
        "currency": "EUR",
        "periods": periods,
    }
    return RatableSession(**standard | fields)


def amounts(values: Sequence[Decimal | None]) -> list[str | None]:
    return [None if value is None else str(value) for value in values]

"""What the hub knows about locations, EVSEs and connectors."""

from datetime import timedelta

import pytest

from hub.domain.errors import Invalid
from hub.domain.locations import CONNECTORS_MAX, EVSES_MAX, PowerType, is_time_zone, max_power
from hub.rpc.location_wire import location_from_pb
from tests.catalog import NOW, connector, evse, location


@pytest.mark.parametrize(
    ("kind", "voltage", "amperage", "stated", "watts"),
    [
        (PowerType.AC_1_PHASE, 230, 16, 0, 3_680),
        (PowerType.AC_3_PHASE, 230, 16, 0, 11_040),
        (PowerType.AC_2_PHASE, 230, 16, 0, 7_360),
        (PowerType.AC_2_PHASE_SPLIT, 240, 32, 0, 7_680),
        (PowerType.DC, 920, 500, 300_000, 300_000),
        (PowerType.DC, 920, 0, 0, None),
        (PowerType.AC_3_PHASE, 0, 16, 0, None),
        (PowerType.AC_3_PHASE, 0, 0, 22_000, 22_000),
    ],
)
def test_power_follows_from_voltage_and_current_unless_it_is_stated(
    kind: PowerType, voltage: int, amperage: int, stated: int, watts: int | None
) -> None:
    assert max_power(kind, voltage, amperage, stated) == watts


@pytest.mark.parametrize("name", ["Europe/Amsterdam", "UTC", "America/Argentina/Buenos_Aires", "Asia/Kathmandu"])
def test_zones_of_the_iana_database_are_known(name: str) -> None:
    assert is_time_zone(name)


@pytest.mark.parametrize(
    "name", ["", "Europe", "Mars/Olympus", "../../etc/passwd", "/etc/passwd", "Europe/\0", "CET+1x"]
)
def test_other_names_are_no_zones(name: str) -> None:
    assert not is_time_zone(name)


def test_a_location_has_no_end_of_evses_nor_an_evse_of_connectors() -> None:
    crowded = location(evses=[evse(f"E{n}") for n in range(EVSES_MAX + 1)])
    crowded.evses[3].connectors.extend(connector(f"C{n}") for n in range(CONNECTORS_MAX))
    with pytest.raises(Invalid) as caught:
        location_from_pb(crowded, NOW + timedelta(days=1))
    assert [violation.field for violation in caught.value.violations] == [
        "location.evses",
        "location.evses[3].connectors",
    ]

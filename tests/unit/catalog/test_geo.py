"""Points, distances and the boxes that a search looks into."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.geo import DEGREE, Point, boxes_around, distance_mm, parse_degrees, stripe

LATITUDES = st.integers(-90 * DEGREE, 90 * DEGREE)
LONGITUDES = st.integers(-180 * DEGREE, 180 * DEGREE)
POINTS = st.builds(Point, LATITUDES, LONGITUDES)


@pytest.mark.parametrize(
    ("text", "degrees"),
    [
        ("52.3731", 523_731_000),
        ("-126.104965", -1_261_049_650),
        ("0", 0),
        ("-0.0000001", -1),
        ("4.89260009999", 48_926_000),
        ("180", 1_800_000_000),
    ],
)
def test_decimal_degrees_are_read_to_the_centimetre(text: str, degrees: int) -> None:
    assert parse_degrees(text, 180) == degrees


@pytest.mark.parametrize(
    "text", ["", "5,1", "1e1", "NaN", "180.0000001", "-181", " 5", "+5", "5.", ".5", "\u0665", "1" * 9]
)
def test_what_is_no_number_of_degrees_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="degrees"):
        parse_degrees(text, 180)


@pytest.mark.parametrize(
    ("one", "other", "kilometres"),
    [
        ((52.3731, 4.8926), (48.8566, 2.3522), 430.1),  # Amsterdam, Paris
        ((0, 0), (0, 1), 111.2),
        ((0, 179.5), (0, -179.5), 111.2),
        ((90, 0), (-90, 123), 20_015.1),
        ((52, 5), (52, 5), 0),
    ],
)
def test_distances_are_those_on_the_globe(
    one: tuple[float, float], other: tuple[float, float], kilometres: float
) -> None:
    points = [Point(round(a * DEGREE), round(b * DEGREE)) for a, b in (one, other)]
    assert distance_mm(*points) / 1e6 == pytest.approx(kilometres, abs=0.1)


@given(POINTS, POINTS)
def test_a_distance_is_the_same_both_ways_and_at_most_half_round_the_globe(one: Point, other: Point) -> None:
    assert distance_mm(one, other) == distance_mm(other, one)
    assert 0 <= distance_mm(one, other) <= 20_015_115_000


@given(POINTS, st.integers(1, 400_000), st.floats(0, 1), st.floats(0, 2 * math.pi))
def test_no_point_within_the_radius_lies_outside_the_boxes(
    center: Point, radius_m: int, share: float, bearing: float
) -> None:
    other = travel(center, radius_m * share, bearing)
    if distance_mm(center, other) > radius_m * 1_000:
        return
    boxes = boxes_around(center, radius_m)
    holding = [
        box for box in boxes if box.south <= other.latitude <= box.north and box.west <= other.longitude <= box.east
    ]
    assert holding
    assert stripe(other.latitude) in holding[0].stripes


def travel(start: Point, metres: float, bearing: float) -> Point:
    """Return where one gets by going so far along a great circle."""
    angle, south, west = metres / 6_371_008.8, *(math.radians(v / DEGREE) for v in (start.latitude, start.longitude))
    north = math.asin(math.sin(south) * math.cos(angle) + math.cos(south) * math.sin(angle) * math.cos(bearing))
    east = west + math.atan2(
        math.sin(bearing) * math.sin(angle) * math.cos(south), math.cos(angle) - math.sin(south) * math.sin(north)
    )
    longitude = (math.degrees(east) + 540) % 360 - 180
    return Point(round(math.degrees(north) * DEGREE), round(longitude * DEGREE))


@pytest.mark.parametrize(
    ("center", "boxes"),
    [
        ((0, 179.9), 2),
        ((0, -179.9), 2),
        ((89.9, 0), 1),
        ((-90, 77), 1),
        ((52, 5), 1),
    ],
)
def test_boxes_part_at_the_antimeridian_and_close_round_the_poles(center: tuple[float, float], boxes: int) -> None:
    found = boxes_around(Point(round(center[0] * DEGREE), round(center[1] * DEGREE)), 50_000)
    assert len(found) == boxes
    assert all(-180 * DEGREE <= box.west <= box.east <= 180 * DEGREE for box in found)
    assert all(-90 * DEGREE <= box.south <= box.north <= 90 * DEGREE for box in found)

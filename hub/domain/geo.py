"""Points on earth, and what lies around them.

Degrees are whole numbers of ten-millionths (OCPI sends up to seven decimals), so that a point is stored and indexed
exactly. Distances are those on a sphere and, being no money, floats inside; they leave as whole millimetres.
"""

import math
import re
from dataclasses import dataclass

#: Ten-millionths in one degree.
DEGREE = 10_000_000

#: Mean radius of the earth in metres (IUGG).
_RADIUS_M = 6_371_008.8

#: Height in degrees of the stripes of latitude by which points are indexed.
_STRIPES_PER_DEGREE = 10

_DEGREES = re.compile(r"-?[0-9]{1,3}(\.[0-9]{1,20})?")


@dataclass(frozen=True, slots=True)
class Point:
    """A place, WGS 84, in ten-millionths of a degree north and east."""

    latitude: int
    longitude: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A range of latitudes and longitudes in ten-millionths of a degree, all four inclusive."""

    south: int
    north: int
    west: int
    east: int

    @property
    def stripes(self) -> range:
        """The stripes of latitude it touches."""
        return range(stripe(self.south), stripe(self.north) + 1)


def parse_degrees(text: str, most: int) -> int:
    """Read decimal degrees such as `-126.104965`; decimals beyond the seventh, a centimetre, are cut off.

    Raises:
        ValueError: The text is no decimal number of degrees from `-most` to `most`.
    """
    if not _DEGREES.fullmatch(text):
        raise ValueError("must be a decimal number of degrees")
    whole, _, fraction = text.partition(".")
    degrees = int(whole + fraction[:7].ljust(7, "0"))
    if abs(degrees) > most * DEGREE:
        raise ValueError(f"must be from -{most} to {most} degrees")
    return degrees


def stripe(latitude: int) -> int:
    """Return the number, from 0 at the south pole, of the stripe of latitude that a point lies in."""
    return (latitude + 90 * DEGREE) * _STRIPES_PER_DEGREE // DEGREE


def distance_mm(one: Point, other: Point) -> int:
    """Return the length of the great circle between two points in whole millimetres."""
    south, north = math.radians(one.latitude / DEGREE), math.radians(other.latitude / DEGREE)
    east = math.radians((other.longitude - one.longitude) / DEGREE)
    half = math.sin((north - south) / 2) ** 2 + math.cos(south) * math.cos(north) * math.sin(east / 2) ** 2
    return round(2_000 * _RADIUS_M * math.asin(math.sqrt(min(1.0, half))))


def boxes_around(center: Point, radius_m: float) -> list[Box]:
    """Return one or, across the antimeridian, two boxes that hold every point within the radius."""
    # A little more than needed: rounding must not lose a point on the edge, and the distance is looked at afterwards.
    angle = radius_m / _RADIUS_M * 1.001 + 1e-7
    latitude = math.radians(center.latitude / DEGREE)
    south = max(-90 * DEGREE, math.floor(math.degrees(latitude - angle) * DEGREE))
    north = min(90 * DEGREE, math.ceil(math.degrees(latitude + angle) * DEGREE))
    if abs(latitude) + angle >= math.pi / 2:
        return [Box(south=south, north=north, west=-180 * DEGREE, east=180 * DEGREE)]
    reach = math.ceil(math.degrees(math.asin(math.sin(angle) / math.cos(latitude))) * DEGREE)
    west, east = center.longitude - reach, center.longitude + reach
    spans = [(max(west, -180 * DEGREE), min(east, 180 * DEGREE))]
    if west < -180 * DEGREE:
        spans.append((west + 360 * DEGREE, 180 * DEGREE))
    if east > 180 * DEGREE:
        spans.append((-180 * DEGREE, east - 360 * DEGREE))
    return [Box(south=south, north=north, west=a, east=b) for a, b in spans]

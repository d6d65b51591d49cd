"""The zone a location's clock runs in."""

import re
from datetime import UTC, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from hub.domain.errors import invalid

_OFFSET = re.compile(r"([+-])(\d{2}):?(\d{2})")


@lru_cache(maxsize=1024)
def zone_named(name: str) -> tzinfo:
    """Return an IANA zone such as `Europe/Amsterdam`, or a fixed offset such as `+01:00`.

    Raises:
        Invalid: It is neither.
    """
    return _zone(name)


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    if match := _OFFSET.fullmatch(name):
        sign, hours, minutes = match.groups()
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        if offset < timedelta(hours=24):
            return timezone(-offset if sign == "-" else offset)
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        # The name is also a file name: a folder or an over-long one fails in the file system.
        raise invalid("time_zone", "must be an IANA zone such as Europe/Amsterdam") from None

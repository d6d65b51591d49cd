"""What no station can have delivered.

Energy is compared with power times time. The power is the connector's when the session began, as the CPO had published
it; where the hub learned of it later only, it is compared with nothing. Energy that is negative is refused before any
check (`hub.rpc.cdr_wire`).
"""

from datetime import timedelta

from hub.domain.cdrs.checks.codes import Check, Found
from hub.domain.cdrs.checks.known import Known
from hub.domain.cdrs.record import Cdr

#: Stations round the times of a session, some to whole minutes.
SLACK = timedelta(seconds=60)
#: Published power may be exceeded by a tenth: the mains voltage may be (EN 50160), and current is what is limited.
MARGIN_PERCENT = 110
#: In watts; the Megawatt Charging System, the strongest there is, ends at 1,250 V and 3,000 A.
POWER_MAX = 4_000_000

_JOULES = 3_600_000
_SECOND = timedelta(seconds=1)


def check_physics(cdr: Cdr, known: Known) -> Found:
    """Yield what is physically wrong with a charge."""
    joules = int(cdr.total_energy * _JOULES)
    seconds = (cdr.end_time - cdr.start_time + SLACK) // _SECOND
    if joules > POWER_MAX * seconds:
        yield Check.ENERGY_IMPOSSIBLE, "total_energy", "is more than any station delivers in that time"
    elif known.evse is not None and known.evse.power and joules * 100 > known.evse.power * MARGIN_PERCENT * seconds:
        yield (
            Check.ENERGY_EXCEEDS_POWER,
            "total_energy",
            f"is more than the {known.evse.power} W of the connector deliver in that time",
        )

"""CDRs whose session ended in a period that is over: they join the one that is open, tagged with their month.

Late is what a statement counts as late (`hub.domain.clearing.lines`): the local date of the session's end lies before
the open period's first. Before the first cut-off of an agreement nothing is late.
"""

from zoneinfo import ZoneInfo

from hub.domain.cdrs.checks.codes import Check, Found
from hub.domain.cdrs.checks.known import Known, KnownPeriod
from hub.domain.cdrs.record import Cdr
from hub.domain.clearing.cycles import window_at


def check_late(cdr: Cdr, known: Known, period: KnownPeriod) -> Found:
    """Yield how late a charge is for a period that is open."""
    if cdr.end_time >= period.start_time:
        return
    zone = ZoneInfo(period.time_zone)
    tax_date = cdr.end_time.astimezone(zone).date()
    if tax_date < period.first_date:
        days = (known.now - window_at(period.cycle, zone, cdr.end_time).end).days
        yield (
            Check.LATE,
            "end_date_time",
            f"is of {tax_date:%Y-%m}, whose period ended {days} days ago; it joins the one that is open",
        )

"""Python's garbage collector, set for a process that serves."""

import gc

#: Objects made before the youngest are looked at, and how many such looks before each older generation's turn. Python's
#: own 700 and 10 take a tenth of the processor time of a hub under load, which makes next to no cycles.
_THRESHOLDS = (10_000, 20, 100)


def collect_less() -> None:
    """Have the collector run less often; best before the imports, whose objects all stay."""
    gc.set_threshold(*_THRESHOLDS)


def keep_what_is() -> None:
    """Spare the collector all objects there are now: modules, tables and messages live as long as the process."""
    gc.freeze()

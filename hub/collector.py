"""Python's garbage collector, set for a process that serves."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

#: Objects made before the youngest are looked at, and how many such looks before each older generation's turn. Python's
#: own 700 and 10 take a tenth of the processor time of a hub under load, which makes next to no cycles.
_THRESHOLDS = (10_000, 20, 100)


@contextmanager
def loading() -> Iterator[None]:
    """Import in here what stays: the collector does not look at it, which would be a twelfth of the start."""
    gc.disable()
    try:
        yield
    finally:
        collect_less()
        gc.enable()
    keep_what_is()


def collect_less() -> None:
    """Have the collector run less often."""
    gc.set_threshold(*_THRESHOLDS)


def keep_what_is() -> None:
    """Spare the collector all objects there are now: modules, tables and messages live as long as the process."""
    gc.freeze()

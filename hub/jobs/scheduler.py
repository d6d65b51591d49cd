"""The scheduler: runs jobs at intervals, one run of each at a time, and never lets one fail quietly.

A job finds out by itself whether anything is due, from what is stored and the clock; so it does no harm when it runs
too often, in several processes, or again after a crash. The first run is at the start: that catches up on downtime.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler

_log = logging.getLogger(__name__)

#: Does what is due; returns whether anything was.
Job = Callable[[], Awaitable[bool]]


class Scheduler:
    """Runs jobs on the event loop.

    Args:
        observe: Told the name of each job that ran, and `done`, `skipped` (nothing was due) or `failed`.
    """

    def __init__(self, observe: Callable[[str, str], None] = lambda _name, _outcome: None) -> None:
        self._observe = observe
        self._scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )
        # Its own lines tell of every run, which is every second; and of a job that is cancelled because the hub stops,
        # with a traceback. What fails is logged here.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        logging.getLogger("apscheduler.executors.default").setLevel(logging.CRITICAL)

    def every(self, seconds: float, name: str, job: Job, *, after_seconds: float = 0) -> None:
        """Run a job at the start, or so long after, and then at this interval."""
        first = datetime.now(UTC) + timedelta(seconds=after_seconds)
        self._scheduler.add_job(self._run, "interval", (name, job), id=name, seconds=seconds, next_run_time=first)

    def start(self) -> None:
        """Begin; call on the event loop."""
        self._scheduler.start()

    def stop(self) -> None:
        """Begin no further run; one that is under way ends with the loop."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    async def _run(self, name: str, job: Job) -> None:
        try:
            outcome = "done" if await job() else "skipped"
        except asyncio.CancelledError:
            return  # the hub stops; the next start does what is due
        except Exception:  # noqa: BLE001 - the next run may succeed, and the other jobs must go on
            _log.exception("job_failed", extra={"job": name})
            outcome = "failed"
        self._observe(name, outcome)

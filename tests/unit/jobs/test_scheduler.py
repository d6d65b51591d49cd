"""Jobs run at once, then at their interval, one run at a time; a failure is counted and logged."""

import asyncio
import logging

import pytest

from hub.jobs.scheduler import Scheduler


async def outcomes_of(job: object, wanted: int) -> list[tuple[str, str]]:
    seen: list[tuple[str, str]] = []
    enough = asyncio.Event()

    def observe(name: str, outcome: str) -> None:
        seen.append((name, outcome))
        if len(seen) >= wanted:
            enough.set()

    scheduler = Scheduler(observe)
    scheduler.every(0.01, "j", job)  # type: ignore[arg-type]
    scheduler.start()
    await asyncio.wait_for(enough.wait(), 60)
    scheduler.stop()
    return seen


async def test_a_job_runs_at_the_start_and_again() -> None:
    runs = iter([True, False, True])

    async def job() -> bool:
        return next(runs)

    assert (await outcomes_of(job, 3))[:3] == [("j", "done"), ("j", "skipped"), ("j", "done")]


async def test_a_job_that_fails_is_counted_logged_and_run_again(caplog: pytest.LogCaptureFixture) -> None:
    async def job() -> bool:
        raise ValueError("no")

    with caplog.at_level(logging.ERROR):
        assert set(await outcomes_of(job, 2)) == {("j", "failed")}
    assert caplog.records[0].getMessage() == "job_failed"


async def test_a_slow_job_is_not_run_twice_at_the_same_time() -> None:
    under_way = 0

    async def job() -> bool:
        nonlocal under_way
        under_way += 1
        assert under_way == 1
        await asyncio.sleep(0.05)
        under_way -= 1
        return True

    assert set(await outcomes_of(job, 3)) == {("j", "done")}


async def test_stopping_what_never_started_is_harmless() -> None:
    Scheduler().stop()
